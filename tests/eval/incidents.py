"""Which of the annotated incidents were raised, how late, and which alarms nothing is behind. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.contract.events import IncidentKind

# The issue's own limit: an incident is raised within this after its rule's own delay.
IN_TIME_S = 5.0
# The manifest's times are seen frame by frame at best: an alarm may be this early.
_EARLY_S = 0.5


@dataclass(frozen=True, slots=True)
class Expected:
    """An incident that the footage holds. `own_delay_s`: what the rule waits by itself; `in_time_s`: what may come on
    top. With `is_optional` it is neither missed nor false: it happens and nobody annotated it, or it may be argued."""

    kind: IncidentKind
    start_s: float
    end_s: float
    own_delay_s: float = 0.0
    in_time_s: float = IN_TIME_S
    is_optional: bool = False

    @property
    def due_s(self) -> float:
        return self.start_s + self.own_delay_s + self.in_time_s


@dataclass(frozen=True, slots=True)
class Alarm:
    """An incident as it was told: opened at this media time, and closed, or open to the end of the clip."""

    kind: IncidentKind
    zone: str | None
    opened_s: float
    closed_s: float


@dataclass(frozen=True, slots=True)
class Judgement:
    expected: int
    raised: int
    delays_s: tuple[float, ...]
    false_alarms: int
    notes: tuple[str, ...]


def judge(expected: Sequence[Expected], alarms: Sequence[Alarm]) -> Judgement:
    """Hold alarms against what happens.

    One alarm may stand for several happenings of its kind that last at once, as a zone has one incident at a time. A
    second alarm for the same happening is false: one incident per happening.
    """
    delays: list[float] = []
    notes: list[str] = []
    wanted = [one for one in expected if not one.is_optional]
    for one in wanted:
        alarm = next((alarm for alarm in alarms if _raises(alarm, one)), None)
        if alarm is None:
            notes.append(_missed(one, alarms))
        else:
            delays.append(max(alarm.opened_s - one.start_s - one.own_delay_s, 0.0))
    false = [alarm for index, alarm in enumerate(alarms) if not _is_true(alarm, alarms[:index], expected)]
    notes += [f"false {alarm.kind.value} at {alarm.opened_s:.1f} s" for alarm in false]
    return Judgement(len(wanted), len(delays), tuple(delays), len(false), tuple(notes))


def _raises(alarm: Alarm, one: Expected) -> bool:
    """Opened in its time; or opened before, for another that still lasts, and open when this was due."""
    is_open = one.start_s - _EARLY_S <= alarm.opened_s or alarm.closed_s >= one.start_s + one.own_delay_s
    return alarm.kind is one.kind and alarm.opened_s <= one.due_s and is_open


def _is_true(alarm: Alarm, before: Sequence[Alarm], expected: Sequence[Expected]) -> bool:
    mine = [one for one in expected if _covers(one, alarm)]
    repeated = [one for one in mine if not one.is_optional and any(_covers(one, other) for other in before)]
    return len(mine) > len(repeated)


def _covers(one: Expected, alarm: Alarm) -> bool:
    latest_s = one.end_s + one.own_delay_s + one.in_time_s
    return alarm.kind is one.kind and one.start_s - _EARLY_S <= alarm.opened_s <= latest_s


def _missed(one: Expected, alarms: Sequence[Alarm]) -> str:
    late = [alarm.opened_s for alarm in alarms if alarm.kind is one.kind and alarm.opened_s > one.due_s]
    came = f", came at {late[0]:.1f} s" if late else ""
    return f"missed {one.kind.value} of {one.start_s:.1f} s, due by {one.due_s:.1f} s{came}"
