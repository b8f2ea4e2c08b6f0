"""A desired configuration on trial: is the node well under it, and when is it taken back. Pure.

What must be well again is what was well before: a camera that was dead already, or one that the document adds, says
nothing against it. A camera whose address the document changed must stream from its new one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from agent.config import Config
from agent.units import NS_PER_S

# A process that is asked to end may take 8 s (agent.processes.restarts) and until then looks as well as before.
SETTLE_S: Final = 10.0
# The node process itself may be what the document broke: so often begun without being confirmed, it goes back.
MOST_STARTS: Final = 6


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A document that is in force and not confirmed. `previous`, `previous_keys` (None: not changed),
    `previous_revoked` and `previous_hosts` are what a revert puts back; `config` is the digest of the configuration to
    be healthy under. `streaming` and `had_vision` say what was well before, and must be again. `began_mono_ns` counts
    in boot `boot_id`; `starts` of the node process since."""

    revision: int
    config: str
    previous: str
    previous_keys: str | None
    previous_revoked: tuple[str, ...]
    previous_hosts: tuple[str, ...]
    streaming: tuple[str, ...]
    had_vision: bool
    within_s: int
    boot_id: str
    began_mono_ns: int
    starts: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """How the node is: `runs` is the digest of the configuration that this process was begun with."""

    runs: str
    is_connected: bool
    streaming: frozenset[str]
    has_vision: bool


class Step(StrEnum):
    WAIT = "wait"
    CONFIRM = "confirm"
    REVERT = "revert"


def ailments(trial: Trial, config: Config, seen: Seen) -> tuple[str, ...]:
    """What was well before and is not now, in people's words."""
    found: list[str] = []
    if seen.runs != trial.config:
        found.append("the processes were not started anew")
    if config.broker is not None and not seen.is_connected:
        found.append("the broker is not reached")
    there = {camera.id for camera in config.cameras}
    found += [f"camera {each} does not stream" for each in trial.streaming if each in there - seen.streaming]
    if trial.had_vision and config.vision.enabled and not seen.has_vision:
        found.append("vision does not run")
    return tuple(found)


def next_step(trial: Trial, *, is_well: bool, well_since_mono_ns: int | None, mono_ns: int) -> Step:
    """`well_since_mono_ns`: since when it has been well without a break, None when it is not."""
    if is_well and well_since_mono_ns is not None and mono_ns - well_since_mono_ns >= SETTLE_S * NS_PER_S:
        return Step.CONFIRM
    if mono_ns - trial.began_mono_ns >= trial.within_s * NS_PER_S:
        return Step.REVERT
    return Step.WAIT


def is_given_up(trial: Trial, *, boot_id: str, mono_ns: int) -> bool:
    """Whether a node process that begins must go back first: it was begun too often, or too late."""
    is_late = boot_id == trial.boot_id and mono_ns - trial.began_mono_ns >= trial.within_s * NS_PER_S
    return trial.starts >= MOST_STARTS or is_late
