"""A file's sound, read along with its pictures, on the thread that reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import av

from agent import log
from agent.errors import SoundUnsupported
from agent.media.aac import SoundCoder
from agent.media.sound import SourceSound
from agent.media.sound_feed import SoundFeed

if TYPE_CHECKING:
    from av.container import InputContainer

_log = log.get("sound")


class FileSound:
    """Called with each packet of the file's sound track, and its time on the pictures' line in ns."""

    def __init__(self, coder: SoundCoder, feed: SoundFeed, camera: str) -> None:
        self._coder = coder
        self._feed = feed
        self._camera = camera
        feed.tune(coder.shape)

    @classmethod
    def of(cls, container: InputContainer, feed: SoundFeed, *, camera: str) -> Self | None:
        """None for a file without sound, or with one that cannot be recorded."""
        stream = next(iter(container.streams.audio), None)
        if stream is None:
            return None
        try:
            return cls(SoundCoder(stream, camera=camera), feed, camera)
        except SoundUnsupported as exc:
            _log.warning("sound not recorded", camera=camera, problem=str(exc))
            return None

    def __call__(self, data: bytes, at_ns: int) -> None:
        # What cannot be coded costs itself.
        try:
            for coded in self._coder.take(data, at_ns):
                self._feed.put(SourceSound(coded.data, coded.at_ns, coded.duration_ns))
        except av.FFmpegError as exc:
            self._feed.refuse(exc, camera=self._camera)
