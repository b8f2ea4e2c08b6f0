"""Readiness and the watchdog, told through NOTIFY_SOCKET to systemd or to our own supervisor alike (sd_notify(3))."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import threading
import time
from dataclasses import dataclass

from agent.errors import WaysideError

# Set by the supervisor, so that no process outlives one that was killed. systemd kills by control group instead.
SUPERVISED_ENV = "WAYSIDE_SUPERVISED"
# <linux/prctl.h>
_PR_SET_PDEATHSIG = 1
# The watchdog is fed this many times within its period, so that one late wake-up is no hang.
_FEEDS_PER_PERIOD = 4
_NO_WATCHDOG_PERIOD_S = 20.0


class SupervisorGone(WaysideError):
    summary = "the supervisor ended before its process began"


def die_with_supervisor() -> None:
    """Ask the kernel to kill this process when its supervisor dies (prctl(2)). Called first thing by the process itself,
    because between fork and exec a threaded parent may run no Python. Raises SupervisorGone when it is too late."""
    parent = os.environ.get(SUPERVISED_ENV)
    if not parent:
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):
        raise SupervisorGone(supervisor=parent)


class Notifier:
    """Speaks to whoever watches this process; silent where nobody does. Safe from any thread."""

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        period_us = int(os.environ.get("WATCHDOG_USEC", "0") or 0)
        self.watchdog_period_s = period_us / 1e6 if period_us else None

    def ready(self) -> None:
        self._send(b"READY=1")

    def stopping(self) -> None:
        self._send(b"STOPPING=1")

    def feed(self) -> None:
        self._send(b"WATCHDOG=1")

    def _send(self, state: bytes) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as sender:
            try:
                sender.sendto(state, self._address)
            except OSError:
                # A watcher that is gone or slow must not stop footage; it will notice the silence by itself.
                return


@dataclass(slots=True)
class _Loop:
    limit_s: float
    beaten_mono_s: float


class Progress:
    """Which critical loops still move. A loop registers with the longest pause that is healthy for it, then beats."""

    def __init__(self) -> None:
        self._loops: dict[str, _Loop] = {}
        self._lock = threading.Lock()

    def register(self, name: str, limit_s: float) -> None:
        with self._lock:
            self._loops[name] = _Loop(limit_s, time.monotonic())

    def forget(self, name: str) -> None:
        with self._lock:
            self._loops.pop(name, None)

    def beat(self, name: str) -> None:
        """A dict lookup and a store, cheap enough for every packet."""
        loop = self._loops.get(name)
        if loop is not None:
            loop.beaten_mono_s = time.monotonic()

    def stuck(self) -> list[str]:
        """Loops that have not moved within their limit."""
        now_s = time.monotonic()
        with self._lock:
            return [name for name, loop in self._loops.items() if now_s - loop.beaten_mono_s > loop.limit_s]


def watch(notifier: Notifier, progress: Progress, stop: threading.Event) -> None:
    """Feed the watchdog until `stop`, as long as no loop is stuck. Runs on the process's main thread."""
    period_s = notifier.watchdog_period_s or _NO_WATCHDOG_PERIOD_S
    while not stop.wait(period_s / _FEEDS_PER_PERIOD):
        if not progress.stuck():
            notifier.feed()
