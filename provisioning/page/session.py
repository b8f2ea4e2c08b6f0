"""Who has typed the right PIN, and for how long that counts."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from dataclasses import dataclass
from typing import Final

from agent.clock import Clock

NS_PER_S: Final = 1_000_000_000
# A phone that is laid down on the ladder: set-up stays open for 30 minutes (provisioning, flow 3), so does the session.
IDLE_S: Final = 30 * 60
# A whole working day with pauses; after that the PIN is asked again whatever happened.
ABSOLUTE_S: Final = 8 * 3600
# One technician with two phones and some reopened tabs. The oldest gives way.
_MOST: Final = 16


@dataclass(slots=True)
class _Session:
    began_ns: int
    seen_ns: int


class Sessions:
    """Sessions live in memory: when the page's process ends, so do they. Safe from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._open: dict[str, _Session] = {}

    def begin(self) -> str:
        """A new id for whom the PIN was right. An id known before that is never let in (session fixation)."""
        key, now_ns = secrets.token_urlsafe(32), self._clock.mono_ns()
        with self._lock:
            while len(self._open) >= _MOST:
                del self._open[min(self._open, key=lambda each: self._open[each].seen_ns)]
            self._open[key] = _Session(now_ns, now_ns)
        return key

    def is_open(self, key: str) -> bool:
        """Whether this id may enter; if so, its idle time begins again."""
        now_ns = self._clock.mono_ns()
        with self._lock:
            session = self._open.get(key)
            if session is None:
                return False
            if now_ns - session.seen_ns > IDLE_S * NS_PER_S or now_ns - session.began_ns > ABSOLUTE_S * NS_PER_S:
                del self._open[key]
                return False
            session.seen_ns = now_ns
            return True

    def csrf(self, key: str) -> str:
        """The token that a form of this visitor must carry, before and after the PIN."""
        return hmac.new(self._secret, key.encode(), hashlib.sha256).hexdigest()

    def is_csrf(self, key: str, token: str) -> bool:
        return hmac.compare_digest(self.csrf(key).encode(), token.encode("utf-8", "replace"))


def new_visitor() -> str:
    """An id for somebody who has not typed the PIN; it opens nothing and is kept nowhere."""
    return secrets.token_urlsafe(32)
