"""When a child process is started again, and when it is taken for hung. Pure; monotonic seconds are passed in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

# A child that dies once is back at once; one that dies again within this time is waited for longer each time.
UNSTABLE_S: Final = 10.0
FIRST_DELAY_S: Final = 0.1
LAST_DELAY_S: Final = 5.0
# As systemd's own default (DefaultTimeoutStartSec). A machine so slow that it starts no process within this would be
# made slower by killing them: with 30 s an emulated machine of ours never came up.
READY_LIMIT_S: Final = 90.0
# A recorder closes and syncs its segment within this; then it is killed.
STOP_LIMIT_S: Final = 8.0


@dataclass(frozen=True, slots=True)
class Life:
    """What the supervisor knows of one child. `fed_s` is when it last showed that it lives."""

    watchdog_s: float
    started_s: float
    fed_s: float
    is_ready: bool = False
    is_stopping: bool = False
    quick_deaths: int = 0


def started(life: Life, now_s: float) -> Life:
    return replace(life, started_s=now_s, fed_s=now_s, is_ready=False, is_stopping=False)


def heard(life: Life, now_s: float, message: bytes) -> Life:
    """It sent a datagram of sd_notify(3): lines of NAME=VALUE. A status line alone is no sign that its loops move."""
    lines = message.split(b"\n")
    is_ready = b"READY=1" in lines
    is_stopping = b"STOPPING=1" in lines
    is_fed = is_ready or is_stopping or b"WATCHDOG=1" in lines
    return replace(
        life,
        fed_s=now_s if is_fed else life.fed_s,
        is_ready=life.is_ready or is_ready,
        is_stopping=life.is_stopping or is_stopping,
    )


def is_hung(life: Life, now_s: float) -> bool:
    """Silent for longer than its watchdog allows, or than it may take to become ready or to end."""
    if life.is_stopping:
        limit_s = STOP_LIMIT_S
    elif life.is_ready:
        limit_s = life.watchdog_s
    else:
        limit_s = READY_LIMIT_S
    return now_s - life.fed_s > limit_s


def died(life: Life, now_s: float, *, is_misconfigured: bool) -> tuple[Life, float]:
    """The child's record for its next life, and how long to wait before it.

    A misconfigured child would only say the same again, so it waits the longest time at once.
    """
    was_quick = now_s - life.started_s < UNSTABLE_S
    deaths = life.quick_deaths + 1 if was_quick else 0
    # 2 ** 6 is beyond the last delay; an unbounded exponent would overflow a float after a night of deaths.
    delay_s = min(FIRST_DELAY_S * 2.0 ** min(max(deaths - 1, 0), 6), LAST_DELAY_S)
    return replace(life, quick_deaths=deaths), LAST_DELAY_S if is_misconfigured else delay_s
