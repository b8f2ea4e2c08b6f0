"""Readiness and the watchdog, told through NOTIFY_SOCKET to systemd or to our own supervisor alike (sd_notify(3))."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import threading
import time
from dataclasses import dataclass
from typing import Final

from agent import log
from agent.errors import SupervisorGone

# Set by the supervisor, so that no process outlives one that was killed. systemd kills by control group instead.
SUPERVISED_ENV: Final = "WAYSIDE_SUPERVISED"
# <linux/prctl.h>
_PR_SET_PDEATHSIG: Final = 1
# The watchdog is fed this many times within its period, so that one late wake-up is no hang.
_FEEDS_PER_PERIOD: Final = 4
_NO_WATCHDOG_PERIOD_S: Final = 4.0
# How late the end of a process may begin; four wake-ups a second cost some 0.01 % of a core.
_STOP_POLL_S: Final = 0.25

_TELL_START_S: Final = 1.0
# The next word of a start comes within a second; a disk that takes this long for some files is no disk any more.
_START_STEP_LIMIT_S: Final = 120.0

_log = log.get("notify")


def die_with_supervisor() -> None:
    """Ask the kernel to kill this process when its supervisor dies (prctl(2)). Raises SupervisorGone when that is past.

    Called first thing by the process itself, and not between fork and exec by the supervisor: `preexec_fn` runs Python
    there, where a lock that another thread held at the fork is held for ever (the warning at subprocess.Popen). The
    signal is tied to the thread that started the child, so the supervisor starts all from one that outlives them.
    """
    # Taken out, because it is meant for this process only: what it starts itself has another parent.
    parent = os.environ.pop(SUPERVISED_ENV, "")
    if not parent:
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # It died in between: the kernel speaks only of deaths to come.
    if os.getppid() != int(parent):
        raise SupervisorGone(supervisor=parent)


class Notifier:
    """Speaks to whoever watches this process; silent where nobody does. Safe from any thread."""

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_period_s = _watchdog_period_s()

    def ready(self) -> None:
        self._send(b"READY=1")

    def stopping(self) -> None:
        self._send(b"STOPPING=1")

    def feed(self) -> None:
        self._send(b"WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line for people, as `systemctl status` shows it."""
        self._send(b"STATUS=" + text.replace("\n", " ").encode())

    def still_starting(self, text: str, limit_s: float) -> None:
        """Not ready yet, and not stuck: whoever waits may wait `limit_s` more (EXTEND_TIMEOUT_USEC of sd_notify(3))."""
        state = b"EXTEND_TIMEOUT_USEC=%d\nWATCHDOG=1\nSTATUS=%b"
        self._send(state % (int(limit_s * 1e6), text.replace("\n", " ").encode()))

    def _send(self, state: bytes) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as sender:
            try:
                sender.sendto(state, self._address)
            except OSError:
                # A watcher that is gone or slow must not stop footage; it will notice the silence by itself.
                return


def _watchdog_period_s() -> float | None:
    """sd_watchdog_enabled(3): the period counts only for the process that WATCHDOG_PID names, where it names one."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    period_us = int(os.environ.get("WATCHDOG_USEC") or 0)
    return period_us / 1e6 if period_us else None


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


class StartProgress:
    """Tells of a long step before readiness, once a second, whoever watches this process and the log."""

    def __init__(self, notifier: Notifier, what: str) -> None:
        self._notifier = notifier
        self._what = what
        self._told_s = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now_s = time.monotonic()
        if now_s - self._told_s >= _TELL_START_S:
            self._told_s = now_s
            self._notifier.still_starting(f"{self._what}: {done} of {total}", _START_STEP_LIMIT_S)
            _log.info("still starting", step=self._what, done=done, total=total)


def watch(notifier: Notifier, progress: Progress, stop: threading.Event) -> None:
    """Feed the watchdog until `stop`, as long as no loop is stuck. Runs on the process's main thread."""
    feed_s = (notifier.watchdog_period_s or _NO_WATCHDOG_PERIOD_S) / _FEEDS_PER_PERIOD
    known_stuck: list[str] = []
    while wait_for_stop(stop, feed_s):
        stuck = progress.stuck()
        if stuck != known_stuck:
            _tell_stuck(notifier, stuck)
            known_stuck = stuck
        if not stuck:
            notifier.feed()


def _tell_stuck(notifier: Notifier, stuck: list[str]) -> None:
    if stuck:
        _log.error("loops are stuck", loops=stuck)
        notifier.status("stuck: " + ", ".join(stuck))
    else:
        _log.info("loops move again")
        notifier.status("")


def wait_for_stop(stop: threading.Event, wait_s: float) -> bool:
    """For the main thread: wait; False once `stop` is set.

    Not `stop.wait`: the handler of SIGTERM runs on this very thread, between any two bytecodes, and sets `stop`. Inside
    `Event.wait` it could meet the event's lock held by the code it interrupted, and both would stand still for ever.
    """
    until_s = time.monotonic() + wait_s
    while not stop.is_set():
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            return True
        select.select([], [], [], min(left_s, _STOP_POLL_S))
    return False
