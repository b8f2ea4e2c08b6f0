"""A small HTTP server on a thread of its own, for as long as its owner wants it."""

from __future__ import annotations

import socket
import threading

import uvicorn


class Listening:
    """Serves from construction to `close`, on a socket that listens already: who is quicker than the thread waits in
    its backlog. Owned by the thread that made it."""

    def __init__(self, config: uvicorn.Config, listening: socket.socket, *, name: str) -> None:
        self._socket = listening
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listening],), name=name)
        self._thread.start()

    @property
    def address(self) -> str:
        """Host and port as they stand in a URL."""
        host, port = self._socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def close(self) -> None:
        """Stop listening; requests under way are answered. May be called twice."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()
