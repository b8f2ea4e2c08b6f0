"""Whatever a camera does to its stamps and GOPs, every access unit is on disk once, in segments that stand alone."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.media.capture import CapturedPacket
from agent.media.timeline import Timeline
from agent.recording.clipfile import verify_clip
from agent.recording.cut import plan_clip
from agent.recording.exporter import export_clip, read_segment
from agent.recording.segment import SegmentName
from agent.units import WallSpan
from tests.recorder.playback import Playback, Ring
from tests.rigs.films import FilmSettings, make_film, packets_of


@pytest.fixture(scope="module", params=["libx264", "libx265"])
def film(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 s with two B-frames and an IDR each second."""
    wanted = FilmSettings(codec=request.param, seconds=3, gop=25, b_frames=2)
    return make_film(tmp_path_factory.mktemp("film"), wanted)


def spoilt(playback: Playback, faults: dict[int, str], *, wraps_at: int, bits: int) -> Iterator[CapturedPacket]:
    """The film as a capture gives it, from stamps that were spoilt on the way; its counter wraps at that frame."""
    form = playback.session.shape.format
    timeline, wrap = Timeline("c01", form.time_base, form.frame_duration), 1 << bits
    shift = wrap - wraps_at * form.frame_duration
    for at, packet in enumerate(playback.packets()):
        fault = faults.get(at, "")
        # Eight slips at most, and even in a row they stay within the half second that is no leap.
        shift += round({"pause": 3.0, "slip": -0.06}.get(fault, 0.0) / form.time_base)
        stamp = timeline.stamp(
            None if fault in ("no pts", "neither") else (packet.pts + shift) % wrap,
            None if fault in ("no dts", "neither") else (packet.dts + shift) % wrap,
        )
        yield CapturedPacket(packet.packet, stamp.pts, stamp.dts, stamp.media_ns, packet.is_idr)


@given(
    st.dictionaries(st.integers(1, 74), st.sampled_from(["no pts", "no dts", "neither", "pause", "slip"]), max_size=8),
    st.integers(0, 74),
    st.sampled_from([32, 33]),
)
@settings(max_examples=20)
def test_stamps_that_miss_slip_pause_or_wrap_cost_no_access_unit(
    film: Path, faults: dict[int, str], wraps_at: int, bits: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ring, playback = Ring(Path(folder), segment_s=1), Playback(film)
        ring.recorder.begin(playback.session)
        for packet in spoilt(playback, faults, wraps_at=wraps_at, bits=bits):
            ring.recorder.take(packet)
        ring.recorder.end()
        ring.write()
        assert [unit for closed in ring.closes for unit in packets_of(Path(folder) / closed.path)] == packets_of(film)
        assert ring.recorder.counts.lost == 0
        for found in ring.scans():
            assert found.is_whole
            assert found.fragments[0].starts_at_idr


@pytest.mark.parametrize(("codec", "option"), [("libx264", "x264-params"), ("libx265", "x265-params")])
def test_open_gops_are_cut_only_where_decoding_may_begin(tmp_path: Path, codec: str, option: str) -> None:
    film = open_gops(tmp_path, codec, option)
    ring = Ring(tmp_path / "data", segment_s=1)
    playback = Playback(film)
    taken = list(playback.packets())
    # FFmpeg calls the I picture of an open GOP a key frame as well.
    assert sum(each.packet.is_keyframe for each in taken) > 1
    ring.recorder.begin(playback.session)
    for each in taken:
        ring.recorder.take(each)
    ring.recorder.end()
    ring.write()
    assert [unit for closed in ring.closes for unit in packets_of(ring.data_dir / closed.path)] == packets_of(film)
    begins = [each.media_ns for each in taken if each.is_idr]
    assert len(ring.closes) == len(begins)
    names = [SegmentName.parse(PurePosixPath(closed.path)) for closed in ring.closes]
    found = [read_segment(ring.data_dir, name) for name in names if name is not None]
    span = WallSpan(ring.closes[0].start_wall_ns, ring.closes[-1].end_wall_ns)
    plan = plan_clip("c01", [each for each in found if each is not None], span)
    (made,) = export_clip(plan, ring.data_dir, tmp_path / "clip.mp4")
    assert verify_clip(made.path, made.sha256).frames == len(taken)
    tool = shutil.which("ffmpeg")
    for closed in ring.closes if tool else ():
        argv = [tool or "", "-v", "error", "-i", str(ring.data_dir / closed.path), "-f", "null", "-"]
        assert subprocess.run(argv, capture_output=True, check=True).stderr == b""


def open_gops(folder: Path, codec: str, option: str) -> Path:
    """Four seconds with an I picture each second that later B-frames reach over."""
    path = folder / "open.mp4"
    parameters = "keyint=25:min-keyint=25:scenecut=0:bframes=2:b-adapt=0:open-gop=1:log-level=none"
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no {codec}")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"preset": "ultrafast", option: parameters})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for number in range(100):
            picture = av.VideoFrame(320, 180, "yuv420p")
            for plane in picture.planes:
                plane.update(bytes([40 + number]) * plane.buffer_size)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path
