"""Sound as it will stand in the file: AAC is passed on, G.711 decoded and encoded anew.

A codec context has one owner, the thread that reads the sound, and one thread of its own.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import av
import numpy as np
from av.audio.frame import AudioFrame

from agent.errors import SoundUnsupported
from agent.media.g711 import ALAW, MULAW, Samples, decode
from agent.media.sound import SoundFormat, SoundOrigin
from agent.media.sound_shape import SoundShape
from agent.units import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from av.audio.codeccontext import AudioCodecContext
    from av.audio.stream import AudioStream

# ISO/IEC 14496-3, 4.5.2.1.1: what AAC LC codes at once, and HE-AAC at its core's rate.
_FRAME_SAMPLES: Final = 1024
# Of ISO/IEC 14496-3, table 1.18; G.711 comes at 8 kHz and from some cameras at 16 kHz.
_RATES_HZ: Final = frozenset({8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000})
_MAX_CHANNELS: Final = 2
# G.711 at 8 kHz holds no more than 3.4 kHz of voice, for which 32 kbit/s is plenty; half of what it came with.
_BITS_PER_SAMPLE: Final = 4
# Lips and voice may part by 40 ms (issue 4). Stamps jitter by less than half of that; what leaps further is a hole.
_HOLE_NS: Final = 20 * NS_PER_MS
_TABLES: Final = {SoundOrigin.PCM_MULAW: MULAW, SoundOrigin.PCM_ALAW: ALAW}


@dataclass(frozen=True, slots=True)
class Coded:
    """A packet of AAC, and when it is heard on its source's line."""

    data: bytes
    at_ns: int
    duration_ns: int


class SoundCoder:
    """Made for one stream. Raises SoundUnsupported for what no segment can hold."""

    def __init__(self, stream: AudioStream, *, camera: str) -> None:
        self.shape = _shape_of(stream, camera)
        table = _TABLES.get(self.shape.format.origin)
        self._encoder = None if table is None else _Encoder(self.shape.format, table)
        self._packet_ns = self.shape.format.packet_samples * NS_PER_S // self.shape.format.rate_hz
        self._next_ns = 0

    def take(self, data: bytes, at_ns: int | None) -> Iterator[Coded]:
        """What one packet of the stream becomes; one without a stamp follows the last. Raises FFmpegError for a packet
        that cannot be coded, which costs that packet."""
        at_ns = self._next_ns if at_ns is None else at_ns
        if self._encoder is not None:
            yield from self._encoder.take(data, at_ns)
            self._next_ns = self._encoder.next_ns
        elif data:
            self._next_ns = at_ns + self._packet_ns
            yield Coded(data, at_ns, self._packet_ns)

    @property
    def next_ns(self) -> int:
        """When the next packet is due; 0 before the first."""
        return self._next_ns

    def end(self) -> Iterator[Coded]:
        """What it still holds, at the end of a line of time; the next packet is the first of another."""
        if self._encoder is not None:
            yield from self._encoder.end()


