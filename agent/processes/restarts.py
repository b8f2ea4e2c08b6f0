"""When a child process is started again, and when it is taken for hung. Pure; monotonic seconds are passed in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

# A child that dies once is back at once; one that dies again within this time is waited for longer each time.
UNSTABLE_S: Final = 10.0
FIRST_DELAY_S: Final = 0.1
LAST_DELAY_S: Final = 5.0
# A Pi that boots with eight cameras loads its models within this.
READY_LIMIT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Life:
    """What the supervisor knows of one child. `is_ready` is set by READY=1; `fed_s` is the last sign of life."""

    watchdog_s: float
    started_s: float
    fed_s: float
    is_ready: bool = False
    quick_deaths: int = 0


def is_hung(life: Life, now_s: float) -> bool:
    """Silent for longer than its watchdog allows, or than it may take to become ready."""
    limit_s = life.watchdog_s if life.is_ready else READY_LIMIT_S
    return now_s - life.fed_s > limit_s


def fed(life: Life, now_s: float, *, is_ready: bool) -> Life:
    return replace(life, fed_s=now_s, is_ready=life.is_ready or is_ready)


def died(life: Life, now_s: float, *, is_misconfigured: bool) -> tuple[Life, float]:
    """The child's record for its next life, and how long to wait before it.

    A misconfigured child would only say the same again, so it waits the longest time at once.
    """
    was_quick = now_s - life.started_s < UNSTABLE_S
    deaths = life.quick_deaths + 1 if was_quick else 0
    delay_s = min(FIRST_DELAY_S * 2.0 ** max(deaths - 1, 0), LAST_DELAY_S)
    return replace(life, quick_deaths=deaths), LAST_DELAY_S if is_misconfigured else delay_s


def started(life: Life, now_s: float) -> Life:
    return replace(life, started_s=now_s, fed_s=now_s, is_ready=False)
