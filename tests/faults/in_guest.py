"""What runs in the virtual machine instead of an init: sets the clock's flag, starts the agent, tells the host.

Lines on the console begin with WAYSIDE: `tick` with the wall clock ten times a second, `started`, `recording`
with seconds since the agent's start and the wall clock.
Standard library only, and what the agent itself needs.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

_RING = Path("/ring")
_TICK_S = 0.1
_CAMERAS = ("c01", "c02")


class _Timex(ctypes.Structure):
    """The beginning of struct timex, adjtimex(2)."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def main() -> None:
    # ADJ_MAXERROR | ADJ_STATUS, 1 ms, synchronised: the machine's clock is the host's.
    ctypes.CDLL(None).adjtimex(ctypes.byref(_Timex(modes=0x14, maxerror=1000)))
    ring = _RING
    config = Path("/tmp/wayside.toml")
    config.write_text(_config(ring), encoding="utf-8")
    before = set((ring / "data" / "footage").rglob("*.mp4"))
    began_s = time.monotonic()
    argv = [sys.executable, "-m", "agent", "run", "--config", str(config)]
    agent = subprocess.Popen(argv, cwd="/tmp")
    _say("started", f"{time.clock_gettime(time.CLOCK_BOOTTIME):.1f}")
    is_told = False
    while agent.poll() is None:
        _say("tick", str(time.time_ns()))
        threading.Event().wait(_TICK_S)
        if not is_told and all(_has_new(ring, camera, before) for camera in _CAMERAS):
            is_told = True
            _say("recording", f"{time.monotonic() - began_s:.2f} {time.time_ns()}")
    _say("broken", f"the agent ended with {agent.returncode}")


def _has_new(ring: Path, camera: str, before: set[Path]) -> bool:
    """Whether a file of this boot has footage in it: a recorder writes nothing before its first fragment."""
    files = (ring / "data" / "footage" / camera).rglob("*.mp4")
    return any(path.stat().st_size for path in files if path not in before)


def _say(word: str, what: str) -> None:
    # One write a line, so that the agent's own lines do not come in between.
    os.write(1, f"\nWAYSIDE {word} {what}\n".encode())


def _config(ring: Path) -> str:
    here = Path(__file__).resolve().parents[2]
    cameras = "".join(
        f'[[camera]]\nid = "{camera}"\nmain = "file:{here}/agent/demo/street.mp4"\nloop = true\n' for camera in _CAMERAS
    )
    return (
        f'data_dir = "{ring}/data"\nruntime_dir = "/run/wayside"\ntrust = "open"\n'
        '[node]\norg = "test-org"\nsite = "test-site"\nid = "test-node"\n'
        f'[storage]\nmin_free = "1MB"\nsegment_s = 10.0\n[vision]\nenabled = false\n{cameras}'
    )


if __name__ == "__main__":
    main()