class _Encoder:
    """G.711 to AAC. Samples are numbered from the last hole on, so that small jitter of the stamps is no noise."""

    def __init__(self, form: SoundFormat, table: Samples) -> None:
        self._form = form
        self._table = table
        self._codec = _encoder_of(form)
        self._rest: Samples = np.empty(0, np.float32)
        # When the first sample since the last hole was heard; how many came since, and how many were encoded.
        self._origin_ns = self._taken = self._given = 0

    @property
    def next_ns(self) -> int:
        """When the next sample is due."""
        return self._ns(self._taken)

    def take(self, data: bytes, at_ns: int) -> Iterator[Coded]:
        if self._taken and abs(at_ns - self.next_ns) > _HOLE_NS:
            yield from self.end()
        if not self._taken:
            self._origin_ns = at_ns
        channels = self._form.channels
        samples = decode(self._table, data[: len(data) // channels * channels])
        self._taken += len(samples) // channels
        self._rest = np.concatenate((self._rest, samples))
        size = _FRAME_SAMPLES * channels
        while len(self._rest) >= size:
            samples, self._rest = self._rest[:size], self._rest[size:]
            yield from self._encode(samples)

    def end(self) -> Iterator[Coded]:
        """What the encoder still holds; the next sample is the first for a new one. The last frame is filled with
        silence, which reaches into the hole that follows."""
        size = _FRAME_SAMPLES * self._form.channels
        if len(self._rest):
            yield from self._encode(np.pad(self._rest, (0, size - len(self._rest))))
        if self._given:
            yield from self._packets(None)
        self._codec = _encoder_of(self._form)
        self._rest = np.empty(0, np.float32)
        self._origin_ns = self._taken = self._given = 0

    def _encode(self, samples: Samples) -> Iterator[Coded]:
        channels = self._form.channels
        planes = np.ascontiguousarray(samples.reshape(-1, channels).T)
        frame = AudioFrame.from_ndarray(planes, format="fltp", layout=_layout(channels))
        frame.sample_rate, frame.time_base = self._form.rate_hz, Fraction(1, self._form.rate_hz)
        frame.pts = self._given
        self._given += _FRAME_SAMPLES
        yield from self._packets(frame)

    def _packets(self, frame: AudioFrame | None) -> Iterator[Coded]:
        # The first packet is the encoder's run-up: its stamp lies a frame before the first sample, and so it is heard.
        for packet in self._codec.encode(frame):
            yield Coded(bytes(packet), self._ns(packet.pts or 0), _FRAME_SAMPLES * NS_PER_S // self._form.rate_hz)

    def _ns(self, samples: int) -> int:
        return self._origin_ns + samples * NS_PER_S // self._form.rate_hz


def _shape_of(stream: AudioStream, camera: str) -> SoundShape:
    context = stream.codec_context
    try:
        origin = SoundOrigin(context.name.removesuffix("_latm"))
    except ValueError as exc:
        remedy = "set its sound to AAC or G.711, or take `audio` out"
        raise SoundUnsupported(camera=camera, codec=context.name, remedy=remedy) from exc
    rate_hz, channels = context.sample_rate, context.layout.nb_channels
    if rate_hz not in _RATES_HZ or not 0 < channels <= _MAX_CHANNELS:
        remedy = "set its sound to one or two channels of 8 kHz to 48 kHz"
        raise SoundUnsupported(camera=camera, codec=context.name, rate_hz=rate_hz, channels=channels, remedy=remedy)
    # A container that is never written to holds the template; the muxer reads nothing but a stream's parameters.
    holder = av.open(io.BytesIO(), "w", format="mp4")
    if origin is SoundOrigin.AAC:
        config = bytes(context.extradata or b"")
        if not config:
            raise SoundUnsupported(camera=camera, codec=context.name, remedy="it does not say how its sound is coded")
        return SoundShape(
            SoundFormat(origin, rate_hz, channels, config, context.frame_size or _FRAME_SAMPLES),
            holder.add_stream_from_template(stream),
        )
    template = holder.add_stream("aac", rate=rate_hz)
    _settle(template.codec_context, rate_hz, channels)
    # Which is when the encoder says what its packets need to be understood.
    holder.start_encoding()
    config = bytes(template.codec_context.extradata or b"")
    return SoundShape(SoundFormat(origin, rate_hz, channels, config, _FRAME_SAMPLES), template)


def _encoder_of(form: SoundFormat) -> AudioCodecContext:
    codec = av.CodecContext.create("aac", "w")
    codec.sample_rate, codec.time_base = form.rate_hz, Fraction(1, form.rate_hz)
    _settle(codec, form.rate_hz, form.channels)
    return codec


def _settle(codec: AudioCodecContext, rate_hz: int, channels: int) -> None:
    codec.format = av.AudioFormat("fltp")
    codec.layout = av.AudioLayout(_layout(channels))
    codec.bit_rate = _BITS_PER_SAMPLE * rate_hz * channels
    codec.thread_count = 1


def _layout(channels: int) -> str:
    return "mono" if channels == 1 else "stereo"
