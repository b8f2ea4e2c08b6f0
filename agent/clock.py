"""The edge where time is read: wall and monotonic clocks, their quality, and the kernel's boot id."""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class ClockQuality(StrEnum):
    SYNCED = "synced"
    HOLDOVER = "holdover"
    UNSYNCED = "unsynced"


@dataclass(frozen=True, slots=True)
class ClockStatus:
    """Quality of the wall clock; `error_s` is the kernel's bound on its error, None when nothing vouches for it."""

    quality: ClockQuality
    error_s: float | None


class Clock(Protocol):
    """What the agent asks of time. `wall_ns` labels, `mono_ns` measures; neither is used for the other's purpose."""

    def wall_ns(self) -> int: ...

    def mono_ns(self) -> int: ...

    def status(self) -> ClockStatus: ...


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2) on 64-bit Linux, up to the fields that are read here."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


# <sys/timex.h>: the kernel's clock is not synchronised.
_STA_UNSYNC = 0x0040


class SystemClock:
    """The machine's clocks. Safe from any thread."""

    def __init__(self) -> None:
        # The process itself, which has its libc loaded already; looking for it would start a compiler or ldconfig.
        self._libc = ctypes.CDLL(None, use_errno=True)

    def wall_ns(self) -> int:
        return time.time_ns()

    def mono_ns(self) -> int:
        return time.monotonic_ns()

    def status(self) -> ClockStatus:
        """What the kernel says of its synchronisation; chrony, timesyncd and ntpd all keep this flag (adjtimex(2))."""
        timex = _Timex()
        if self._libc.adjtimex(ctypes.byref(timex)) < 0 or timex.status & _STA_UNSYNC:
            return ClockStatus(ClockQuality.UNSYNCED, None)
        return ClockStatus(ClockQuality.SYNCED, timex.maxerror / 1e6)


def kernel_boot_id() -> str:
    """The kernel's random id of this boot (proc(5)); it changes with every boot and never otherwise."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
