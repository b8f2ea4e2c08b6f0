"""The demo's broker: mosquitto where it is installed, else amqtt in a process of its own.

amqtt speaks MQTT 3.1.1 only and keeps no sessions worth the name (contract: engines), so it serves the demo and
nothing else.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agent.errors import BrokerUnreachable

LOOPBACK = "127.0.0.1"
# A broker on loopback listens within a second; a Pi under load may take longer.
_START_LIMIT_S = 15.0
# Debian installs mosquitto in /usr/sbin, which is not on every user's PATH.
_SEARCH_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))


@dataclass(frozen=True, slots=True)
class DemoBroker:
    """A running broker. `name` is for people; `protocol` is the best MQTT version it speaks."""

    name: str
    url: str
    protocol: Literal["5", "3.1.1"]


@contextmanager
def running_broker(folder: Path) -> Iterator[DemoBroker]:
    """A broker on loopback for as long as the context lasts. Raises BrokerUnreachable when it does not come up."""
    port = free_port()
    mosquitto = shutil.which("mosquitto", path=_SEARCH_PATH)
    log = (folder / "broker.log").open("wb")
    if mosquitto:
        settings = folder / "mosquitto.conf"
        settings.write_text(f"listener {port} {LOOPBACK}\nallow_anonymous true\n", encoding="ascii")
        argv, name, protocol = [mosquitto, "-c", str(settings)], "mosquitto", "5"
    else:
        argv, name, protocol = [sys.executable, "-m", "agent.demo.embedded_broker", str(port)], "amqtt", "3.1.1"
    process = subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait_until_listening(process, port, folder / "broker.log")
        yield DemoBroker(name, f"mqtt://{LOOPBACK}:{port}", "5" if protocol == "5" else "3.1.1")
    finally:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def free_port() -> int:
    """A TCP port of loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _wait_until_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until_s = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < until_s and process.poll() is None:
        with socket.socket() as probe:
            probe.settimeout(1.0)
            if probe.connect_ex((LOOPBACK, port)) == 0:
                return
        try:
            process.wait(timeout=0.05)
        except subprocess.TimeoutExpired:
            continue
    raise BrokerUnreachable(url=f"mqtt://{LOOPBACK}:{port}", remedy=f"the demo's broker did not start; see {log}")
