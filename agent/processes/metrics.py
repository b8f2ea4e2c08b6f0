"""`/metrics` on loopback, for a Prometheus on the same machine: what `health` tells the centre, when it is asked for.

Off unless `metrics_port` is set. Nothing secret is in it and nothing can be changed by it; who is on the machine reads.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Final

from agent import log
from agent.contract.states import Health, OutboxHealth
from agent.errors import StoreError
from agent.health.exposition import CONTENT_TYPE, exposition
from agent.messaging import outbox

_LOOPBACK: Final = "127.0.0.1"
_LOOK_S: Final = 0.5
# Whoever connects and asks nothing holds up the next one no longer.
_PATIENCE_S: Final = 2.0

_log = log.get("metrics")


class MetricsPage:
    """`run_once` is the body of the stage "metrics": it owns its connection to the store, and `health` is called on its
    thread alone."""

    def __init__(
        self,
        port: int,
        *,
        health: Callable[[OutboxHealth], Health],
        is_connected: Callable[[], bool],
        wall_ns: Callable[[], int],
        connect: Callable[[], sqlite3.Connection],
        stop: threading.Event,
    ) -> None:
        self._port = port
        self._health = health
        self._is_connected = is_connected
        self._wall_ns = wall_ns
        self._connect = connect
        self._stop = stop

    def run_once(self) -> None:
        """Serve until stopped. Raises StoreError, and OSError when the port is another's."""
        conn = self._connect()
        try:
            with _Server((_LOOPBACK, self._port), lambda: self._page(conn)) as server:
                _log.info("metrics served", port=self._port)
                while not self._stop.is_set():
                    server.handle_request()
        finally:
            conn.close()

    def _page(self, conn: sqlite3.Connection) -> str:
        """Raises StoreError."""
        waiting = outbox.waiting(conn, self._wall_ns())
        return exposition(self._health(waiting), is_connected=self._is_connected())


class _Server(HTTPServer):
    timeout = _LOOK_S

    def __init__(self, address: tuple[str, int], page: Callable[[], str]) -> None:
        super().__init__(address, _Handler)
        self.page = page

    def handle_error(self, request: object, client_address: object) -> None:
        """One look failed, as when the scraper went away; the next is answered."""
        _log.info("metrics not read", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _PATIENCE_S

    def do_GET(self) -> None:
        if self.path != "/metrics":
            self.send_error(404)
            return
        try:
            body = self.server.page().encode()
        except StoreError as exc:
            # Before the node's first event there is no outbox to tell of; a broken store is told where it is used.
            self.send_error(503, str(exc)[:200])
            return
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Each look of a scraper is no state change."""
