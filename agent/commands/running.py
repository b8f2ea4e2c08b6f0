"""Commands that are being carried out, and how each is told to stop: by a cancel, or because the node ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# How late a cancel is noticed while a line is waited for; the node's own end is noticed at once.
_LOOK_S: Final = 0.2


class Halt:
    """One command's stop sign: set when it was cancelled or when the node ends. Safe from any thread."""

    def __init__(self, node: threading.Event) -> None:
        self._node = node
        self._cancelled = threading.Event()

    @property
    def is_cancelled(self) -> bool:
        """False means of a set sign: the node ends, and the next one takes the command up again."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        self._cancelled.set()

    def is_set(self) -> bool:
        return self._cancelled.is_set() or self._node.is_set()

    def wait(self, timeout_s: float) -> bool:
        """As threading.Event.wait."""
        until_s = time.monotonic() + timeout_s
        while not self.is_set() and (left_s := until_s - time.monotonic()) > 0:
            self._node.wait(min(left_s, _LOOK_S))
        return self.is_set()


class Running:
    """The stop signs of what runs now. Safe from any thread."""

    def __init__(self, node: threading.Event) -> None:
        self._node = node
        self._lock = threading.Lock()
        self._halts: dict[str, Halt] = {}

    @contextmanager
    def begin(self, jti: str) -> Iterator[Halt]:
        """Enter before the journal is asked whether the command is still wanted: a cancel writes the journal first and
        looks here then, so one of the two always meets the other."""
        halt = Halt(self._node)
        with self._lock:
            self._halts[jti] = halt
        try:
            yield halt
        finally:
            with self._lock:
                del self._halts[jti]

    def cancel(self, jti: str) -> None:
        with self._lock:
            halt = self._halts.get(jti)
        if halt is not None:
            halt.cancel()
