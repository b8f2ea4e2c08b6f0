"""A mosquitto of the bench's own on loopback: as Debian ships it, but for who may come and what it keeps."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Final

from agent.errors import BenchError

LOOPBACK: Final = "127.0.0.1"
# Debian installs it in /usr/sbin, which is not on every user's PATH.
_SEARCH_PATH: Final = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
_START_LIMIT_S: Final = 15.0
_STOP_LIMIT_S: Final = 20.0
_POLL_S: Final = 0.05


class Mosquitto:
    """`with` starts it in `folder`, which keeps its sessions; `restart` ends it at once and starts it again; `kill`
    lets it save nothing, and `start` brings it back. Raises BenchError where none is installed or it does not come
    up."""

    def __init__(self, folder: Path, settings: str = "") -> None:
        found = shutil.which("mosquitto", path=_SEARCH_PATH)
        if found is None:
            raise BenchError(problem="mosquitto is not installed", remedy="apt-get install mosquitto")
        self._folder = folder
        self.port = _free_port()
        config = folder / "mosquitto.conf"
        # As root it would become its own user, who may not write into the folder.
        user = "user root\n" if os.geteuid() == 0 else ""
        kept = f"persistence true\npersistence_location {folder}/\n"
        text = f"listener {self.port} {LOOPBACK}\nallow_anonymous true\n{user}{kept}{settings}"
        config.write_text(text, encoding="utf-8")
        self._argv = [found, "-c", str(config)]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://{LOOPBACK}:{self.port}"

    def __enter__(self) -> Mosquitto:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stop()

    def restart(self) -> None:
        self._stop()
        self.start()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def start(self) -> None:
        with (self._folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(self._argv, stdout=log, stderr=log)
        until_s = time.monotonic() + _START_LIMIT_S
        while time.monotonic() < until_s and self._process.poll() is None:
            with socket.socket() as probe:
                probe.settimeout(1.0)
                if probe.connect_ex((LOOPBACK, self.port)) == 0:
                    return
            try:
                self._process.wait(_POLL_S)
            except subprocess.TimeoutExpired:
                continue
        raise BenchError(problem="mosquitto did not start", log=str(self._folder / "broker.log"))

    def _stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
