"""Opening a stream for some seconds and measuring what it really is. Needs the extra [node] for av and OpenCV."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from agent import log
from agent.errors import StreamUnsupported
from provisioning.cameras.camera import Login, ProbedStream
from provisioning.cameras.passwords import check_password

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

    from agent.media.decoder import Picture
    from agent.media.opening import CameraSource

# Two IDRs are wanted, and a GOP of 4 s is still a sensible one; a technician waits this long and no longer.
_LONGEST_S: Final = 10.0
# With two IDRs the rates are known well enough after this.
_SHORTEST_S: Final = 3.0
_PICTURE_WIDTH_PX: Final = 480
_PICTURE_QUALITY: Final = 75
# A first IDR does not decode on some cameras that begin with a recovery point; a few access units on it does.
_DECODE_TRIES: Final = 8

_log = log.get("cameras")


def probe(
    url: str, username: str = "", password: str = "", *, longest_s: float = _LONGEST_S, camera: str = "probe"
) -> ProbedStream:
    """Watch a stream until two IDRs came, 3 s at least and `longest_s` at most. Blocks; any thread.

    url: as in the configuration. Raises the CameraError that the agent itself would meet, and CameraRefused for a
    default password.
    """
    check_password(Login(username, password))
    from agent.media.opening import open_camera
    from agent.media.source import SourceAddress

    address = SourceAddress(camera, url, username, password)
    began_s = time.monotonic()
    source = open_camera(address)
    try:
        measured = _watch(source, began_s, longest_s)
    finally:
        source.close()
    probed = measured.result(address.shown, source)
    _log.info(
        "stream probed",
        source=address.shown,
        codec=probed.codec,
        width=probed.width,
        height=probed.height,
        fps=probed.fps,
        gop_s=probed.gop_s,
    )
    return probed


@dataclass(slots=True)
class _Measured:
    began_s: float
    frames: int = 0
    size_bytes: int = 0
    first_idr_s: float = 0.0
    gop_frames: int = 0
    since_idr: int = 0
    ticks: list[int] = field(default_factory=list)
    picture: bytes = b""

    def take(self, packet: Packet[VideoStream], *, is_idr: bool) -> None:
        self.frames += 1
        self.size_bytes += packet.size
        stamp = packet.dts if packet.dts is not None else packet.pts
        if stamp is not None:
            self.ticks.append(stamp)
        if is_idr:
            if self.first_idr_s == 0.0:
                self.first_idr_s = time.monotonic() - self.began_s
            elif self.since_idr > self.gop_frames:
                self.gop_frames = self.since_idr
            self.since_idr = 0
        if self.first_idr_s:
            self.since_idr += 1

    @property
    def has_gop(self) -> bool:
        return self.gop_frames > 0

    def result(self, url: str, source: CameraSource) -> ProbedStream:
        form = source.format
        if self.frames == 0:
            raise StreamUnsupported(source=url, remedy="it sent no picture while it was watched; restart the camera")
        # Stamps count a burst that lay in a buffer at its own pace; arrivals would not.
        span_s = float((max(self.ticks) - min(self.ticks)) * form.time_base) if self.ticks else 0.0
        fps = (len(self.ticks) - 1) / span_s if span_s > 0 else 0.0
        return ProbedStream(
            url=url,
            codec=form.codec.value,
            width=form.width,
            height=form.height,
            fps=round(fps, 2),
            gop_frames=self.gop_frames,
            gop_s=round(self.gop_frames / fps, 2) if fps else 0.0,
            bitrate_bps=int(self.size_bytes * 8 / span_s) if span_s > 0 else 0,
            first_idr_s=round(self.first_idr_s, 2),
            frames=self.frames,
            seconds=round(span_s, 2),
            picture=self.picture,
        )


def _watch(source: CameraSource, began_s: float, longest_s: float) -> _Measured:
    from agent.media.decoder import Decoder
    from agent.media.gop import is_idr, length_bytes_of

    form = source.format
    lengths = length_bytes_of(form.codec, form.extradata)
    decoder: Decoder | None = None
    measured, tries = _Measured(began_s), 0
    # Nothing here is waited for twice: the reads themselves end a stream that stalls.
    stop = threading.Event()
    for packet in source.packets(stop):
        data = bytes(packet)
        begins = bool(packet.is_keyframe) and is_idr(form.codec, data, length_bytes=lengths)
        measured.take(packet, is_idr=begins)
        if begins and decoder is None:
            decoder = Decoder(form.codec.value, form.extradata)
        if decoder is not None and not measured.picture and tries < _DECODE_TRIES:
            tries += 1
            pictures = decoder.decode(data, tries) or (decoder.flush() if tries == _DECODE_TRIES else [])
            measured.picture = _jpeg(pictures[0]) if pictures else b""
        elapsed_s = time.monotonic() - began_s
        if elapsed_s > longest_s or (measured.has_gop and elapsed_s > _SHORTEST_S):
            break
    return measured


def _jpeg(picture: Picture) -> bytes:
    """At most 480 px wide: enough to tell which camera it is."""
    import cv2

    bgr = picture.bgr()
    height, width = bgr.shape[:2]
    if width > _PICTURE_WIDTH_PX:
        size = (_PICTURE_WIDTH_PX, max(height * _PICTURE_WIDTH_PX // width, 1))
        small = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)
    else:
        small = bgr
    is_made, jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _PICTURE_QUALITY])
    return bytes(jpeg) if is_made else b""
