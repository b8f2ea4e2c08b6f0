"""A real mosquitto on loopback, with persistence, that tests may kill, freeze and start again."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

LOOPBACK = "127.0.0.1"
_MOSQUITTO = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


class Broker:
    """One mosquitto process at a time on one port and one persistence folder."""

    def __init__(self, folder: Path, settings: str) -> None:
        self.port = _quiet_port()
        self.folder = folder
        self.config = folder / "mosquitto.conf"
        self.config.write_text(
            f"listener {self.port} {LOOPBACK}\npersistence true\npersistence_location {folder}/\n"
            f"autosave_interval 1\nautosave_on_changes true\n{settings}\n"
        )
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://{LOOPBACK}:{self.port}"

    def start(self) -> None:
        with (self.folder / "broker.log").open("ab") as log:
            self.process = subprocess.Popen([_MOSQUITTO or "", "-v", "-c", str(self.config)], stdout=log, stderr=log)
        wait_until(self._is_listening, "mosquitto does not listen")

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
        self._signal(signal.SIGTERM)

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(10)
            self.process = None

    def _is_listening(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((LOOPBACK, self.port)) == 0


def wait_until(is_so: Callable[[], bool], problem: str, *, limit_s: float = 20.0) -> None:
    """Returns as soon as `is_so`; fails the test with `problem` after the limit."""
    tick = threading.Event()
    for _ in range(int(limit_s / 0.02)):
        if is_so():
            return
        tick.wait(0.02)
    pytest.fail(problem)


def _quiet_port() -> int:
    """A free port outside Linux's range of ephemeral ports (32768 and up), from which an outgoing connection would take
    it while the broker is down."""
    while True:
        port = random.randrange(15_000, 30_000)
        with socket.socket() as probe:
            if probe.connect_ex((LOOPBACK, port)) != 0:
                return port


@pytest.fixture
def make_broker(tmp_path: Path) -> Iterator[Callable[[str], Broker]]:
    """Makes and starts brokers with these mosquitto settings; all are ended after the test."""
    if _MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    made: list[Broker] = []

    def make(settings: str = "allow_anonymous true") -> Broker:
        folder = tmp_path / f"broker{len(made)}"
        folder.mkdir()
        # Debian's mosquitto gives up root for its own user, who could not write its database into the test's folder.
        broker = Broker(folder, f"{settings}\nuser root" if os.geteuid() == 0 else settings)
        made.append(broker)
        broker.start()
        return broker

    yield make
    for broker in made:
        broker.stop()


@pytest.fixture
def broker(make_broker: Callable[[str], Broker]) -> Broker:
    return make_broker("allow_anonymous true")
