"""The supervisor keeps real child processes alive, and lets none outlive it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.errors import LinkError
from agent.processes.supervise import CHILDREN_FILE, ChildCommand, supervise

_WAIT_S = 30.0
# Long enough for a child on a busy machine to feed it; a hang is found after it.
_WATCHDOG_S = 3.0
# A file named by its pid says how far a child came.
HEALTHY = """
import os, signal, sys, threading
from pathlib import Path
from agent.notify import Notifier, Progress, die_with_supervisor, watch
die_with_supervisor()
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
notifier = Notifier()
notifier.ready()
Path(f"ready-{os.getpid()}").touch()
watch(notifier, Progress(), stop)
Path(f"ended-{os.getpid()}").touch()
"""
STUBBORN = """
import os, signal, threading
from pathlib import Path
signal.signal(signal.SIGTERM, signal.SIG_IGN)
Path(f"ready-{os.getpid()}").touch()
threading.Event().wait()
"""
ENDING = """
import os, sys
from pathlib import Path
Path(f"ended-{os.getpid()}").touch()
sys.exit(CODE)
"""


def wait_until(is_so: Callable[[], bool]) -> None:
    until_s = time.monotonic() + _WAIT_S
    while not is_so():
        assert time.monotonic() < until_s, "it did not happen in time"
        threading.Event().wait(0.01)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def child(name: str, script: str) -> ChildCommand:
    return ChildCommand(name, (sys.executable, "-c", script), _WATCHDOG_S)


class Supervised:
    """A supervisor on a thread of its own, its children in `folder`."""

    def __init__(self, folder: Path, *commands: ChildCommand) -> None:
        self.folder = folder
        self.stop = threading.Event()
        self.code: int | None = None
        self._commands = commands
        self.wanted: list[ChildCommand] | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self.code = supervise(self._commands, self.folder, self.stop, self._plan)

    def _plan(self) -> list[ChildCommand] | None:
        wanted, self.wanted = self.wanted, None
        return wanted

    def pid(self, name: str) -> int:
        try:
            return int(json.loads((self.folder / CHILDREN_FILE).read_text())[name])
        except (FileNotFoundError, KeyError):
            return 0

    def wait_for_ready(self, name: str, *, other_than: int = 0) -> int:
        wait_until(lambda: self.pid(name) not in (0, other_than) and (self.folder / f"ready-{self.pid(name)}").exists())
        return self.pid(name)

    def end(self) -> int | None:
        self.stop.set()
        self._thread.join(_WAIT_S)
        return self.code


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Short, because sockets lie in it, and the children's working directory."""
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    monkeypatch.chdir(tmp_path)
    yield tmp_path


@pytest.fixture
def supervised(folder: Path) -> Iterator[Callable[..., Supervised]]:
    made: list[Supervised] = []

    def make(*commands: ChildCommand) -> Supervised:
        made.append(Supervised(folder, *commands))
        return made[-1]

    yield make
    for one in made:
        one.end()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP])
def test_a_dead_or_hung_process_is_replaced_and_its_neighbour_is_not(
    supervised: Callable[..., Supervised], number: signal.Signals
) -> None:
    agent = supervised(child("victim", HEALTHY), child("neighbour", HEALTHY))
    victim, neighbour = agent.wait_for_ready("victim"), agent.wait_for_ready("neighbour")
    os.kill(victim, number)
    agent.wait_for_ready("victim", other_than=victim)
    assert not is_alive(victim)
    assert agent.pid("neighbour") == neighbour
    assert agent.end() == 0
    assert not is_alive(neighbour)
    assert (agent.folder / f"ended-{neighbour}").exists()
    assert not (agent.folder / CHILDREN_FILE).exists()


def test_a_process_that_ends_of_itself_is_started_again_and_its_exit_is_no_fault_of_the_whole(
    supervised: Callable[..., Supervised],
) -> None:
    agent = supervised(child("brief", ENDING.replace("CODE", "0")))
    wait_until(lambda: len(list(agent.folder.glob("ended-*"))) >= 3)
    assert agent.end() == 0


