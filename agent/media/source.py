"""Opening a camera: RTSP over TCP, V4L2, or a file paced as a live camera.

A failure has the name of the gap that it causes.
"""

from __future__ import annotations

import io
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit, urlunsplit

import av

from agent.errors import CameraEnded, CameraError, CameraRefused, CameraStalled, CameraUnreachable, StreamUnsupported
from agent.media.frame import SourceFrame
from agent.media.pace import paced, sipped
from agent.media.packet import Codec, StreamFormat
from agent.media.sound_feed import SoundFeed

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

    from agent.media.file_sound import FileSound

# A camera in the same box answers within a second; beyond this it is away (peers: Kerberos 15 s, Frigate 20 s).
OPEN_LIMIT_S: Final = 5.0
# No camera pauses this long between packets; at 1 fps night mode there are five.
STALL_LIMIT_S: Final = 5.0
# FFmpeg reads ahead to guess rate and size; the parameters stand in the SDP or the first IDR, so little is enough. What
# it read is kept and comes first (with `nobuffer` it would be thrown away, the first IDR with it).
#
# Sound is not asked for here: with two streams FFmpeg moves the time stamps to the first RTCP report (libavformat/
# rtpdec.c, finalize_packet), and a sound that cannot be set up ends the session. It has its own (media.sound_session).
_RTSP: Final = {"rtsp_transport": "tcp", "allowed_media_types": "video", "analyzeduration": "1000000"}
_DEFAULT_RATE: Final = Fraction(25)


# Cheap cameras want the password in the path or the query: /user=admin_password=secret_channel=1.sdp
_SECRET: Final = re.compile(r"(?i)((?:password|passwd|pass|pwd)=)[^_&/?]*")


