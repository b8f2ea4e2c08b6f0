"""Opening a camera by its address, whatever kind it is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from agent.media.csi import SCHEME
from agent.media.frame import SourceFrame
from agent.media.packet import StreamFormat
from agent.media.sound_feed import SoundFeed
from agent.media.source import Shape, SourceAddress, open_source

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream


class CameraSource(Protocol):
    """An open stream, owned by the thread that opened it."""

    shape: Shape

    @property
    def format(self) -> StreamFormat: ...

    def packets(self, stop: threading.Event) -> Iterator[Packet[VideoStream]]:
        """Access units until `stop`. Raises a CameraError when the stream ends by itself."""

    def frames(self) -> Iterator[SourceFrame]:
        """Pictures that came since the last call, for sources that give any."""

    def close(self) -> None: ...


def open_camera(address: SourceAddress, feed: SoundFeed | None = None) -> CameraSource:
    """Connect and learn the format; a file's sound goes to `feed`. Raises the CameraError that says why not and what to
    do."""
    if address.url.startswith(SCHEME):
        from agent.media.csi_source import open_csi

        return open_csi(address)
    return open_source(address, feed)
