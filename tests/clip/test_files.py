"""Clips in several files, and what their heads tell a player: each file whole for itself, nothing hidden."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import av
import pytest

from agent.recording.boxes import children, read_header, require
from agent.recording.clipfile import verify_clip
from agent.recording.cliphead import clip_head, place
from agent.recording.cut import ClipFile, RecordedSegment, plan_clip
from agent.recording.exporter import export_clip
from agent.units import NS_PER_S, WallSpan
from tests.clip.footage import START_NS, TICKS, Film, Settings, Where, encode, record

SIDX_HEAD = struct.Struct(">IIQQHH")


def span(start_s: float, end_s: float) -> WallSpan:
    return WallSpan(START_NS + round(start_s * NS_PER_S), START_NS + round(end_s * NS_PER_S))


def there_and_back(data_dir: Path, film: Film) -> list[RecordedSegment]:
    """A camera whose parameters change, that is away for 2 s, and changes back."""
    other = encode(Settings(seconds=2, width=160, height=120))
    return [
        record(data_dir, film, gops=slice(0, 3)),
        record(data_dir, other, where=Where(run=2), start_ns=START_NS + 3 * NS_PER_S),
        record(data_dir, film, gops=slice(0, 2), where=Where(run=3), start_ns=START_NS + 7 * NS_PER_S),
    ]


def test_each_change_of_parameters_begins_a_file_and_a_change_back_as_well(
    film: Film, data_dir: Path, tmp_path: Path
) -> None:
    plan = plan_clip("c01", there_and_back(data_dir, film), span(0.5, 8.5))
    made = export_clip(plan, data_dir, tmp_path / "clip.mp4")
    assert [each.path.name for each in made] == ["clip.mp4", "clip-2.mp4", "clip-3.mp4"]
    assert plan.is_partial
    facts = [verify_clip(each.path, each.sha256) for each in made]
    assert [(each.width, each.frames) for each in facts] == [(320, 75), (160, 50), (320, 50)]
    # The gap stands in every file, though it lies between two of them: whoever has one of them knows.
    assert {each.gaps for each in facts} == {((span(5, 7), "cause_unknown"),)}
    assert [each.pauses for each in facts] == [(), (), ()]
    assert [round(each.duration_s, 3) for each in facts] == [3, 2, 2]


@pytest.mark.parametrize("kind", ["film", "film_with_b_frames", "hevc_film"])
def test_the_pre_roll_is_shown_and_stated_not_hidden_by_an_edit_list(
    kind: str, data_dir: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    film: Film = request.getfixturevalue(kind)
    segment = record(data_dir, film)
    (made,) = export_clip(plan_clip("c01", [segment], span(2.9, 4.0)), data_dir, tmp_path / "clip.mp4")
    data = made.path.read_bytes()
    assert b"edts" not in data[: data.index(b"moof")]
    facts = verify_clip(made.path)
    assert facts.start_wall_ns < facts.asked.start_ns
    with av.open(str(made.path)) as container:
        shown = sum(1 for _ in container.decode(video=0))
    assert shown == facts.frames == made.frames


def test_hours_without_footage_begin_another_file(film: Film, data_dir: Path, tmp_path: Path) -> None:
    segments = [
        record(data_dir, film, gops=slice(0, 1)),
        record(data_dir, film, gops=slice(0, 1), where=Where(run=2), start_ns=START_NS + 14 * 3600 * NS_PER_S),
    ]
    plan = plan_clip("c01", segments, span(0, 14 * 3600 + 1))
    made = export_clip(plan, data_dir, tmp_path / "clip.mp4")
    assert [verify_clip(each.path, each.sha256).frames for each in made] == [25, 25]
    assert len(plan.gaps) == 1


def test_the_length_of_six_hours_of_pause_is_still_told_in_one_file(film: Film, data_dir: Path, tmp_path: Path) -> None:
    segments = [
        record(data_dir, film, gops=slice(0, 1)),
        record(data_dir, film, gops=slice(0, 1), where=Where(run=2), start_ns=START_NS + 6 * 3600 * NS_PER_S),
    ]
    (made,) = export_clip(plan_clip("c01", segments, span(0, 6 * 3600 + 1)), data_dir, tmp_path / "clip.mp4")
    assert verify_clip(made.path).duration_s == pytest.approx(6 * 3600 + 1, abs=0.05)


@pytest.mark.parametrize("hours", [18, 25])
def test_the_index_of_a_day_of_one_second_gops_covers_all_of_it(film: Film, data_dir: Path, hours: int) -> None:
    (file,) = plan_clip("c01", [record(data_dir, film, gops=slice(0, 1))], span(0, 1)).files
    count = hours * 3600
    (first,) = file.pieces[0].fragments
    fragments = tuple(
        replace(
            first,
            start_wall_ns=START_NS + at * NS_PER_S,
            decode_time=at * TICKS,
            duration=TICKS,
            duration_ns=NS_PER_S,
        )
        for at in range(count)
    )
    long = replace(file.pieces[0], fragments=fragments, span=span(0, count))
    day = ClipFile(file.init, file.movie, (long,), span(0, count), (), 0)
    head = clip_head(day, place(day), b"{}")
    moov = read_header(head, read_header(head, 0).end)
    mvex = require(children(head, moov.body, moov.end), b"mvex")
    mehd = require(children(head, mvex.body, mvex.end), b"mehd")
    mvhd = require(children(head, moov.body, moov.end), b"mvhd")
    timescale = struct.unpack_from(">I", head, mvhd.body + 12)[0]
    assert struct.unpack_from(">Q", head, mehd.body + 4)[0] == count * timescale
    sidx = read_header(head, moov.end)
    assert sidx.end == len(head)
    references = SIDX_HEAD.unpack_from(head, sidx.body + 4)[-1]
    assert references <= 0xFFFF
    rows = [struct.unpack_from(">III", head, sidx.body + 4 + SIDX_HEAD.size + 12 * at) for at in range(references)]
    assert sum(size for size, _, _ in rows) == sum(each.size_bytes for each in fragments)
    assert sum(ticks for _, ticks, _ in rows) == count * TICKS
