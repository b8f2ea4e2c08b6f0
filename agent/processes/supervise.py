"""A small supervisor for a desk, a test or a machine without systemd.

It starts the processes, listens to their watchdogs, kills what hangs, starts it again, and does nothing else.

A hung process gets SIGKILL: SIGTERM does nothing to a stopped one.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent import log
from agent.notify import SUPERVISED_ENV
from agent.processes.restarts import Life, died, fed, is_hung, started

# Often enough to find a hang of 2 s within a tenth of it; a wake-up of this loop costs some 20 µs.
_TICK_S: Final = 0.2
# A recorder closes and syncs its segment within this; then it is killed.
_STOP_LIMIT_S: Final = 8.0
# Exit code of a process whose configuration is wrong (agent.cli.faults).
_MISCONFIGURED: Final = 2
CHILDREN_FILE: Final = "children.json"

_log = log.get("supervise")


@dataclass(frozen=True, slots=True)
class ChildCommand:
    """One process to keep alive. `watchdog_s` is the longest silence that is no hang."""

    name: str
    argv: tuple[str, ...]
    watchdog_s: float


class _Child:
    def __init__(self, command: ChildCommand, notify_path: Path) -> None:
        self.command = command
        self.notify_path = notify_path
        self.notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        notify_path.unlink(missing_ok=True)
        self.notices.bind(str(notify_path))
        self.process: subprocess.Popen[bytes] | None = None
        self.life = Life(command.watchdog_s, 0.0, 0.0)
        self.start_at_s = 0.0

    def start(self, now_s: float) -> None:
        environment = dict(
            os.environ,
            NOTIFY_SOCKET=str(self.notify_path),
            WATCHDOG_USEC=str(int(self.command.watchdog_s * 1e6)),
            **{SUPERVISED_ENV: str(os.getpid())},
        )
        self.process = subprocess.Popen(self.command.argv, env=environment)
        self.life = started(self.life, now_s)
        _log.info("process started", process=self.command.name, pid=self.process.pid)

    def listen(self, now_s: float) -> None:
        """Take in what the child said through its socket; a dead child's last words do no harm."""
        while True:
            try:
                words = self.notices.recv(4096)
            except BlockingIOError:
                return
            self.life = fed(self.life, now_s, is_ready=b"READY=1" in words)

    def close(self) -> None:
        self.notices.close()
        self.notify_path.unlink(missing_ok=True)


def supervise(commands: Sequence[ChildCommand], runtime_dir: Path, stop: threading.Event) -> int:
    """Keep the commands running until `stop`; then end them and return 0, or 1 when one had to be killed.

    `runtime_dir` gets their notify sockets and `children.json`, which maps names to process ids.
    """
    runtime_dir.mkdir(parents=True, exist_ok=True)
    with ExitStack() as cleanup, selectors.DefaultSelector() as selector:
        children = [_Child(command, runtime_dir / f"notify-{command.name}.sock") for command in commands]
        for child in children:
            cleanup.callback(child.close)
            selector.register(child.notices, selectors.EVENT_READ, child)
        while not stop.is_set():
            now_s = time.monotonic()
            changes = [_tend(child, now_s) for child in children]
            if any(changes):
                _write_children(children, runtime_dir)
            for key, _ in selector.select(_TICK_S):
                key.data.listen(time.monotonic())
        return _end(children)


def _tend(child: _Child, now_s: float) -> bool:
    """Start, bury or kill one child; whether its process changed."""
    process = child.process
    if process is None:
        if now_s < child.start_at_s:
            return False
        child.start(now_s)
        return True
    code = process.poll()
    if code is None:
        if is_hung(child.life, now_s):
            silent_s = round(now_s - child.life.fed_s, 1)
            _log.error("process hangs", process=child.command.name, pid=process.pid, silent_s=silent_s)
            process.kill()
            process.wait()
        return False
    child.life, delay_s = died(child.life, now_s, is_misconfigured=code == _MISCONFIGURED)
    child.process, child.start_at_s = None, now_s + delay_s
    _log.warning("process ended", process=child.command.name, code=code, restart_s=delay_s)
    return True


def _end(children: Sequence[_Child]) -> int:
    running = [child.process for child in children if child.process is not None]
    for process in running:
        process.send_signal(signal.SIGTERM)
    until_s = time.monotonic() + _STOP_LIMIT_S
    was_killed = False
    for process in running:
        try:
            process.wait(timeout=max(until_s - time.monotonic(), 0.01))
        except subprocess.TimeoutExpired:
            _log.error("process did not stop", pid=process.pid)
            process.kill()
            process.wait()
            was_killed = True
    return 1 if was_killed else 0


def _write_children(children: Sequence[_Child], runtime_dir: Path) -> None:
    pids = {child.command.name: child.process.pid for child in children if child.process is not None}
    part = runtime_dir / (CHILDREN_FILE + ".part")
    part.write_text(json.dumps(pids), encoding="ascii")
    part.replace(runtime_dir / CHILDREN_FILE)
