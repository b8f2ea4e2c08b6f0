"""The supervisor keeps real child processes alive, and lets none outlive it."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.processes.supervise import CHILDREN_FILE, ChildCommand, supervise

_WAIT_S = 20.0
HEALTHY = """
import signal, sys, threading
from agent.notify import Notifier, Progress, die_with_supervisor, watch
die_with_supervisor()
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
notifier = Notifier()
notifier.ready()
watch(notifier, Progress(), stop)
"""
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"


class Supervised:
    def __init__(self, runtime_dir: Path, **scripts: str) -> None:
        self.runtime_dir = runtime_dir
        self.stop = threading.Event()
        self.code: int | None = None
        commands = [ChildCommand(name, (sys.executable, "-c", text), 1.0) for name, text in scripts.items()]
        self.thread = threading.Thread(target=self._run, args=(commands,))
        self.thread.start()

    def _run(self, commands: list[ChildCommand]) -> None:
        self.code = supervise(commands, self.runtime_dir, self.stop)

    def pid(self, name: str) -> int:
        try:
            return int(json.loads((self.runtime_dir / CHILDREN_FILE).read_text())[name])
        except (FileNotFoundError, KeyError):
            return 0

    def end(self) -> int | None:
        self.stop.set()
        self.thread.join(_WAIT_S)
        return self.code


def wait_until(is_so: Callable[[], bool]) -> None:
    until_s = time.monotonic() + _WAIT_S
    while not is_so():
        assert time.monotonic() < until_s, "it did not happen in time"
        threading.Event().wait(0.02)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def runtime_dir(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_killed_or_hung_process_is_replaced_and_its_neighbour_is_not(
    runtime_dir: Path, number: signal.Signals
) -> None:
    supervised = Supervised(runtime_dir, victim=HEALTHY, neighbour=HEALTHY)
    wait_until(lambda: supervised.pid("victim") > 0 and supervised.pid("neighbour") > 0)
    victim, neighbour = supervised.pid("victim"), supervised.pid("neighbour")
    # A stop before READY would wait for the ready limit: let the child speak first.
    threading.Event().wait(1.0)
    os.kill(victim, number)
    wait_until(lambda: supervised.pid("victim") not in (0, victim))
    assert not is_alive(victim)
    assert supervised.pid("neighbour") == neighbour
    assert supervised.end() == 0
    assert not is_alive(neighbour)


def test_a_process_that_ignores_the_end_is_killed_in_the_end(runtime_dir: Path) -> None:
    supervised = Supervised(runtime_dir, stubborn=STUBBORN)
    wait_until(lambda: supervised.pid("stubborn") > 0)
    threading.Event().wait(0.3)
    pid = supervised.pid("stubborn")
    assert supervised.end() == 1
    assert not is_alive(pid)


def test_children_die_with_a_supervisor_that_was_killed(runtime_dir: Path) -> None:
    script = (
        "import sys, threading; from pathlib import Path;"
        "from agent.processes.supervise import ChildCommand, supervise;"
        f"supervise([ChildCommand('child', (sys.executable, '-c', {HEALTHY!r}), 5.0)], Path({str(runtime_dir)!r}),"
        " threading.Event())"
    )
    import subprocess

    supervisor = subprocess.Popen([sys.executable, "-c", script])
    children = runtime_dir / CHILDREN_FILE
    wait_until(children.exists)
    threading.Event().wait(1.0)
    pid = int(json.loads(children.read_text())["child"])
    supervisor.kill()
    supervisor.wait()
    wait_until(lambda: not is_alive(pid))
