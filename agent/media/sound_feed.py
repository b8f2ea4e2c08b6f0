"""Where a camera's sound waits for its pictures."""

from __future__ import annotations

import threading
from typing import Final

from agent import log
from agent.mailbox import Mailbox
from agent.media.sound import SourceSound
from agent.media.sound_shape import SoundShape

# Twenty seconds of 48 kHz AAC; the capture takes what waits with each picture, so more is only kept while it stands.
_MAX_WAITING: Final = 1_000

_log = log.get("sound")


class SoundFeed:
    """Given by the thread that reads the sound, taken by the capture's.

    `wanted` is set while pictures come, because without them there is nothing to record it beside. Sound that nobody
    takes in time is dropped and counted; pictures never wait for it.
    """

    def __init__(self) -> None:
        self.wanted = threading.Event()
        self._mailbox: Mailbox[SourceSound | SoundShape] = Mailbox(_MAX_WAITING)
        self._refused = 0

    def tune(self, shape: SoundShape) -> None:
        self._mailbox.force(shape)

    def put(self, sound: SourceSound) -> None:
        self._mailbox.put(sound)

    def take(self) -> list[SourceSound | SoundShape]:
        return self._mailbox.take_all(0)

    def refuse(self, exc: Exception, *, camera: str) -> None:
        """A packet that could not be coded; the first of a session is worth a line."""
        if self._refused == 0:
            _log.warning("sound refused", camera=camera, problem=str(exc))
        self._refused += 1

    @property
    def dropped(self) -> int:
        """Packets that could not be coded or that nobody took in time."""
        return self._mailbox.dropped + self._refused
