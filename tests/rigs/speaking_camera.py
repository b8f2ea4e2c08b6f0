"""An RTSP camera with a microphone, on loopback, of which a test says what it does to its sound.

Every session plays the same film live: pictures from the next IDR on, sound from now on, by one clock of the camera's
own. It speaks RTP over its RTSP connection (RFC 2326, 10.12), H.264 in single units (RFC 6184, 5.6), AAC as
mpeg4-generic (RFC 3640, 3.3.6), G.711 as it is (RFC 3551, 4.5.14).
"""

from __future__ import annotations

import base64
import contextlib
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import av

from agent.media.gop import extradata_sets, length_bytes_of
from agent.media.packet import Codec

_NTP_EPOCH_S = 2_208_988_800
_VIDEO_HZ = 90_000
_PAYLOAD = {"aac": 97, "pcm_mulaw": 0, "pcm_alaw": 8}
_MAP = {"pcm_mulaw": "PCMU", "pcm_alaw": "PCMA"}
# As long as this a session that nobody reads from any more may stand.
_SEND_LIMIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Habits:
    """`reports_s`: how long after a session's start RTCP reports begin, None for none. Pictures leave
    `picture_delay_s` after they were taken, sound `sound_delay_s` after its end. `silences`: spans without sound;
    `leaps`: at this second the sound's RTP stamps leap by so much; both count from when sound was first asked for.
    `clock_off_s`: how wrong the camera's clock is. `has_sound`: whether it describes any."""

    reports_s: float | None = 0.0
    picture_delay_s: float = 0.12
    sound_delay_s: float = 0.03
    silences: tuple[tuple[float, float], ...] = ()
    leaps: tuple[tuple[float, float], ...] = ()
    clock_off_s: float = 3 * 3600.0
    has_sound: bool = True


@dataclass(frozen=True, slots=True)
class _Unit:
    """One packet of the film; `at_s` since its beginning, `due_s` later it is ready to be sent."""

    is_video: bool
    at_s: float
    ready_s: float
    payloads: tuple[bytes, ...]
    is_key: bool = False


@dataclass(slots=True)
class _Sender:
    """One track of one session."""

    channel: int
    payload_type: int
    rate_hz: int
    ssrc: int = field(default_factory=lambda: random.getrandbits(32))
    base: int = field(default_factory=lambda: random.getrandbits(32))
    sequence: int = field(default_factory=lambda: random.getrandbits(16))
    packets: int = 0
    reported_s: float = -1e9


class SpeakingCamera:
    """A context. Plays `film` (flashes.make_flashes) once, from the moment it is entered; all sessions see the same. A
    camera that comes back has the `port` that it had."""

    def __init__(self, film: Path, habits: Habits = Habits(), *, port: int = 0) -> None:
        self.habits = habits
        self._units, self._sdp, self._rate_hz, self._sound_codec = _read(film)
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = int(self._listener.getsockname()[1])
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._started_s = 0.0
        self._asked_s: float | None = None
        self.sessions: list[tuple[str, ...]] = []

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/cam"

    @property
    def now_s(self) -> float:
        return time.monotonic() - self._started_s

    @property
    def heard_s(self) -> float:
        """For how long sound has been asked for."""
        return 0.0 if self._asked_s is None else self.now_s - self._asked_s

    def __enter__(self) -> Self:
        self._started_s = time.monotonic()
        self._spawn(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _spawn(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, name="speaking-camera")  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        self._listener.settimeout(0.1)
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError, OSError):
                line, _ = self._listener.accept()
                self._spawn(self._serve, line)

    def _serve(self, line: socket.socket) -> None:
        """One connection: requests until PLAY, then packets until it ends. What a client says meanwhile is answered."""
        senders: dict[str, _Sender] = {}
        line.settimeout(0.05)
        with line, contextlib.suppress(OSError):
            for method, url, headers in self._requests(line):
                answer, body = f"CSeq: {headers.get('cseq', '0')}\r\n", b""
                if method == "DESCRIBE":
                    body = self._described()
                    answer += f"Content-Type: application/sdp\r\nContent-Base: {self.url}/\r\n"
                elif method == "SETUP":
                    name = url.rsplit("/", 1)[1]
                    channel = 2 * len(senders)
                    senders[name] = self._sender(name, channel)
                    answer += f"Transport: RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}\r\nSession: 1\r\n"
                elif method == "OPTIONS":
                    answer += "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
                answer += f"Content-Length: {len(body)}\r\n"
                line.sendall(f"RTSP/1.0 200 OK\r\n{answer}\r\n".encode() + body)
                if method == "PLAY":
                    self.sessions.append(tuple(senders))
                    line.settimeout(_SEND_LIMIT_S)
                    self._play(line, senders)
                    return

    def _requests(self, line: socket.socket) -> Iterator[tuple[str, str, dict[str, str]]]:
        data = b""
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                more = line.recv(65_536)
                if not more:
                    return
                data += more
            while b"\r\n\r\n" in data:
                head, _, data = data.partition(b"\r\n\r\n")
                first, *rest = head.decode().split("\r\n")
                pairs = (each.partition(":") for each in rest)
                method, url, _ = first.split(" ", 2)
                yield method, url, {name.strip().lower(): value.strip() for name, _, value in pairs}

    def _described(self) -> bytes:
        parts = self._sdp if self.habits.has_sound else self._sdp[:1]
        return ("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=cam\r\nt=0 0\r\n" + "".join(parts)).encode()

    def _sender(self, name: str, channel: int) -> _Sender:
        if name == "video":
            return _Sender(channel, 96, _VIDEO_HZ)
        return _Sender(channel, _PAYLOAD[self._sound_codec], self._rate_hz)

    def _play(self, line: socket.socket, senders: dict[str, _Sender]) -> None:
        begun_s, has_key = self.now_s, False
        if "sound" in senders and self._asked_s is None:
            self._asked_s = begun_s
        for unit in self._units:
            sender = senders.get("video" if unit.is_video else "sound")
            if sender is None or unit.ready_s + self._delay_s(unit) < begun_s:
                continue
            if unit.is_video and not (has_key or unit.is_key):
                continue
            has_key = has_key or unit.is_video
            if self._stop.wait(max(unit.ready_s + self._delay_s(unit) - self.now_s, 0)):
                return
            asked_s = unit.at_s - (self._asked_s or 0.0)
            if not unit.is_video and any(begin <= asked_s < end for begin, end in self.habits.silences):
                continue
            self._send(line, sender, unit, begun_s)
        self._stop.wait()

    def _delay_s(self, unit: _Unit) -> float:
        return self.habits.picture_delay_s if unit.is_video else self.habits.sound_delay_s

    def _send(self, line: socket.socket, sender: _Sender, unit: _Unit, begun_s: float) -> None:
        asked_s = unit.at_s - (self._asked_s or 0.0)
        leapt_s = 0.0 if unit.is_video else sum(by_s for at_s, by_s in self.habits.leaps if asked_s >= at_s)
        stamp = (sender.base + round((unit.at_s + leapt_s) * sender.rate_hz)) & 0xFFFF_FFFF
        reports_s = self.habits.reports_s
        if reports_s is not None and self.now_s - begun_s >= reports_s and self.now_s - sender.reported_s > 1.0:
            sender.reported_s = self.now_s
            _frame(line, sender.channel + 1, self._report(sender, unit.at_s, stamp))
        for number, payload in enumerate(unit.payloads, 1):
            marker = 0x80 if number == len(unit.payloads) else 0
            head = struct.pack(
                ">BBHII", 0x80, sender.payload_type | marker, sender.sequence & 0xFFFF, stamp, sender.ssrc
            )
            _frame(line, sender.channel, head + payload)
            sender.sequence += 1
            sender.packets += 1

    def _report(self, sender: _Sender, at_s: float, stamp: int) -> bytes:
        """When the unit was taken, by the camera's clock (RFC 3550, 6.4.1)."""
        ntp_s = time.time() - time.monotonic() + self._started_s + at_s + self.habits.clock_off_s + _NTP_EPOCH_S
        seconds, rest = divmod(ntp_s, 1)
        return struct.pack(
            ">BBHIIIIII", 0x80, 200, 6, sender.ssrc, int(seconds), int(rest * 2**32), stamp, sender.packets, 0
        )


