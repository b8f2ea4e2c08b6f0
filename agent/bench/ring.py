"""Rings of months for the measurements: one segment by the real muxer, then as many of its form as are asked for.

Each copy has its own name, comment and times, as if it had been recorded. Its pictures are a small grey one, so that
the headers of a whole ring fit into memory: some 40 kB a segment, of which half are headers.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.bench.films import FRAMES_PER_S, Say, make_film
from agent.errors import BenchError
from agent.media.muxer import SegmentSettings, SegmentWriter
from agent.media.packet import Codec
from agent.recording.fragment import ntp_of
from agent.recording.naming import SegmentComment, SegmentName
from agent.recording.segment import SegmentScan, scan
from agent.recording.summary import SUMMARY_BYTES, SegmentSummary, read_summary, summarise
from agent.units import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

SEGMENT_S: Final = 60
# 2026-11-01T00:00:00Z.
START_WALL_NS: Final = 1_793_491_200 * NS_PER_S
# All numbers of a comment keep their count of digits over a ring of months, so that every copy has the same layout.
_FIRST_N: Final = 100_000
_START_MONO_NS: Final = 1_000_000 * NS_PER_S
# Of `prft`: box header, version and flags, track (ISO/IEC 14496-12, 8.16.5).
_NTP_AT: Final = 16
# Younger files might still be written to, for all that recovery knows.
_AGE_S: Final = 3600
_TELL_EVERY: Final = 20_000
# Noise, because FFmpeg lays a fragment of frames that are all of one size out otherwise than any camera's.
_GREY: Final = f"color=gray:size=16x16:rate={FRAMES_PER_S},noise=alls=40:allf=t"


@dataclass(frozen=True, slots=True)
class Place:
    """One segment of a ring."""

    name: SegmentName
    start_wall_ns: int
    start_mono_ns: int

    def comment(self) -> SegmentComment:
        return SegmentComment(
            camera=self.name.camera,
            boot=self.name.boot,
            boot_id="b6c1d1f2-0000-4000-8000-000000000001",
            run=self.name.run,
            n=self.name.n,
            start_wall_ns=self.start_wall_ns,
            start_mono_ns=self.start_mono_ns,
            clock_quality="synced",
            clock_error_s=0.01,
        )


@dataclass(frozen=True, slots=True)
class Template:
    """A segment's bytes, and where its copies differ: the comment, and each fragment's wall time."""

    data: bytes
    place: Place
    found: SegmentScan
    summary: SegmentSummary

    def copy(self, place: Place, *, is_closed: bool = True) -> bytes:
        """The same pictures, recorded elsewhere at another time; not closed: without the last box, as if its writer had
        died. Raises BenchError where its layout would change."""
        was, now = (each.comment().encode().encode() for each in (self.place, place))
        if len(was) != len(now) or self.data.count(was) != 1:
            raise BenchError(problem="a copy's comment has another length", comment=now.decode())
        data = bytearray(self.data.replace(was, now))
        for fragment in self.found.fragments:
            moved_ns = fragment.start_wall_ns - self.place.start_wall_ns + place.start_wall_ns
            struct.pack_into(">Q", data, fragment.offset + _NTP_AT, ntp_of(moved_ns))
        del data[-SUMMARY_BYTES:]
        moved_ns = place.start_wall_ns - self.place.start_wall_ns
        summary = replace(
            self.summary,
            start_wall_ns=self.summary.start_wall_ns + moved_ns,
            end_wall_ns=self.summary.end_wall_ns + moved_ns,
            start_mono_ns=place.start_mono_ns,
            init_crc32=zlib.crc32(data[: self.summary.init_bytes]),
        )
        return bytes(data) + (summary.encode() if is_closed else b"")


def places(cameras: int, segments: int) -> Iterator[Place]:
    """`segments` of one minute in all, the cameras side by side, each camera's in one run of one boot."""
    for number in range(segments):
        minute, camera = divmod(number, cameras)
        since_ns = minute * SEGMENT_S * NS_PER_S
        start_ns = START_WALL_NS + since_ns
        name = SegmentName(f"c{camera + 1:02d}", 1, 1, _FIRST_N + minute, start_ns // NS_PER_MS)
        yield Place(name, start_ns, _START_MONO_NS + since_ns)


def make_template(folder: Path) -> Template:
    """Record a minute with the recorder's own muxer. Raises BenchError without ffmpeg."""
    film = folder / "grey.mp4"
    make_film(film, _GREY, ("-g", str(2 * FRAMES_PER_S), "-crf", "45"), seconds=SEGMENT_S)
    place = next(places(1, 1))
    path = folder / "template.mp4"
    record(film, path, place)
    data = path.read_bytes()

    def read_at(at: int, size: int) -> bytes:
        return data[at : at + size]

    summary = read_summary(read_at, len(data))
    if summary is None:
        raise BenchError(problem="the recorder's own segment has no summary")
    return Template(data, place, scan(read_at, len(data)), summary)


def record(film: Path, path: Path, place: Place) -> None:
    """A minute of `film`, played again and again, as the recorder would write it."""
    import av

    with av.open(str(film)) as source:
        stream = source.streams.video[0]
        tick = stream.time_base or Fraction(1, FRAMES_PER_S)
        settings = SegmentSettings(
            path=path,
            codec=Codec.H264,
            epoch_ticks=round(Fraction(place.start_wall_ns, NS_PER_S) / tick),
            time_base=tick,
            durability_s=1.0,
            comment=place.comment().encode(),
            summarise=summarise,
        )
        writer = SegmentWriter(settings, stream)
        length = round(1 / tick / FRAMES_PER_S)
        for number, packet in enumerate(_played(source, SEGMENT_S * FRAMES_PER_S)):
            packet.duration = length
            writer.write(packet, number * length, number * length)
        writer.close()


def fill(data_dir: Path, template: Template, ring: Sequence[Place], say: Say, *, is_closed: bool = True) -> int:
    """Write every segment of `ring` and return their bytes. Raises BenchError when the disk refuses."""
    size_bytes, folders = 0, set[Path]()
    try:
        for number, place in enumerate(ring, 1):
            path = data_dir / place.name.path()
            if path.parent not in folders:
                path.parent.mkdir(parents=True, exist_ok=True)
                folders.add(path.parent)
            data = template.copy(place, is_closed=is_closed)
            path.write_bytes(data)
            old_s = path.stat().st_mtime - _AGE_S
            os.utime(path, (old_s, old_s))
            size_bytes += len(data)
            if number % _TELL_EVERY == 0:
                say(f"{number} of {len(ring)} segments written")
    except OSError as exc:
        raise BenchError(problem=str(exc), remedy="give --folder a place with room, or fewer --segments") from exc
    return size_bytes


def _played(source: InputContainer, frames: int) -> Iterator[Packet[VideoStream]]:
    """Packets in order, from the start again when the film is over."""
    count = 0
    while True:
        for packet in source.demux(video=0):
            if packet.size:
                if count == frames:
                    return
                count += 1
                yield packet
        source.seek(0)