@dataclass(frozen=True, slots=True)
class SourceAddress:
    """Where a stream comes from. `url`: rtsp://…, rtsps://…, v4l2:/dev/video0, picamera:0 or file:street.mp4. The
    password is never part of a message or a log line. `frames_fps`: how often a CSI camera also gives a small picture,
    0 for never."""

    camera: str
    url: str
    username: str = ""
    password: str = ""
    loops: bool = True
    frames_fps: float = 0.0

    @property
    def is_file(self) -> bool:
        return self.url.startswith("file:")

    @property
    def is_network(self) -> bool:
        return self.url.startswith(("rtsp://", "rtsps://"))

    @property
    def shown(self) -> str:
        """The address without credentials, for people."""
        parts = urlsplit(self.url)
        plain = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if "@" in parts.netloc else self.url
        return _SECRET.sub(r"\1…", plain)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a run's video is from here on. Segments take their head from `template`, which outlives its source and may
    change threads: it is a copy that nobody reads packets from."""

    format: StreamFormat
    template: VideoStream


class Source:
    """An open stream. Owned by the thread that opened it, but for `shape`."""

    def __init__(
        self,
        address: SourceAddress,
        container: InputContainer,
        stream: VideoStream,
        codec: Codec,
        sound: FileSound | None = None,
    ) -> None:
        self.address = address
        self._sound = sound
        self._container = container
        self._stream = stream
        rate = stream.average_rate or stream.guessed_rate or _DEFAULT_RATE
        time_base = stream.time_base or Fraction(1, 90_000)
        self.shape = _shape(stream, codec, time_base, max(round(1 / (rate * time_base)), 1))

    @property
    def format(self) -> StreamFormat:
        return self.shape.format

    def packets(self, stop: threading.Event) -> Iterator[Packet[VideoStream]]:
        """Access units in the order of the stream until `stop`. Raises a CameraError when the stream ends by itself."""
        reads = (
            paced(self._container, self._stream, stop, loops=self.address.loops, on_sound=self._sound)
            if self.address.is_file
            else sipped(self._container.demux(self._stream), stop)
        )
        try:
            asked_s = time.monotonic()
            for packet in reads:
                if stop.is_set():
                    return
                waited_s = time.monotonic() - asked_s
                # FFmpeg marks the end of the stream with an empty packet.
                if packet.size:
                    yield packet
                if waited_s > STALL_LIMIT_S and not self.address.is_file:
                    # Its parser gives out one more packet when a read takes too long, and would wait as long again.
                    raise _stalled(self.address)
                asked_s = time.monotonic()
        except (av.FFmpegError, OSError) as exc:
            raise reading_failed(self.address, exc) from exc
        if not stop.is_set():
            raise CameraEnded(camera=self.address.camera, source=self.address.shown)

    def frames(self) -> Iterator[SourceFrame]:
        """None: such a stream brings packets only."""
        return iter(())

    def close(self) -> None:
        self._container.close()


def open_source(address: SourceAddress, feed: SoundFeed | None = None) -> Source:
    """Connect and learn the format; a file's sound goes to `feed`. Raises the CameraError that says why not and what to
    do."""
    try:
        container = _open(address)
    except (av.FFmpegError, OSError) as exc:
        raise _opening_failed(address, exc) from exc
    try:
        stream = next(iter(container.streams.video), None)
        if stream is None:
            raise StreamUnsupported(camera=address.camera, source=address.shown, remedy="it sends no video")
        sound = _file_sound(container, feed, address.camera) if feed is not None and address.is_file else None
        return Source(address, container, stream, _codec_of(address, stream), sound)
    except CameraError:
        container.close()
        raise


def _file_sound(container: InputContainer, feed: SoundFeed, camera: str) -> FileSound | None:
    # With it comes numpy, which is half of a camera process's start and of no use to a silent one.
    from agent.media.file_sound import FileSound

    return FileSound.of(container, feed, camera=camera)


def open_for_sound(address: SourceAddress) -> InputContainer:
    """A session with an RTSP camera in which it is asked for sound alone. Raises as `open_source`."""
    try:
        return _connect(address, _RTSP | {"allowed_media_types": "audio"})
    except (av.FFmpegError, OSError) as exc:
        raise _opening_failed(address, exc) from exc


def shape_of(address: SourceAddress, data: bytes, before: StreamFormat) -> Shape:
    """The shape that an IDR's own parameter sets tell; its packets keep the rate and the ticks of `before`.

    data: an Annex B access unit. Raises StreamUnsupported when it tells none.
    """
    try:
        with av.open(io.BytesIO(data), format=before.codec.value) as container:
            return _shape(container.streams.video[0], before.codec, before.time_base, before.frame_duration)
    except (av.FFmpegError, IndexError) as exc:
        remedy = "its new parameters cannot be read"
        raise StreamUnsupported(camera=address.camera, source=address.shown, remedy=remedy) from exc


def _shape(stream: VideoStream, codec: Codec, time_base: Fraction, frame_duration: int) -> Shape:
    context = stream.codec_context
    extradata = bytes(context.extradata or b"")
    # A container that is never written to holds the copy; the muxer reads nothing but a stream's parameters.
    copy = av.open(io.BytesIO(), "w", format="mp4").add_stream_from_template(stream)
    return Shape(StreamFormat(codec, context.width, context.height, extradata, time_base, frame_duration), copy)


def _open(address: SourceAddress) -> InputContainer:
    if address.is_file:
        return av.open(address.url.removeprefix("file:"))
    if address.url.startswith("v4l2:"):
        # Cameras that encode by themselves offer this format; raw pictures are not recorded (architecture, decision 1).
        return av.open(address.url.removeprefix("v4l2:"), format="v4l2", options={"input_format": "h264"})
    if address.is_network:
        return _connect(address, _RTSP)
    remedy = "write rtsp://…, v4l2:/dev/video0, picamera:0 or file:street.mp4"
    raise CameraUnreachable(camera=address.camera, source=address.shown, remedy=remedy)


def _connect(address: SourceAddress, options: dict[str, str]) -> InputContainer:
    return av.open(_with_credentials(address), options=options, timeout=(OPEN_LIMIT_S, STALL_LIMIT_S))


def _with_credentials(address: SourceAddress) -> str:
    if not address.username:
        return address.url
    parts = urlsplit(address.url)
    host = parts.netloc.rpartition("@")[2]
    login = f"{quote(address.username, safe='')}:{quote(address.password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{login}@{host}"))


def _codec_of(address: SourceAddress, stream: VideoStream) -> Codec:
    try:
        return Codec(stream.codec_context.name)
    except ValueError as exc:
        remedy = "set the camera to H.264 or H.265"
        name = stream.codec_context.name
        raise StreamUnsupported(camera=address.camera, source=address.shown, codec=name, remedy=remedy) from exc


def _opening_failed(address: SourceAddress, exc: Exception) -> CameraError:
    facts = {"camera": address.camera, "source": address.shown}
    if isinstance(exc, av.HTTPUnauthorizedError | av.HTTPForbiddenError):
        remedy = "correct username and password_file of this camera"
        return CameraRefused(remedy=remedy, **facts)
    if isinstance(exc, PermissionError):
        return CameraRefused(remedy="let the agent's user open it (group video for V4L2)", **facts)
    if isinstance(exc, FileNotFoundError):
        missing = address.is_file or address.url.startswith("v4l2:")
        remedy = "there is no such file or device" if missing else "the camera has no stream of this path"
        return CameraUnreachable(remedy=remedy, **facts)
    if isinstance(exc, av.HTTPNotFoundError):
        return CameraUnreachable(remedy="the camera has no stream of this path; correct its url", **facts)
    if isinstance(exc, av.InvalidDataError | av.ExitError) and address.is_network:
        # Also what FFmpeg makes of a camera that takes the call and says nothing until the time is over.
        remedy = "something answers, but not as an RTSP camera; check address and port, and restart the camera"
        return CameraUnreachable(remedy=remedy, **facts)
    if isinstance(exc, av.InvalidDataError):
        return StreamUnsupported(remedy="it is no video that can be read", **facts)
    problem = getattr(exc, "strerror", None) or str(exc)
    return CameraUnreachable(remedy="check its power, cable and address", problem=problem, **facts)


def _stalled(address: SourceAddress) -> CameraStalled:
    remedy = "it sent nothing for a while; restart the camera if this repeats"
    return CameraStalled(camera=address.camera, source=address.shown, remedy=remedy)


def reading_failed(address: SourceAddress, exc: Exception) -> CameraError:
    """What FFmpeg's refusal to read on means."""
    facts = {"camera": address.camera, "source": address.shown}
    # PyAV ends a read that took too long with FFmpeg's "exit requested".
    if isinstance(exc, av.ExitError | TimeoutError):
        return _stalled(address)
    return CameraUnreachable(problem=getattr(exc, "strerror", None) or str(exc), **facts)


def read_password(path: str, *, camera: str = "") -> str:
    """The first line of a secret file. Raises CameraRefused when it cannot be read."""
    if not path:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8").split("\n", 1)[0].strip()
    except OSError as exc:
        remedy = "the password file cannot be read; create it or correct the path"
        raise CameraRefused(camera=camera, file=path, problem=exc.strerror, remedy=remedy) from exc
    except UnicodeDecodeError as exc:
        remedy = "the password file is not UTF-8 text; write it anew"
        raise CameraRefused(camera=camera, file=path, remedy=remedy) from exc
