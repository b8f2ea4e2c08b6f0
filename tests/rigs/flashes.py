"""Films that flash and beep at the same moment each second, and how far the two are apart in what was made of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

# A flash lasts two frames and a beep as long; the first comes after 0.52 s, which is a frame.
_FPS = 25
_FLASH_S = 0.08
_FIRST_S = 0.52
_LOUD = 0.15
_BRIGHT = 110


@dataclass(frozen=True, slots=True)
class FlashSettings:
    """`codec` of the sound: aac, pcm_mulaw or pcm_alaw. It is missing outside of [late_s, stops_s) and in `pause_s`."""

    name: str = "flashes.mov"
    codec: str = "aac"
    rate_hz: int = 48_000
    channels: int = 1
    seconds: float = 12
    late_s: float = 0.0
    stops_s: float = 1e9
    pause_s: tuple[float, float] = (0.0, 0.0)
    b_frames: int = 0
    gop: int = _FPS
    video: str = "libx264"


def make_flashes(folder: Path, wanted: FlashSettings) -> Path:
    path = folder / wanted.name
    if wanted.video not in av.codecs_available:
        pytest.skip(f"this PyAV has no {wanted.video}")
    with av.open(str(path), "w") as container:
        parameters = f"keyint={wanted.gop}:min-keyint={wanted.gop}:scenecut=0:bframes={wanted.b_frames}:b-adapt=0"
        is_hevc = wanted.video == "libx265"
        options = {"preset": "ultrafast", "x265-params" if is_hevc else "x264-params": parameters + ":log-level=none"}
        video = container.add_stream(wanted.video, rate=_FPS, options=options)
        video.width, video.height, video.pix_fmt = 160, 96, "yuv420p"
        sound = container.add_stream(wanted.codec, rate=wanted.rate_hz)
        sound.layout = "mono" if wanted.channels == 1 else "stereo"
        coded = [*_pictures(video, wanted), *_sounds(sound, wanted)]
        for packet in sorted(coded, key=lambda each: each.dts * each.time_base):
            container.mux(packet)
    return path


def _pictures(stream: av.VideoStream, wanted: FlashSettings) -> Iterator[av.Packet[av.VideoStream]]:
    for number in range(int(wanted.seconds * _FPS)):
        bright = 235 if _is_on(number / _FPS) else 16 + number % 7
        frame = VideoFrame.from_ndarray(np.full((96, 160), bright, np.uint8), format="gray").reformat(format="yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, _FPS)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _sounds(stream: av.AudioStream, wanted: FlashSettings) -> Iterator[av.Packet[av.AudioStream]]:
    rate, size = wanted.rate_hz, 1024 if wanted.codec == "aac" else wanted.rate_hz // 25
    at_s = np.arange(int(wanted.seconds * rate)) / rate
    wave = np.where(_is_on(at_s), 0.6 * np.sin(2 * np.pi * 1_000 * at_s), 0.0)
    for start in range(0, len(wave) - size, size):
        if wanted.codec == "aac":
            planes = np.tile(wave[start : start + size].astype(np.float32), (wanted.channels, 1))
            frame = AudioFrame.from_ndarray(planes, format="fltp", layout=stream.layout.name)
        else:
            samples = np.repeat((wave[start : start + size] * 32_000).astype(np.int16), wanted.channels)[None, :]
            frame = AudioFrame.from_ndarray(samples, format="s16", layout=stream.layout.name)
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        yield from (each for each in stream.encode(frame) if _is_kept(each, wanted))
    yield from (each for each in stream.encode(None) if _is_kept(each, wanted))


def _is_on(at_s: float | np.ndarray) -> np.ndarray:
    return (np.asarray(at_s) + 1e-6 - _FIRST_S) % 1.0 < _FLASH_S


def _is_kept(packet: av.Packet[av.AudioStream], wanted: FlashSettings) -> bool:
    at_s = float((packet.pts or 0) * packet.time_base)
    return wanted.late_s <= at_s < wanted.stops_s and not wanted.pause_s[0] <= at_s < wanted.pause_s[1]


@dataclass(frozen=True, slots=True)
class Sync:
    """`offsets_ms`: how much later each beep is heard than its flash is seen. Times in s, of the file's own line."""

    flashes_s: tuple[float, ...]
    beeps_s: tuple[float, ...]
    offsets_ms: tuple[float, ...]

    @property
    def worst_ms(self) -> float:
        return max((abs(each) for each in self.offsets_ms), default=0.0)


def measure(path: Path) -> Sync:
    """Decodes a film, a segment or a clip."""
    flashes, beeps = _onsets(_brightness(path)), _onsets(_loudness(path))
    nearest = [min(beeps, key=lambda beep: abs(beep - flash), default=None) for flash in flashes]
    pairs = [(beep - flash) * 1000 for flash, beep in zip(flashes, nearest, strict=True) if beep is not None]
    return Sync(tuple(flashes), tuple(beeps), tuple(round(each, 2) for each in pairs if abs(each) < 500))


def _onsets(levels: Iterator[tuple[float, bool]]) -> list[float]:
    """When it became on after it was off for a while; one that is on from the start has no onset."""
    onsets: list[float] = []
    last_on_s: float | None = None
    for at_s, is_on in levels:
        if last_on_s is None:
            # Whatever is on at the very beginning began before it.
            last_on_s = at_s
        if is_on:
            if at_s - last_on_s > 0.3:
                onsets.append(at_s)
            last_on_s = at_s
    return onsets


def _brightness(path: Path) -> Iterator[tuple[float, bool]]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield float((frame.pts or 0) * frame.time_base), float(frame.to_ndarray(format="gray").mean()) > _BRIGHT


def _loudness(path: Path) -> Iterator[tuple[float, bool]]:
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return
        for frame in container.decode(audio=0):
            samples = np.abs(frame.to_ndarray())
            if frame.format.name.startswith("s16"):
                samples = samples / 32_768
            begin_s = float((frame.pts or 0) * frame.time_base)
            row = samples[0, :: 1 if frame.format.is_planar else frame.layout.nb_channels]
            yield begin_s, False
            for at in np.flatnonzero(row > _LOUD):
                yield begin_s + float(at) / frame.sample_rate, True
