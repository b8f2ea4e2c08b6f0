"""Clips as files: native bytes, true time, clean in FFmpeg."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.errors import ClipDamaged, ClipRefused, DiskError
from agent.recording.clipfile import verify_clip
from agent.recording.cut import ClipPlan, RecordedSegment, plan_clip
from agent.recording.exporter import export_clip, read_segment
from agent.recording.segment import scan
from agent.units import NS_PER_MS, NS_PER_S, WallSpan
from tests.clip.footage import START_NS, Film, Settings, Where, encode, record

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


def span(start_s: float, end_s: float) -> WallSpan:
    return WallSpan(START_NS + round(start_s * NS_PER_S), START_NS + round(end_s * NS_PER_S))


def ring(data_dir: Path, film: Film) -> list[RecordedSegment]:
    """Two segments of one run, then 5 s without footage, then a third in a new run."""
    third = len(film.gops()) // 3
    return [
        record(data_dir, film, gops=slice(0, third)),
        record(data_dir, film, gops=slice(third, 2 * third), where=Where(n=1)),
        record(data_dir, film, gops=slice(2 * third, None), where=Where(run=2), start_ns=START_NS + 5 * NS_PER_S),
    ]


def media_data(path: Path, fragments: Sequence[tuple[int, int]]) -> bytes:
    data = path.read_bytes()
    return b"".join(data[start:end] for start, end in fragments)


def payload(path: Path) -> bytes:
    """All media data of a file in order."""
    data = path.read_bytes()
    found = scan(lambda at, size: data[at : at + size], len(data))
    return media_data(path, [(each.payload_offset, each.offset + each.size_bytes) for each in found.fragments])


def planned_payload(plan: ClipPlan, data_dir: Path, file: int = 0) -> bytes:
    """What the plan takes from the segments."""
    return b"".join(
        media_data(
            data_dir / piece.path, [(each.payload_offset, each.offset + each.size_bytes) for each in piece.fragments]
        )
        for piece in plan.files[file].pieces
    )


def decode_errors(path: Path) -> str:
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", path, "-f", "null", "-"], capture_output=True, text=True, check=False
    )
    return done.stderr + done.stdout


def frame_times(path: Path) -> list[float]:
    done = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "frame=pts_time", "-of", "csv=p=0", path],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [float(line.strip(",")) for line in done.stdout.split()]


@needs_ffmpeg
@pytest.mark.parametrize("kind", ["film", "film_with_b_frames", "hevc_film"])
def test_a_clip_over_segments_and_a_gap_is_native_true_and_clean(
    kind: str, data_dir: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    film: Film = request.getfixturevalue(kind)
    segments = ring(data_dir, film)
    held = [each.scan.span for each in segments]
    assert held[0] and held[1] and held[2]
    asked = WallSpan(START_NS + NS_PER_S // 2, held[2].end_ns)
    plan = plan_clip("c01", segments, asked)
    (made,) = export_clip(plan, data_dir, tmp_path / "clip.mp4")

    assert made.sha256 == hashlib.sha256(made.path.read_bytes()).hexdigest()
    assert payload(made.path) == planned_payload(plan, data_dir)
    facts = verify_clip(made.path, made.sha256)
    assert facts.frames == made.frames == len(film.packets)
    assert facts.start_wall_ns == START_NS and abs(facts.end_wall_ns - held[2].end_ns) <= NS_PER_MS
    assert [gap.start_ns for gap, _ in facts.gaps] == [held[1].end_ns]
    assert decode_errors(made.path) == ""
    times = frame_times(made.path)
    assert len(times) == len(film.packets)
    jump = max(range(1, len(times)), key=lambda index: times[index] - times[index - 1])
    gap_s = (held[2].start_ns - held[1].end_ns) / NS_PER_S
    assert times[jump] - times[jump - 1] == pytest.approx(gap_s + 0.04, abs=0.002)
    assert times[-1] - times[0] + 0.04 == pytest.approx(facts.duration_s, abs=0.002)


def test_every_fragment_of_a_clip_still_carries_its_wall_time(film: Film, data_dir: Path, tmp_path: Path) -> None:
    segments = ring(data_dir, film)
    (made,) = export_clip(plan_clip("c01", segments, span(2.5, 17)), data_dir, tmp_path / "clip.mp4")
    data = made.path.read_bytes()
    found = scan(lambda at, size: data[at : at + size], len(data))
    source = {each.start_wall_ns for segment in segments for each in segment.scan.fragments}
    assert {each.start_wall_ns for each in found.fragments} <= source


def test_changed_codec_parameters_give_two_files_that_both_verify(film: Film, data_dir: Path, tmp_path: Path) -> None:
    larger = encode(Settings(seconds=2, width=480, height=272))
    segments = [
        record(data_dir, film, gops=slice(0, 3)),
        record(data_dir, larger, where=Where(run=2), start_ns=START_NS + 3 * NS_PER_S),
    ]
    made = export_clip(plan_clip("c01", segments, span(0, 5)), data_dir, tmp_path / "clip.mp4")
    assert [each.path.name for each in made] == ["clip.mp4", "clip-2.mp4"]
    assert [verify_clip(each.path, each.sha256).width for each in made] == [320, 480]
    assert sorted(path.name for path in tmp_path.glob("*.mp4*")) == ["clip-2.mp4", "clip.mp4"]


def test_progress_counts_up_to_the_whole(film: Film, data_dir: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    export_clip(
        plan_clip("c01", ring(data_dir, film), span(0, 20)),
        data_dir,
        tmp_path / "clip.mp4",
        lambda done, total: told.append((done, total)),
    )
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == told[-1][1]


def test_nothing_recorded_is_refused_and_leaves_no_file(data_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ClipRefused) as caught:
        export_clip(plan_clip("c01", [], span(0, 5)), data_dir, tmp_path / "clip.mp4")
    assert caught.value.facts["reason"] == "nothing_recorded"
    assert list(tmp_path.iterdir()) == []


def test_footage_that_vanished_or_shrank_after_the_plan_is_refused(film: Film, data_dir: Path, tmp_path: Path) -> None:
    segments = ring(data_dir, film)
    plan = plan_clip("c01", segments, span(0, 17))
    source = data_dir / segments[1].name.path()
    whole = source.read_bytes()
    source.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ClipRefused) as caught:
        export_clip(plan, data_dir, tmp_path / "clip.mp4")
    assert caught.value.facts["reason"] == "footage_changed"
    source.unlink()
    with pytest.raises(ClipRefused) as caught:
        export_clip(plan, data_dir, tmp_path / "clip.mp4")
    assert caught.value.facts["reason"] == "footage_vanished"
    assert read_segment(data_dir, segments[1].name) is None
    assert list(tmp_path.glob("clip*")) == []


def test_a_folder_that_cannot_be_written_is_a_disk_error(film: Film, data_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(DiskError):
        export_clip(plan_clip("c01", ring(data_dir, film), span(0, 5)), data_dir, tmp_path / "none" / "clip.mp4")


def test_a_segment_that_is_still_being_written_gives_what_is_on_disk(
    film: Film, data_dir: Path, tmp_path: Path
) -> None:
    segment = record(data_dir, film)
    path = data_dir / segment.name.path()
    path.write_bytes(path.read_bytes()[: segment.scan.fragments[5].payload_offset + 10])
    growing = read_segment(data_dir, segment.name)
    assert growing is not None and not growing.scan.is_whole
    plan = plan_clip("c01", [growing], span(2, 10))
    assert [gap.span for gap in plan.gaps] == [span(5, 10)]
    (made,) = export_clip(plan, data_dir, tmp_path / "clip.mp4")
    assert verify_clip(made.path).duration_s == 3


@pytest.fixture
def clip(film: Film, data_dir: Path, tmp_path: Path) -> Path:
    (made,) = export_clip(plan_clip("c01", ring(data_dir, film), span(0.5, 16)), data_dir, tmp_path / "clip.mp4")
    return made.path


def test_another_hash_is_refused(clip: Path) -> None:
    with pytest.raises(ClipDamaged):
        verify_clip(clip, "0" * 64)


def _replace(data: bytes, old: bytes, new: bytes) -> bytes:
    assert data.count(old) >= 1 and len(old) == len(new)
    return data.replace(old, new, 1)


def _second_moof_renumbered(data: bytes) -> bytes:
    at = data.index(b"mfhd", data.index(b"mfhd") + 4) + 8
    return data[:at] + (7).to_bytes(4, "big") + data[at + 4 :]


def _last_fragment_dropped(data: bytes) -> bytes:
    found = scan(lambda at, size: data[at : at + size], len(data))
    return data[: found.fragments[-1].offset]


def _first_frame_turned_into_a_p_frame(data: bytes) -> bytes:
    # 0x65 is an IDR slice with nal_ref_idc 3, 0x41 a P slice: the box still says sync.
    found = scan(lambda at, size: data[at : at + size], len(data))
    at = data.index(b"\x65\x88", found.fragments[0].payload_offset)
    return data[:at] + b"\x41" + data[at + 1 :]


def _one_tick_of_lying(data: bytes) -> bytes:
    at = data.rindex(b"tfdt") + 8
    later = int.from_bytes(data[at : at + 8], "big") + 9_000
    return data[:at] + later.to_bytes(8, "big") + data[at + 8 :]


@pytest.mark.parametrize(
    "forge",
    [
        lambda data: data[:-1],
        lambda data: data + b"\x00\x00\x00\x09free",
        lambda data: _replace(data, b'"pauses":[[', b'"pausez":[['),
        lambda data: _replace(data, b"sidx", b"free"),
        lambda data: _replace(data, b"mehd", b"free"),
        lambda data: _replace(data, b"cause_unknown", b"cause_unknowN").replace(b'"gaps":[[1', b'"gaps":[[2', 1),
        _second_moof_renumbered,
        _last_fragment_dropped,
        _first_frame_turned_into_a_p_frame,
        _one_tick_of_lying,
    ],
    ids=["cut", "tail", "comment", "no sidx", "no mehd", "gap moved", "sequence", "fragment lost", "no IDR", "time"],
)
def test_a_forged_or_damaged_clip_does_not_verify(clip: Path, forge: object) -> None:
    assert callable(forge)
    verify_clip(clip)
    clip.write_bytes(forge(clip.read_bytes()))
    with pytest.raises(ClipDamaged):
        verify_clip(clip)


def test_a_run_that_waited_for_its_next_frame_verifies_with_its_wait_stated(
    film: Film, data_dir: Path, tmp_path: Path
) -> None:
    segments = [
        record(data_dir, film, gops=slice(0, 3)),
        record(data_dir, film, gops=slice(3, 6), where=Where(n=1), start_ns=START_NS + 3 * NS_PER_S),
    ]
    for asked, ends_s in ((span(1, 4.5), 3), (span(1, 9), 9)):
        plan = plan_clip("c01", segments, asked)
        assert not plan.is_partial
        (made,) = export_clip(plan, data_dir, tmp_path / "clip.mp4")
        assert verify_clip(made.path, made.sha256).duration_s == ends_s - 1


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_mutation_of_a_clips_boxes_makes_verifying_fail_otherwise(clip: Path, data: st.DataObject) -> None:
    whole = clip.read_bytes()
    broken = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, 2200))
        value = data.draw(st.binary(min_size=1, max_size=8))
        broken[at : at + len(value)] = value
    mutant = clip.with_name("mutant.mp4")
    mutant.write_bytes(broken)
    try:
        verify_clip(mutant)
    except ClipDamaged:
        return
