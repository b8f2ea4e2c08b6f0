"""Segments made in the test, with the recorder's own muxer settings."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.packet import Packet

from agent.recording.cut import RecordedSegment
from agent.recording.exporter import read_segment
from agent.recording.segment import SegmentComment, SegmentName
from agent.units import NS_PER_MS, NS_PER_S

TICKS = 90_000
# 2026-11-22T14:03:00Z
START_NS = 1_795_356_180 * NS_PER_S
MUXER = {
    "movflags": "frag_keyframe+empty_moov+default_base_moof",
    "frag_duration": "1000000",
    "write_prft": "pts",
    "avoid_negative_ts": "disabled",
    "max_interleave_delta": "100000",
}


@dataclass(frozen=True, slots=True)
class Coded:
    """One access unit; times in ticks since the encoder started."""

    data: bytes
    pts: int
    dts: int
    is_key: bool


@dataclass(frozen=True, slots=True)
class Film:
    """An encoded scene, ready to be muxed as often as a test likes."""

    container: bytes
    packets: tuple[Coded, ...]

    def gops(self) -> list[tuple[Coded, ...]]:
        starts = [index for index, packet in enumerate(self.packets) if packet.is_key]
        return [self.packets[a:b] for a, b in zip(starts, [*starts[1:], len(self.packets)], strict=True)]


@dataclass(frozen=True, slots=True)
class Settings:
    seconds: float = 8
    fps: int = 25
    gop: int = 25
    b_frames: int = 0
    width: int = 320
    height: int = 240
    codec: str = "libx264"
    extra: str = ""


def encode(settings: Settings) -> Film:
    """A moving gradient, closed GOPs, as a camera would send it."""
    parameters = (
        f"keyint={settings.gop}:min-keyint={settings.gop}:scenecut=0:bframes={settings.b_frames}:b-adapt=0"
        f":open-gop=0:log-level=none{settings.extra}"
    )
    key = "x265-params" if settings.codec == "libx265" else "x264-params"
    ramp = np.add.outer(np.arange(settings.height), np.arange(settings.width))
    kept = io.BytesIO()
    with av.open(kept, "w", format="mp4", options={"video_track_timescale": str(TICKS)}) as out:
        stream = out.add_stream(settings.codec, rate=settings.fps, options={"preset": "ultrafast", key: parameters})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = settings.width, settings.height, "yuv420p"
        for number in range(int(settings.seconds * settings.fps)):
            frame = av.VideoFrame.from_ndarray(((ramp + 3 * number) % 256).astype(np.uint8), format="gray")
            frame.pts = number
            out.mux(stream.encode(frame.reformat(format="yuv420p")))
        out.mux(stream.encode(None))
    with av.open(io.BytesIO(kept.getvalue()), "r", options={"ignore_editlist": "1"}) as film:
        assert film.streams.video[0].time_base == Fraction(1, TICKS)
        coded = [
            Coded(bytes(packet), packet.pts or 0, packet.dts or 0, packet.is_keyframe)
            for packet in film.demux(video=0)
            if packet.size
        ]
    # Without its edit list the film begins at its reorder delay; the first picture is what time counts from.
    first = coded[0].pts
    return Film(kept.getvalue(), tuple(replace(each, pts=each.pts - first, dts=each.dts - first) for each in coded))


def mux(path: Path, film: Film, packets: tuple[Coded, ...], *, start_ns: int, comment: str) -> None:
    """Write packets as one segment; `start_ns` is the wall time of pts 0."""
    path.parent.mkdir(parents=True, exist_ok=True)
    base = start_ns * TICKS // NS_PER_S
    with (
        av.open(io.BytesIO(film.container)) as source,
        path.open("wb") as file,
        av.open(file, "w", format="mp4", options=MUXER, buffer_size=1 << 20) as out,
    ):
        stream = out.add_stream_from_template(source.streams.video[0])
        stream.time_base = Fraction(1, TICKS)
        if stream.codec_context.name == "hevc":
            stream.codec_context.codec_tag = "hvc1"
        out.metadata["comment"] = comment
        for coded in packets:
            packet = Packet(coded.data)
            packet.stream, packet.time_base = stream, Fraction(1, TICKS)
            packet.pts, packet.dts, packet.is_keyframe = base + coded.pts, base + coded.dts, coded.is_key
            packet.duration = TICKS // 25
            out.mux(packet)


@dataclass(frozen=True, slots=True)
class Where:
    boot: int = 1
    run: int = 1
    n: int = 0
    camera: str = "c01"


def record(
    data_dir: Path,
    film: Film,
    *,
    where: Where = Where(),
    start_ns: int = START_NS,
    gops: slice = slice(None),
    wrong_by_ns: int = 0,
) -> RecordedSegment:
    """One segment of `film`'s GOPs under its real name; pts 0 of the film is at `start_ns`.

    Monotonic time is 0 at START_NS. `wrong_by_ns`: by so much the wall clock was wrong, and unsynchronised.
    """
    packets = tuple(packet for gop in film.gops()[gops] for packet in gop)
    first_ns = start_ns + packets[0].pts * NS_PER_S // TICKS
    name = SegmentName(where.camera, where.boot, where.run, where.n, first_ns // NS_PER_MS)
    comment = SegmentComment(
        camera=where.camera,
        boot=where.boot,
        boot_id="b6c1d1f2-0000-4000-8000-000000000001",
        run=where.run,
        n=where.n,
        start_wall_ns=first_ns,
        start_mono_ns=first_ns - wrong_by_ns - START_NS,
        clock_quality="unsynced" if wrong_by_ns else "synced",
        clock_error_s=None if wrong_by_ns else 0.01,
    )
    mux(data_dir / name.path(), film, packets, start_ns=start_ns, comment=comment.encode())
    segment = read_segment(data_dir, name)
    assert segment is not None
    return segment
