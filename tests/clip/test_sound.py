"""Sound beside the pictures: it may start late, stop early, and is copied along."""

from __future__ import annotations

import io
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.packet import Packet

from agent.recording.clipfile import verify_clip
from agent.recording.cut import plan_clip
from agent.recording.exporter import export_clip, read_segment
from agent.recording.segment import SegmentName
from agent.units import NS_PER_MS, NS_PER_S, WallSpan
from tests.clip.footage import MUXER, START_NS, TICKS, Film

RATE = 48_000


def sound(seconds: int) -> tuple[bytes, list[tuple[bytes, int]]]:
    """A container to copy the stream from, and AAC packets with their first sample."""
    kept = io.BytesIO()
    with av.open(kept, "w", format="mp4") as out:
        stream = out.add_stream("aac", rate=RATE)
        for number in range(seconds * RATE // 1024):
            wave = np.sin(np.arange(1024) * 0.05).astype(np.float32)[None, :]
            frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = RATE, number * 1024
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with av.open(io.BytesIO(kept.getvalue()), "r", options={"ignore_editlist": "1"}) as container:
        packets = [(bytes(each), each.dts or 0) for each in container.demux(audio=0) if each.size]
    return kept.getvalue(), packets


def record_with_sound(data_dir: Path, film: Film, *, late_s: float, stops_s: float) -> SegmentName:
    """A segment whose sound begins `late_s` after the first picture and stops at `stops_s`."""
    name = SegmentName("c01", 1, 1, 0, START_NS // NS_PER_MS)
    path = data_dir / name.path()
    path.parent.mkdir(parents=True)
    container, heard = sound(int(stops_s))
    timed = [(each.dts / TICKS, each.data, each.pts, each.dts, each.is_key, True) for each in film.packets]
    for data, at in heard:
        when = late_s + at / RATE
        if when < stops_s:
            timed.append((when, data, round(when * RATE), round(when * RATE), True, False))
    with (
        av.open(io.BytesIO(film.container)) as seen,
        av.open(io.BytesIO(container)) as source,
        path.open("wb") as file,
        av.open(file, "w", format="mp4", options=MUXER, buffer_size=1 << 20) as out,
    ):
        video = out.add_stream_from_template(seen.streams.video[0])
        audio = out.add_stream_from_template(source.streams.audio[0])
        for _, data, pts, dts, is_key, is_video in sorted(timed, key=lambda each: each[0]):
            packet = Packet(data)
            rate = TICKS if is_video else RATE
            packet.stream, packet.time_base = (video if is_video else audio), Fraction(1, rate)
            base = START_NS * rate // NS_PER_S
            packet.pts, packet.dts, packet.is_keyframe = base + pts, base + dts, is_key
            packet.duration = TICKS // 25 if is_video else 1024
            out.mux(packet)
    return name


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")
@pytest.mark.parametrize(("late_s", "stops_s"), [(0.0, 12.0), (2.3, 12.0), (0.0, 5.0)])
def test_sound_that_starts_late_or_stops_travels_with_the_pictures_it_was_written_beside(
    late_s: float, stops_s: float, film_with_b_frames: Film, data_dir: Path, tmp_path: Path
) -> None:
    segment = read_segment(data_dir, record_with_sound(data_dir, film_with_b_frames, late_s=late_s, stops_s=stops_s))
    assert segment is not None and segment.scan.is_whole
    assert segment.scan.frames == len(film_with_b_frames.packets)
    plan = plan_clip("c01", [segment], WallSpan(START_NS + 4 * NS_PER_S, START_NS + 9 * NS_PER_S))
    (made,) = export_clip(plan, data_dir, tmp_path / "clip.mp4")
    facts = verify_clip(made.path, made.sha256)
    pre_roll_s = (facts.start_wall_ns - START_NS) / NS_PER_S
    assert pre_roll_s == pytest.approx(3.84)

    first: dict[str, float] = {}
    done = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", "packet=codec_type,dts_time", "-of", "csv=p=0", made.path],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    for line in done.stdout.split():
        kind, time = line.split(",")[:2]
        first.setdefault(kind, float(time))
    assert done.stderr == ""
    # The clip begins at 3.84 s: with sound from its first fragment on.
    assert first["video"] == 0 and 0 <= first["audio"] < 0.1
