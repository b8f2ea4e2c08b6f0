"""Where threads meet: a bounded queue that never blocks the giver, and counts what it had no room for."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Bounded by items and, when `max_bytes` is given, by the sizes that givers state. Safe from any thread.

    It drops nothing by itself: `put` says no and counts it, and the giver decides what that means. An item larger than
    `max_bytes` is taken in when nothing else waits, because it would never fit otherwise.
    """

    def __init__(self, max_items: int, max_bytes: int = 0) -> None:
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._items: deque[tuple[T, int]] = deque()
        self._bytes = 0
        self._dropped = 0
        self._is_closed = False
        self._condition = threading.Condition()

    def put(self, item: T, size_bytes: int = 0) -> bool:
        """Whether there was room. Never blocks; a closed mailbox has none."""
        with self._condition:
            too_big = self._max_bytes and self._items and self._bytes + size_bytes > self._max_bytes
            if self._is_closed or too_big or len(self._items) >= self._max_items:
                self._dropped += 1
                return False
            self._items.append((item, size_bytes))
            self._bytes += size_bytes
            self._condition.notify()
            return True

    def force(self, item: T) -> bool:
        """Take this item in whatever the bounds say; for the rare ones that must not be lost. False once closed."""
        with self._condition:
            if not self._is_closed:
                self._items.append((item, 0))
                self._condition.notify()
            return not self._is_closed

    def take(self, timeout_s: float) -> T | None:
        """The oldest item, or None when none came in time or the mailbox is closed and empty."""
        with self._condition:
            self._condition.wait_for(self._has_news, timeout_s)
            if not self._items:
                return None
            item, size_bytes = self._items.popleft()
            self._bytes -= size_bytes
            return item

    def take_all(self, timeout_s: float) -> list[T]:
        """Everything there is, oldest first, after waiting for the first item; empty as `take` is None."""
        with self._condition:
            self._condition.wait_for(self._has_news, timeout_s)
            items = [item for item, _ in self._items]
            self._items.clear()
            self._bytes = 0
            return items

    def close(self) -> None:
        """No more is taken in; what is there may still be taken out."""
        with self._condition:
            self._is_closed = True
            self._condition.notify_all()

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    @property
    def depth(self) -> int:
        return len(self._items)

    @property
    def bytes(self) -> int:
        return self._bytes

    @property
    def dropped(self) -> int:
        """How often `put` said no."""
        return self._dropped

    def _has_news(self) -> bool:
        return bool(self._items) or self._is_closed
