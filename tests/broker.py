"""A real mosquitto on loopback, with persistence, that tests may kill, freeze and start again."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

LOOPBACK = "127.0.0.1"
# Debian installs it in /usr/sbin, which is not on every user's PATH.
MOSQUITTO = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def unused_port() -> int:
    """A TCP port of loopback that was free a moment ago, outside Linux's ephemeral range (32768 and up): from there an
    outgoing connection would take it while the test's server is down."""
    while True:
        port = random.randrange(15_000, 30_000)
        with socket.socket() as probe:
            if probe.connect_ex((LOOPBACK, port)) != 0:
                return port


def wait_until(is_so: Callable[[], bool], problem: str, *, limit_s: float = 20.0) -> None:
    """Returns as soon as `is_so`; fails the test with `problem` after the limit."""
    tick = threading.Event()
    for _ in range(int(limit_s / 0.02)):
        if is_so():
            return
        tick.wait(0.02)
    pytest.fail(problem)


class Broker:
    """One mosquitto process at a time on one port and one persistence folder."""

    def __init__(self, folder: Path, settings: str, address: str = LOOPBACK) -> None:
        self.address = address
        self.port = unused_port()
        self.folder = folder
        self.config = folder / "mosquitto.conf"
        # Debian's mosquitto gives up root for its own user, who could not write its database into the test's folder.
        user = "user root\n" if os.geteuid() == 0 else ""
        self.config.write_text(
            f"listener {self.port} {address}\npersistence true\npersistence_location {folder}/\n"
            f"autosave_interval 1\nautosave_on_changes true\n{user}{settings}\n"
        )
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://{self.address}:{self.port}"

    def start(self) -> None:
        with (self.folder / "broker.log").open("ab") as log:
            self.process = subprocess.Popen([MOSQUITTO or "", "-v", "-c", str(self.config)], stdout=log, stderr=log)
        wait_until(self._is_listening, f"mosquitto does not listen, see {self.folder / 'broker.log'}")

    def kill(self) -> None:
        self._end_with(signal.SIGKILL)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
        self._end_with(signal.SIGTERM)

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def _end_with(self, number: int) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(10)
            self.process = None

    def _is_listening(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((self.address, self.port)) == 0
