"""A small supervisor for a desk, a test or a machine without systemd.

It starts the processes, listens to their watchdogs, kills what hangs, starts it again, and does nothing else. All of it
runs on one thread, because the kernel ties the children's lives to the thread that started them (agent.notify).

A hung process gets SIGKILL: SIGTERM does nothing to a stopped one.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import selectors
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Final

from agent import log
from agent.errors import LinkError, UsageError, exit_code
from agent.link_frame import socket_address
from agent.notify import SUPERVISED_ENV
from agent.processes.restarts import STOP_LIMIT_S, Life, died, heard, is_hung, started

# Often enough to find a hang of 2 s within a tenth of it; a wake-up of this loop costs some 20 µs.
_TICK_S: Final = 0.2
_MISCONFIGURED: Final = exit_code(UsageError())
CHILDREN_FILE: Final = "children.json"
_LOCK_FILE: Final = "supervisor.lock"

_log = log.get("supervise")


# Asked each round: the commands that should run from now on, None as long as nothing changed.
Plan = Callable[[], "Sequence[ChildCommand] | None"]


@dataclass(frozen=True, slots=True)
class ChildCommand:
    """One process to keep alive. `watchdog_s` is the longest silence that is no hang; `settings` is a digest of what
    the process read at its start, so that a command whose settings changed is started anew."""

    name: str
    argv: tuple[str, ...]
    watchdog_s: float
    settings: str = ""


def supervise(
    commands: Sequence[ChildCommand], runtime_dir: Path, stop: threading.Event, plan: Plan = lambda: None
) -> int:
    """Keep the commands running until `stop`; then end them and return 0, or 1 when one had to be killed.

    `runtime_dir` gets their notify sockets and, while they run, `children.json`, which maps names to process ids.
    Raises LinkError when another supervisor uses it.
    """
    runtime_dir.mkdir(parents=True, exist_ok=True)
    with ExitStack() as cleanup:
        cleanup.enter_context(_lock(runtime_dir))
        selector = cleanup.enter_context(selectors.DefaultSelector())
        children = [_Child(command, runtime_dir, selector) for command in commands]
        try:
            while not stop.is_set():
                wanted = plan()
                if wanted is not None:
                    _follow(children, wanted, runtime_dir, selector)
                changes = [child.tend(time.monotonic()) for child in children]
                if any(changes):
                    _write_children(children, runtime_dir)
                for child in [child for child in children if child.is_gone]:
                    child.close()
                    children.remove(child)
                for key, _ in selector.select(_wait_s(children, time.monotonic())):
                    key.data()
        finally:
            code = _end(children)
            for child in children:
                child.close()
            (runtime_dir / CHILDREN_FILE).unlink(missing_ok=True)
        return code


def _follow(
    children: list[_Child], wanted: Sequence[ChildCommand], runtime_dir: Path, selector: selectors.BaseSelector
) -> None:
    """Bring the children to what is wanted: only those whose command changed are disturbed."""
    commands = {command.name: command for command in wanted}
    for child in children:
        child.become(commands.pop(child.command.name, None))
    children.extend(_Child(command, runtime_dir, selector) for command in commands.values())


class _Child:
    """One command, its present process and what is known of it."""

    def __init__(self, command: ChildCommand, runtime_dir: Path, selector: selectors.BaseSelector) -> None:
        self.command = command
        self.process: subprocess.Popen[bytes] | None = None
        self.start_at_s = 0.0
        self._is_wanted = True
        self._is_asked_to_end = False
        self._selector = selector
        self._pidfd = -1
        self._is_killed = False
        self._life = Life(command.watchdog_s, 0.0, 0.0)
        self._path = runtime_dir / f"notify-{command.name}.sock"
        self._address = socket_address(self._path)
        self._notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        self._path.unlink(missing_ok=True)
        self._notices.bind(self._address)
        selector.register(self._notices, selectors.EVENT_READ, self._listen)

    @property
    def is_gone(self) -> bool:
        """Not wanted any more, and ended."""
        return not self._is_wanted and self.process is None

    def become(self, command: ChildCommand | None) -> None:
        """Run `command` from now on, or nothing. A process of another command ends as systemd would end it."""
        self._is_wanted = command is not None
        if command == self.command:
            return
        self.command = command or self.command
        if self.process is not None and not self._is_asked_to_end:
            _ask_to_end(self.process)
            self._is_asked_to_end = True
            # It counts as ending from now on, whether it can still say so or not.
            self._life = heard(self._life, time.monotonic(), b"STOPPING=1")
        self.start_at_s = 0.0

    def close(self) -> None:
        self._selector.unregister(self._notices)
        self._notices.close()
        self._path.unlink(missing_ok=True)

    def tend(self, now_s: float) -> bool:
        """Start, bury or kill it as its life asks for; whether its process changed."""
        process = self.process
        if process is None:
            return self._is_wanted and now_s >= self.start_at_s and self._start(now_s)
        code = process.poll()
        if code is not None:
            self._bury(now_s, code)
            return True
        if is_hung(self._life, now_s) and not self._is_killed:
            silent_s = round(now_s - self._life.fed_s, 1)
            _log.error("process hangs", process=self.command.name, pid=process.pid, silent_s=silent_s)
            process.kill()
            self._is_killed = True
        return False

    def _start(self, now_s: float) -> bool:
        # Before its time: last words of a former life must not count for this one.
        self._drain(lambda _message: None)
        self._life = started(replace(self._life, watchdog_s=self.command.watchdog_s), now_s)
        self._is_asked_to_end = False
        try:
            self.process = subprocess.Popen(self.command.argv, env=self._environment())
        except OSError as exc:
            _log.error("process cannot be started", process=self.command.name, problem=str(exc))
            self._rest(now_s, code=None)
            return False
        self._is_killed = False
        # It becomes readable at the child's end, so that one that crashed is back without waiting for a tick.
        self._pidfd = os.pidfd_open(self.process.pid)
        self._selector.register(self._pidfd, selectors.EVENT_READ, _do_nothing)
        _log.info("process started", process=self.command.name, pid=self.process.pid)
        return True

    def _environment(self) -> dict[str, str]:
        inherited = {key: value for key, value in os.environ.items() if key != "WATCHDOG_PID"}
        return inherited | {
            "NOTIFY_SOCKET": self._address,
            "WATCHDOG_USEC": str(int(self.command.watchdog_s * 1e6)),
            SUPERVISED_ENV: str(os.getpid()),
        }

    def _bury(self, now_s: float, code: int) -> None:
        self._selector.unregister(self._pidfd)
        os.close(self._pidfd)
        self.process = None
        if self._is_asked_to_end:
            self.start_at_s = now_s
            _log.info("process ended as asked", process=self.command.name, code=code)
        else:
            self._rest(now_s, code=code)

    def _rest(self, now_s: float, *, code: int | None) -> None:
        self._life, delay_s = died(self._life, now_s, is_misconfigured=code == _MISCONFIGURED)
        self.start_at_s = now_s + delay_s
        _log.warning("process ended", process=self.command.name, code=code, restart_s=delay_s)

    def _listen(self) -> None:
        def take(message: bytes) -> None:
            self._life = heard(self._life, time.monotonic(), message)

        self._drain(take)

    def _drain(self, take: Callable[[bytes], None]) -> None:
        while True:
            try:
                take(self._notices.recv(4096))
            except BlockingIOError:
                return


def _do_nothing() -> None:
    """A child ended: the next round of the loop finds it."""


def _wait_s(children: Sequence[_Child], now_s: float) -> float:
    """Until the next tick, or the next start if that is sooner."""
    starts_s = [child.start_at_s - now_s for child in children if child.process is None and not child.is_gone]
    return min([_TICK_S, *(max(start_s, 0.0) for start_s in starts_s)])


def _end(children: Sequence[_Child]) -> int:
    running = [child.process for child in children if child.process is not None]
    for process in running:
        _ask_to_end(process)
    until_s = time.monotonic() + STOP_LIMIT_S
    was_killed = False
    for process in running:
        if not _ends_within(process, max(until_s - time.monotonic(), 0.01)):
            _log.error("process did not stop", pid=process.pid)
            process.kill()
            process.wait()
            was_killed = True
    return 1 if was_killed else 0


def _ends_within(process: subprocess.Popen[bytes], limit_s: float) -> bool:
    """A pidfd is readable from the moment its process ends (pidfd_open(2)): no polling, as Popen.wait does."""
    if process.poll() is not None:
        return True
    pidfd = os.pidfd_open(process.pid)
    try:
        select.select([pidfd], [], [], limit_s)
    finally:
        os.close(pidfd)
    return process.poll() is not None


def _ask_to_end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    # As systemd does: a stopped process could not hear the first one.
    process.send_signal(signal.SIGCONT)


def _write_children(children: Sequence[_Child], runtime_dir: Path) -> None:
    pids = {child.command.name: child.process.pid for child in children if child.process is not None}
    part = runtime_dir / (CHILDREN_FILE + ".part")
    part.write_text(json.dumps(pids), encoding="ascii")
    part.replace(runtime_dir / CHILDREN_FILE)


def _lock(runtime_dir: Path) -> IO[bytes]:
    """Held until it is closed. A second supervisor would take the notify sockets from the first, which then would hear
    nothing of its children and kill them all. Raises LinkError."""
    lock = (runtime_dir / _LOCK_FILE).open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        lock.close()
        raise LinkError(
            path=str(runtime_dir), remedy="another supervisor uses this runtime_dir; stop it first"
        ) from exc
    return lock
