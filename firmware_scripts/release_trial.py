"""An update on trial: its state on disk, and the judgement whether the new release is good. The judgement is pure.

A release is good when, after the switch, every configured camera has closed a segment with frames and is writing on,
and the broker took something. It is bad when its processes were started anew three times, or the time is up. The facts
come from the node's own store (`agent.processes.vouch`), which a release that cannot start does not give: then they are
None, and the time runs out. Needs Python 3.11's standard library.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any, Final

from release_manifest import ReleaseError
from release_slots import SLOTS, write_durably

# Beside the slots, where only root writes: the data folder is open to the processes that parse cameras' streams.
STATE: Final = Path("/opt/wayside/update.json")
# A segment lasts 60 s and closes at the next IDR; a camera's reconnection and a slow line take their time.
TRIAL_LIMIT_S: Final = 600.0
# provisioning.md: three failed starts.
MAX_FAILED_STARTS: Final = 3
_FORM: Final = 1


class Phase(Enum):
    """READY: built, not switched. TRYING: switched, not proven. ROLLING_BACK: on the way back to the one before."""

    READY = "ready"
    TRYING = "trying"
    GOOD = "good"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"


@dataclass(frozen=True, slots=True)
class Camera:
    """As `agent.processes.vouch` tells it: segments are (boot, run, number)."""

    newest: tuple[int, ...] | None
    newest_bytes: int
    closed: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What the node had done at one moment; the counters are the outbox's."""

    cameras: Mapping[str, Camera]
    has_broker: bool
    epoch: str = ""
    confirmed_a: int = 0
    acked_a: int = 0
    last_a: int = 0
    last_b: int = 0
    oldest_b: int = 0
    shed: int = 0


@dataclass(frozen=True, slots=True)
class Trial:
    """One update, as update.json holds it. `began_s`: on the clock of boot `boot_id`. `restarted`: the units done."""

    phase: Phase
    slot: str
    version: str
    previous_slot: str
    previous_version: str
    floor: str
    boot_id: str = ""
    began_s: float = 0.0
    reason: str = ""
    excused: tuple[str, ...] = ()
    restarted: tuple[str, ...] = ()
    failed_starts: int = 0
    baseline: Facts | None = None
    is_forced: bool = False
    missing: tuple[str, ...] = ()
    limit_s: float = TRIAL_LIMIT_S


class Verdict(Enum):
    WAIT = "wait"
    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Judgement:
    """`why`: of BAD the reason, of WAIT what is still missing."""

    verdict: Verdict
    why: tuple[str, ...] = ()


def judge(trial: Trial, before: Facts | None, now: Facts | None, *, failed_starts: int, elapsed_s: float) -> Judgement:
    """`before`: the facts of the last look, by which one sees whether files grow. Pure."""
    if failed_starts >= MAX_FAILED_STARTS:
        return Judgement(Verdict.BAD, (f"its processes had to be started anew {failed_starts} times",))
    missing = ("the node tells nothing",) if now is None else _missing(trial, before, now)
    if not missing:
        return Judgement(Verdict.GOOD)
    if elapsed_s >= trial.limit_s:
        return Judgement(Verdict.BAD, (f"after {elapsed_s:.0f} s: {'; '.join(missing)}",))
    return Judgement(Verdict.WAIT, missing)


def _missing(trial: Trial, before: Facts | None, now: Facts) -> tuple[str, ...]:
    missing = []
    baseline = trial.baseline or Facts({}, has_broker=False)
    for name, camera in now.cameras.items():
        if name in trial.excused:
            continue
        then = baseline.cameras.get(name)
        floor = max((one for one in (then.newest, then.closed) if one), default=()) if then else ()
        last = before.cameras.get(name) if before else None
        # A run is one camera session: segments of a later run were begun after the restart. (boot, run) of ()
        # sorts before all.
        if not camera.closed or camera.closed[:2] <= floor[:2]:
            missing.append(f"{name}: no segment closed since the switch")
        elif last is None or (camera.newest, camera.newest_bytes) == (last.newest, last.newest_bytes):
            missing.append(f"{name}: no new frames")
    if now.has_broker and not _is_taken(baseline, now):
        missing.append("the broker has confirmed nothing since the switch")
    return tuple(missing)


def _is_taken(then: Facts, now: Facts) -> bool:
    """Something said after the switch reached the broker (lane a or b) or the centre."""
    if now.epoch != then.epoch:
        then = Facts({}, has_broker=True)
    if max(now.confirmed_a, now.acked_a) > then.last_a:
        return True
    # Lane b's rows leave the outbox when they are confirmed, or when they are shed, which is counted.
    has_left = now.last_b > then.last_b and (now.oldest_b == 0 or now.oldest_b > then.last_b + 1)
    return has_left and now.shed == then.shed


def restarted_anew(trial: Trial, now: Facts | None, failed_starts: int) -> Trial:
    """A process fell during the trial: what cameras recorded until then proves nothing any more. Pure."""
    if failed_starts <= trial.failed_starts:
        return trial
    baseline = trial.baseline
    if baseline is not None and now is not None:
        baseline = replace(baseline, cameras=now.cameras)
    return replace(trial, failed_starts=failed_starts, baseline=baseline)


def is_recording(before: Facts, now: Facts) -> dict[str, bool]:
    """Which cameras wrote between two looks: asked before an update, so that it is not blamed for a dead camera."""
    return {
        name: camera.newest is not None
        and (last := before.cameras.get(name)) is not None
        and (camera.newest, camera.newest_bytes) != (last.newest, last.newest_bytes)
        for name, camera in now.cameras.items()
    }


def decode_facts(text: str) -> Facts:
    """Of what `vouch` prints. Raises ReleaseError when it is of a form that these tools do not know."""
    try:
        told = json.loads(text)
        if told["v"] != _FORM:
            raise ReleaseError(f"the node's facts are of form {told['v']}, these tools know {_FORM}")
        outbox = told["outbox"] or {}
        return Facts(
            cameras={one["camera"]: _camera(one) for one in told["cameras"]},
            has_broker=bool(told["has_broker"]),
            epoch=str(outbox.get("epoch", "")),
            **{key: int(outbox.get(key, 0)) for key in _COUNTERS},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise ReleaseError("the node's facts cannot be read") from exc


_COUNTERS: Final = ("confirmed_a", "acked_a", "last_a", "last_b", "oldest_b", "shed")


def _camera(told: Mapping[str, Any]) -> Camera:
    return Camera(_triple(told["newest"]), int(told["newest_bytes"]), _triple(told["closed"]))


def _triple(told: Sequence[Any] | None) -> tuple[int, ...] | None:
    return None if told is None else tuple(int(part) for part in told)


def load_trial(path: Path) -> Trial | None:
    """None when no update was ever made, or when its file cannot be read: then nothing is on trial."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        facts = told["baseline"]
        if facts is not None:
            facts["cameras"] = {name: _camera(one) for name, one in facts["cameras"].items()}
            told["baseline"] = Facts(**facts)
        told["phase"] = Phase(told["phase"])
        for key in ("excused", "restarted", "missing"):
            told[key] = tuple(told[key])
        trial = Trial(**told)
        if {trial.slot, trial.previous_slot} != set(SLOTS):
            return None
        return trial
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def save_trial(path: Path, trial: Trial) -> Trial:
    """The trial, on disk before it is returned."""
    told = asdict(trial) | {"phase": trial.phase.value}
    write_durably(path, json.dumps(told, indent=1).encode("utf-8") + b"\n")
    return trial
