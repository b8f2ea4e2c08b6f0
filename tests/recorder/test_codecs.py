"""What cameras do to their streams in the middle of a run, on disk and in clips: another size, a leap of time."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import av
import pytest

from agent.errors import CameraEnded, CameraError
from agent.media.capture import Capture, CapturedPacket
from agent.media.source import SourceAddress
from agent.recording.clipfile import verify_clip
from agent.recording.cut import RecordedSegment, plan_clip
from agent.recording.exporter import export_clip, read_segment
from agent.recording.segment import SegmentName
from agent.units import WallSpan
from tests.broker import wait_until
from tests.media.test_runs import FRAME_NS, Impatient, leaping
from tests.recorder.playback import Ring
from tests.rigs.films import FilmSettings, make_film, packets_of
from tests.rigs.hearing import Hearing
from tests.rigs.rtsp import RtspCamera

SIZES = [(320, 180), (640, 360)]


class Passing:
    """A ring's recorder, for which time passes with each picture."""

    def __init__(self, ring: Ring) -> None:
        self._ring, self._recorder = ring, ring.recorder
        self.begin, self.change = ring.recorder.begin, ring.recorder.change

    def take(self, captured: CapturedPacket) -> None:
        self._ring.clock.past_ns += FRAME_NS
        self._recorder.take(captured)

    def end(self, failure: CameraError | None = None) -> None:
        self._recorder.end(failure)
        self._ring.write()


def segments(data_dir: Path, paths: list[str]) -> list[RecordedSegment]:
    names = [SegmentName.parse(PurePosixPath(path)) for path in paths]
    found = [read_segment(data_dir, name) for name in names if name is not None]
    return [each for each in found if each is not None]


def sizes_of(path: Path) -> set[tuple[int, int]]:
    """Of the pictures, not of the head that promises them."""
    with av.open(str(path)) as container:
        return {(frame.width, frame.height) for frame in container.decode(video=0)}


@pytest.mark.parametrize(("codec", "ending"), [("libx264", "h264"), ("libx265", "hevc")])
def test_a_camera_set_to_another_size_is_recorded_whole_and_a_clip_of_it_is_a_file_for_each(
    tmp_path: Path, codec: str, ending: str
) -> None:
    parts = [
        make_film(tmp_path, FilmSettings(f"{width}.{ending}", codec, seconds=1, gop=25, width=width, height=height))
        for width, height in SIZES
    ]
    both = tmp_path / f"both.{ending}"
    both.write_bytes(b"".join(part.read_bytes() for part in parts))
    with RtspCamera(both) as camera, Hearing(camera.url, tmp_path / "data", segment_s=60, sound=False) as hearing:
        wait_until(lambda: len(hearing.closes) >= 3, "the camera was not set to another size", limit_s=20.0)
        closes = hearing.closes[:3]
    assert [(closed.run, closed.n, closed.frames) for closed in closes] == [(1, 0, 25), (1, 1, 25), (1, 2, 25)]
    assert [sizes_of(tmp_path / "data" / closed.path) for closed in closes] == [{SIZES[0]}, {SIZES[1]}, {SIZES[0]}]
    assert [a.end_wall_ns for a in closes[:2]] == [b.start_wall_ns for b in closes[1:]]
    assert hearing.outages == []
    span = WallSpan(closes[0].start_wall_ns, closes[2].end_wall_ns)
    plan = plan_clip("c01", segments(tmp_path / "data", [closed.path for closed in closes]), span)
    assert not plan.is_partial
    made = export_clip(plan, tmp_path / "data", tmp_path / "clip.mp4")
    assert [sizes_of(Path(each.path)) for each in made] == [{SIZES[0]}, {SIZES[1]}, {SIZES[0]}]
    assert sum(verify_clip(each.path, each.sha256).frames for each in made) == 75


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_a_leap_of_the_cameras_time_costs_what_lies_before_the_next_idr_and_is_a_gap_of_its_name(
    tmp_path: Path, codec: str
) -> None:
    film = make_film(tmp_path, FilmSettings(codec=codec, gop=25, b_frames=2))
    ring = Ring(tmp_path / "data")
    address = SourceAddress("c01", f"file:{leaping(tmp_path, film, leaps_at={60})}", loops=False)
    with pytest.raises(CameraEnded):
        Capture(address, [Passing(ring)], ring.clock, Impatient()).run_once()
    before, after = ring.closes
    units = packets_of(film)
    assert packets_of(ring.data_dir / before.path) == units[:60]
    assert packets_of(ring.data_dir / after.path) == units[75:]
    assert (before.run, after.run, ring.recorder.counts.lost) == (1, 2, 15)
    told = ring.outages[1]
    assert (told.reason, told.start_wall_ns) == ("camera_stalled", before.end_wall_ns)
    assert told.end_wall_ns == after.start_wall_ns
    # The clip keeps both and states what lies between.
    found = segments(ring.data_dir, [before.path, after.path])
    plan = plan_clip("c01", found, WallSpan(before.start_wall_ns, after.end_wall_ns), [told])
    made = export_clip(plan, ring.data_dir, tmp_path / "clip.mp4")
    assert sum(verify_clip(each.path, each.sha256).frames for each in made) == 85
    assert all(gap.reason == "camera_stalled" for gap in plan.gaps)
