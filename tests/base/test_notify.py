"""What a process tells its watcher, and what it writes to its log."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from agent import log
from agent.errors import SupervisorGone
from agent.notify import SUPERVISED_ENV, Notifier, Progress, die_with_supervisor, watch

_WAIT_S = 10.0


@pytest.fixture(params=["path", "abstract"])
def watcher(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    address = str(tmp_path / "notify.sock") if request.param == "path" else f"@wayside-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address.replace("@", "\0"))
        listening.settimeout(_WAIT_S)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        yield listening


def test_the_watcher_hears_of_the_beginning_the_state_and_the_end(watcher: socket.socket) -> None:
    notifier = Notifier()
    notifier.ready()
    notifier.status("two\nlines")
    notifier.stopping()
    assert [watcher.recv(100) for _ in range(3)] == [b"READY=1", b"STATUS=two lines", b"STOPPING=1"]


@pytest.mark.usefixtures("tmp_path")
def test_nobody_listening_is_no_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    Notifier().ready()
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone.sock"))
    Notifier().ready()


@pytest.mark.parametrize(
    ("usec", "pid", "period_s"),
    [("2000000", None, 2.0), ("2000000", "own", 2.0), ("2000000", "1", None), (None, None, None), ("", None, None)],
)
def test_the_watchdogs_period_counts_for_the_process_it_is_meant_for(
    monkeypatch: pytest.MonkeyPatch, usec: str | None, pid: str | None, period_s: float | None
) -> None:
    for name, value in (("WATCHDOG_USEC", usec), ("WATCHDOG_PID", str(os.getpid()) if pid == "own" else pid)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert Notifier().watchdog_period_s == period_s


def test_the_watchdog_is_fed_while_loops_move_and_not_while_one_is_stuck(
    watcher: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "80000")
    notifier, progress, stop = Notifier(), Progress(), threading.Event()
    progress.register("moving", 3600.0)
    watching = threading.Thread(target=watch, args=(notifier, progress, stop))
    watching.start()
    assert watcher.recv(100) == b"WATCHDOG=1"
    progress.register("stuck", 0.0)
    while watcher.recv(100) == b"WATCHDOG=1":
        pass
    assert progress.stuck() == ["stuck"]
    progress.forget("stuck")
    while watcher.recv(100) != b"WATCHDOG=1":
        pass
    stop.set()
    watching.join(_WAIT_S)
    assert not watching.is_alive()


def test_a_signal_while_the_main_thread_waits_ends_the_watch() -> None:
    """Sent while `watch` waits on this thread, as systemd does."""
    stop = threading.Event()
    previous = signal.signal(signal.SIGALRM, lambda *_: stop.set())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        watch(Notifier(), Progress(), stop)
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert stop.is_set()


def test_a_process_whose_supervisor_is_gone_does_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SUPERVISED_ENV, "1" if os.getppid() != 1 else "2")
    with pytest.raises(SupervisorGone):
        die_with_supervisor()
    assert SUPERVISED_ENV not in os.environ


@pytest.fixture
def _log_settings_are_put_back() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("_log_settings_are_put_back")
def test_a_line_of_the_log_is_one_object_without_passwords(capsys: pytest.CaptureFixture[str]) -> None:
    log.setup(as_json=True)
    logger = log.get("room")
    try:
        raise OSError("cannot open 'rtsp://admin:s3cret@10.0.0.5/main'")
    except OSError as exc:
        logger.warning("camera lost", url="rtsp://admin:s3cret@10.0.0.5/main", camera="c01", exc_info=exc)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "s3cret" not in printed.err
    line = json.loads(printed.err)
    assert (line["room"], line["event"], line["level"], line["camera"]) == ("room", "camera lost", "warning", "c01")
    assert "10.0.0.5" in line["exception"]


@pytest.mark.usefixtures("_log_settings_are_put_back")
def test_a_log_that_cannot_be_written_stops_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    full = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115 - closed below, against its own refusal
    monkeypatch.setattr("sys.stderr", full)
    log.setup(as_json=True)
    log.get("room").error("disk full")
    monkeypatch.undo()
    with pytest.raises(OSError, match="No space"):
        full.close()
