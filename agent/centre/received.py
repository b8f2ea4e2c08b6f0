"""Who takes the clips that a desk asks for: a receiver of its own, or the centre's server on the same machine."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import TracebackType
from typing import Protocol

from agent.centre.incoming import Received
from agent.centre.receive import DEFAULT_MAX_BYTES
from agent.centre.uploadbook import UploadBook
from agent.errors import UploadError


class Arrival(Protocol):
    """One expected file and its one-time address."""

    @property
    def url(self) -> str: ...

    def wait(self, timeout_s: float) -> Received | None:
        """The finished file under its final name, None when it is not there yet."""


class Door(Protocol):
    """A context: what did not arrive within it is not waited for any more."""

    def __enter__(self) -> Door: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def announce(self, path: Path, *, max_bytes: int = DEFAULT_MAX_BYTES) -> Arrival: ...


class ServedDoor:
    """The server's receiver. Raises StoreError where none runs."""

    def __init__(self, store: Path) -> None:
        self._book = UploadBook(store)
        self._url = self._book.url()
        self._tokens: list[str] = []

    def __enter__(self) -> ServedDoor:
        return self

    def __exit__(self, *_: object) -> None:
        for token in self._tokens:
            self._book.forget(token)

    def announce(self, path: Path, *, max_bytes: int = DEFAULT_MAX_BYTES) -> Arrival:
        token = self._book.announce(max_bytes)
        self._tokens.append(token)
        return _Served(self._book, token, path, f"{self._url}/clip/{token}")


class _Served:
    def __init__(self, book: UploadBook, token: str, path: Path, url: str) -> None:
        self._book = book
        self._token = token
        self._path = path
        self.url = url

    def wait(self, timeout_s: float) -> Received | None:
        received = self._book.wait(self._token, timeout_s)
        if received is None:
            return None
        try:
            shutil.move(received.path, self._path)
        except OSError as exc:
            remedy = "may this user read the clips of the server's --store?"
            raise UploadError(reason="not_fetched", path=str(received.path), error=exc.strerror, remedy=remedy) from exc
        return Received(self._path, received.size_bytes, received.sha256)
