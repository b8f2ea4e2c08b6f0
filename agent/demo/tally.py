"""Frames recorded and lost, counted from the files on disk alone: the demo believes no counter of the agent."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from agent.recording.exporter import read_segment
from agent.recording.segment import SegmentName


@dataclass(frozen=True, slots=True)
class FrameTally:
    """`lost`: frames that a run's own time says must be there and are not."""

    recorded: int
    lost: int


def count_frames(data_dir: Path, camera: str) -> FrameTally:
    """The demo's camera sends frames at a constant rate, so a run's length says how many there must be.

    Raises SegmentDamaged when a file does not parse, DiskError.
    """
    frames: dict[tuple[int, int], int] = defaultdict(int)
    spans: dict[tuple[int, int], list[int]] = defaultdict(list)
    frame_ns: list[int] = []
    for path in (data_dir / "footage" / camera).rglob("*.mp4"):
        name = SegmentName.parse(PurePosixPath(path.relative_to(data_dir)))
        segment = None if name is None else read_segment(data_dir, name)
        if name is None or segment is None or segment.scan.span is None:
            continue
        run = (name.boot, name.run)
        frames[run] += segment.scan.frames
        spans[run] += [segment.scan.span.start_ns, segment.scan.span.end_ns]
        frame_ns += [each.duration_ns // each.frames for each in segment.scan.fragments if each.frames]
    recorded = sum(frames.values())
    if not frame_ns:
        return FrameTally(recorded, 0)
    each_ns = sorted(frame_ns)[len(frame_ns) // 2]
    expected = sum(round((max(times) - min(times)) / each_ns) for times in spans.values())
    return FrameTally(recorded, max(expected - recorded, 0))