def _frame(line: socket.socket, channel: int, data: bytes) -> None:
    line.sendall(struct.pack(">cBH", b"$", channel, len(data)) + data)


def _read(film: Path) -> tuple[list[_Unit], list[str], int, str]:
    """The film's packets in the order they are ready, its SDP and its sound's rate and codec."""
    units: list[_Unit] = []
    with av.open(str(film)) as container:
        video, sound = container.streams.video[0], container.streams.audio[0]
        extra = bytes(video.codec_context.extradata or b"")
        length_bytes = length_bytes_of(Codec.H264, extra)
        for packet in container.demux(video, sound):
            if not packet.size or packet.pts is None or packet.dts is None:
                continue
            at_s = float(packet.pts * packet.time_base)
            lasts_s = float((packet.duration or 0) * packet.time_base)
            data = bytes(packet)
            if packet.stream_index == video.index:
                ready_s = float(packet.dts * packet.time_base)
                units.append(_Unit(True, at_s, ready_s, tuple(_split(data, length_bytes)), bool(packet.is_keyframe)))
            else:
                if sound.codec_context.name == "aac":
                    data = struct.pack(">HH", 16, len(data) << 3) + data
                units.append(_Unit(False, at_s, at_s + lasts_s, (data,)))
        sets = ",".join(base64.b64encode(each).decode() for each in extradata_sets(Codec.H264, extra))
        codec, rate_hz = sound.codec_context.name, sound.codec_context.sample_rate
        channels = sound.codec_context.layout.nb_channels
        config = bytes(sound.codec_context.extradata or b"").hex()
    spoken = f"{_MAP.get(codec, 'mpeg4-generic')}/{rate_hz}/{channels}"
    number = _PAYLOAD[codec]
    coded = (
        f"a=fmtp:{number} streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;"
        f"indexdeltalength=3;config={config}\r\n"
    )
    sdp = [
        f"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/{_VIDEO_HZ}\r\n"
        f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets}\r\na=control:video\r\n",
        f"m=audio 0 RTP/AVP {number}\r\na=rtpmap:{number} {spoken}\r\n{coded if codec == 'aac' else ''}"
        "a=control:sound\r\n",
    ]
    return sorted(units, key=lambda unit: unit.ready_s), sdp, rate_hz, codec


def _split(data: bytes, length_bytes: int) -> Iterator[bytes]:
    at = 0
    while at + length_bytes <= len(data):
        size = int.from_bytes(data[at : at + length_bytes], "big")
        yield data[at + length_bytes : at + length_bytes + size]
        at += length_bytes + size
