"""`wayside centre serve` as a process of its own, and an office for it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
from contextlib import suppress
from http.client import HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

from agent.authority.office import Office
from agent.authority.records import CameraRecord, SiteRecord
from agent.centre.eventstore import EVENTS_NAME
from tests.broker import wait_until


def make_office(folder: Path) -> Office:
    """One organisation with one site of one camera."""
    now_s = int(time.time())
    office = Office.create(folder, enrol_url="https://127.0.0.1:8443", broker_url="mqtts://127.0.0.1:8883", now_s=now_s)
    office.add_organisation("org", "an organisation", now_s=now_s)
    office.add_site(SiteRecord("site", "org", cameras=(CameraRecord("c01"),)), now_s=now_s)
    return office


class Serve:
    """One server process at a time on one office and one store."""

    def __init__(self, office: Path, store: Path, *more: str) -> None:
        self.office = office
        self.store = store
        self.more = more
        self.lines: list[dict[str, object]] = []
        self.process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None

    def start(self) -> Serve:
        self.begin()
        wait_until(lambda: self.of("serve.listening") != [] or self.has_ended, f"it does not listen: {self.errors()}")
        assert not self.has_ended, self.errors()
        return self

    def begin(self) -> None:
        self.lines.clear()
        self.store.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "agent", "centre", "serve", "--office", str(self.office)]
        command += ["--store", str(self.store), "--listen", "127.0.0.1:0", "--json", *self.more]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        self._reader = threading.Thread(target=self._read, args=(self.process,))
        self._reader.start()

    @property
    def has_ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def of(self, kind: str) -> list[dict[str, object]]:
        return [line for line in list(self.lines) if line["type"] == kind]

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        return self._end(signal.SIGTERM)

    def errors(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    def count(self) -> int:
        """Events that are on disk."""
        path = self.store / EVENTS_NAME
        if not path.exists():
            return 0
        with suppress(sqlite3.OperationalError):
            conn = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
            try:
                return int(conn.execute("SELECT count(*) FROM event").fetchone()[0])
            finally:
                conn.close()
        return 0

    def connection(self) -> HTTPSConnection:
        """HTTPS, the server's certificate checked against the office's authority."""
        context = ssl.create_default_context(cadata=Office.open(self.office).centre_ca_pem())
        address = urlsplit(str(self.of("serve.listening")[0]["url"]))
        return HTTPSConnection(address.hostname or "", address.port, context=context, timeout=10)

    def request(
        self, method: str, path: str, body: bytes = b"", kind: str = "application/jose"
    ) -> tuple[int, dict[str, str], bytes]:
        connection = self.connection()
        try:
            connection.request(method, path, body or None, {"Content-Type": kind})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    @property
    def _log(self) -> Path:
        # Beside the store: a test may fill that one's disk.
        return self.store.with_suffix(".log")

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with suppress(ValueError):
                self.lines.append(json.loads(line))

    def _end(self, number: int) -> int:
        if self.process is None:
            return 0
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, number)
        code = self.process.wait(20)
        if self._reader is not None:
            self._reader.join()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.process = None
        return code