def test_a_misconfigured_process_waits_and_its_neighbour_runs(supervised: Callable[..., Supervised]) -> None:
    agent = supervised(child("wrong", ENDING.replace("CODE", "2")), child("neighbour", HEALTHY))
    agent.wait_for_ready("neighbour")
    wait_until(lambda: agent.pid("wrong") == 0)
    assert len(list(agent.folder.glob("ended-*"))) == 1
    assert agent.end() == 0


def test_a_program_that_is_not_there_does_not_end_its_neighbours(supervised: Callable[..., Supervised]) -> None:
    agent = supervised(ChildCommand("absent", ("/no/such/program",), _WATCHDOG_S), child("neighbour", HEALTHY))
    neighbour = agent.wait_for_ready("neighbour")
    assert agent.end() == 0
    assert (agent.folder / f"ended-{neighbour}").exists()


def test_a_stopped_process_still_hears_the_end(supervised: Callable[..., Supervised]) -> None:
    agent = supervised(child("one", HEALTHY))
    pid = agent.wait_for_ready("one")
    os.kill(pid, signal.SIGSTOP)
    assert agent.end() == 0
    assert (agent.folder / f"ended-{pid}").exists()


@pytest.mark.slow
def test_a_process_that_ignores_the_end_is_killed_in_the_end(supervised: Callable[..., Supervised]) -> None:
    agent = supervised(child("stubborn", STUBBORN))
    pid = agent.wait_for_ready("stubborn")
    assert agent.end() == 1
    assert not is_alive(pid)


def test_a_second_supervisor_of_the_same_folder_is_refused(supervised: Callable[..., Supervised], folder: Path) -> None:
    agent = supervised(child("one", HEALTHY))
    agent.wait_for_ready("one")
    with pytest.raises(LinkError, match="another supervisor"):
        supervise([child("one", HEALTHY)], folder, threading.Event())
    assert agent.end() == 0


def test_children_die_with_a_supervisor_that_was_killed(folder: Path) -> None:
    script = (
        "import sys, threading; from pathlib import Path;"
        "from agent.processes.supervise import ChildCommand, supervise;"
        f"supervise([ChildCommand('child', (sys.executable, '-c', {HEALTHY!r}), {_WATCHDOG_S})], Path({str(folder)!r}),"
        " threading.Event())"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", script])
    try:
        wait_until(lambda: any(folder.glob("ready-*")) and (folder / CHILDREN_FILE).is_file())
        pid = int(json.loads((folder / CHILDREN_FILE).read_text())["child"])
    finally:
        supervisor.kill()
        supervisor.wait()
    wait_until(lambda: not is_alive(pid))
    assert not (folder / f"ended-{pid}").exists()


def test_a_changed_plan_disturbs_only_what_it_changes(supervised: Callable[..., Supervised], folder: Path) -> None:
    kept, changed, dropped = (child(name, HEALTHY) for name in ("kept", "changed", "dropped"))
    one = supervised(kept, changed, dropped)
    kept_pid, changed_pid, dropped_pid = (one.wait_for_ready(name) for name in ("kept", "changed", "dropped"))

    one.wanted = [kept, replace(changed, settings="other"), child("added", HEALTHY)]

    one.wait_for_ready("changed", other_than=changed_pid)
    one.wait_for_ready("added")
    wait_until(lambda: not one.pid("dropped"))
    assert (folder / f"ended-{changed_pid}").exists()
    assert (folder / f"ended-{dropped_pid}").exists()
    assert one.pid("kept") == kept_pid
    assert is_alive(kept_pid)
    assert one.end() == 0


def test_a_stopped_child_that_is_not_wanted_any_more_ends_too(
    supervised: Callable[..., Supervised], folder: Path
) -> None:
    one = supervised(child("one", HEALTHY))
    pid = one.wait_for_ready("one")
    os.kill(pid, signal.SIGSTOP)

    one.wanted = []

    wait_until(lambda: not is_alive(pid))
    assert one.end() == 0
