"""A contact sheet: which pictures it shows, that it fits a thin line, and that every gap has its place."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from agent.cli.footage import app
from agent.errors import VideoError
from agent.media.idr import first_picture
from agent.notices import SegmentOpened
from agent.recording import index
from agent.recording.cut import ClipGap, ClipPlan
from agent.recording.gaps import GapReason
from agent.recording.records import AgentStarted, Configured
from agent.recording.ringclip import plan_from_ring
from agent.recording.sheet import MAX_SHEET_BYTES, MOST_GAPS, SheetGap, SheetStill, plan_sheet
from agent.recording.stillfile import read_still
from agent.store import transaction
from agent.units import NS_PER_MS, WallSpan
from agent.vision.sheet import Tile, encode_sheet
from tests.clip.footage import START_NS, Settings, Where, encode, record
from tests.recording.ring import Ring, S


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


@pytest.fixture
def ring_with_hole(ring: Ring) -> Ring:
    """Four seconds, four without, four more."""
    ring.index(ring.record(), ring.record(8, Where(run=2)))
    service = Configured(cameras=("c01",), timezone="Asia/Bangkok", org="o", site="s", node="n")
    ring.note(AgentStarted(boot_id="b"), service, at_s=-1)
    return ring


def plan(ring: Ring, start_s: float, end_s: float) -> ClipPlan:
    asked = WallSpan(START_NS + int(start_s * S), START_NS + int(end_s * S))
    return plan_from_ring(ring.conn, ring.data_dir, "c01", asked, START_NS + 100 * S)


def test_a_segment_whose_head_is_just_being_written_is_no_fault_of_the_disk(ring: Ring) -> None:
    whole, begun = ring.record(), ring.record(4, Where(n=1))
    ring.index(whole)
    opened = SegmentOpened("c01", str(begun.name.path()), 1, 1, 1, begun.name.opened_wall_ms * NS_PER_MS)
    with transaction(ring.conn):
        index.opened(ring.conn, opened)
    with ring.path(begun).open("r+b") as file:
        file.truncate(28)
    found = plan(ring, 0, 4.5)
    assert found.files
    assert GapReason.DISK_ERROR not in {gap.reason for gap in found.gaps}


def test_every_idr_is_shown_where_there_is_room_and_the_gap_in_its_place(ring_with_hole: Ring) -> None:
    tiles = plan_sheet(plan(ring_with_hole, 0, 12), 24)
    assert [(tile.wall_ns - START_NS) // S if isinstance(tile, SheetStill) else "gap" for tile in tiles] == [
        0, 1, 2, 3, "gap", 8, 9, 10, 11,
    ]  # fmt: skip


@pytest.mark.parametrize(("most", "seconds"), [(1, [8]), (2, [0, 11]), (3, [0, 8, 11]), (4, [0, 2, 9, 11])])
def test_fewer_pictures_are_spread_over_what_was_recorded(ring_with_hole: Ring, most: int, seconds: list[int]) -> None:
    tiles = plan_sheet(plan(ring_with_hole, 0, 12), most)
    assert [(tile.wall_ns - START_NS) // S for tile in tiles if isinstance(tile, SheetStill)] == seconds


@given(st.lists(st.integers(1, 10**6), max_size=60))
def test_no_gap_is_left_out_however_many_there_are(lengths: list[int]) -> None:
    gaps: list[ClipGap] = []
    at_ns = 0
    for length in lengths:
        gaps.append(ClipGap(WallSpan(at_ns, at_ns + length), "agent_down"))
        at_ns += length + 5
    tiles = plan_sheet(ClipPlan("c01", WallSpan(0, at_ns + 1), (), (), tuple(gaps)), 24)
    told = [tile for tile in tiles if isinstance(tile, SheetGap)]
    assert len(told) <= MOST_GAPS
    assert sum(1 + tile.more for tile in told) == len(gaps)
    assert all(any(tile.span.start_ns <= gap.span.start_ns < tile.span.end_ns for tile in told) for gap in gaps)


@pytest.mark.parametrize("settings", [Settings(seconds=2), Settings(seconds=2, codec="libx265")])
def test_a_still_is_the_picture_of_its_moment(ring: Ring, settings: Settings) -> None:
    film = encode(settings)
    ring.index(record(ring.data_dir, film))
    still = plan_sheet(plan(ring, 0, 2), 24)[1]
    assert isinstance(still, SheetStill)
    mp4 = read_still(ring.data_dir, still)
    assert mp4 is not None
    assert len(mp4) < 0.75 * (ring.data_dir / still.path).stat().st_size
    picture = first_picture(mp4)
    assert (picture.width, picture.height) == (settings.width, settings.height)


def test_a_segment_that_is_gone_or_changed_gives_no_picture_and_no_crash(ring_with_hole: Ring) -> None:
    still = plan_sheet(plan(ring_with_hole, 0, 3), 24)[0]
    assert isinstance(still, SheetStill)
    path = ring_with_hole.data_dir / still.path
    path.unlink()
    assert read_still(ring_with_hole.data_dir, still) is None


@given(st.binary(max_size=400))
def test_bytes_that_are_no_picture_are_refused(mp4: bytes) -> None:
    with pytest.raises(VideoError):
        first_picture(mp4)


def test_the_command_writes_a_sheet_that_fits_and_says_what_is_missing(ring_with_hole: Ring, tmp_path: Path) -> None:
    out = tmp_path / "sheet.jpg"
    times = ("--from", "2026-11-22T21:03:00+07:00", "--to", "2026-11-22T21:03:12+07:00")
    result = run("sheet", "--data", ring_with_hole.data_dir, "--camera", "c01", *times, "--out", out, "--json")
    assert result.exit_code == 3, result.output
    told = json.loads(result.output)
    assert (told["stills"], [gap["seconds"] for gap in told["gaps"]]) == (8, [4])
    assert told["bytes"] == out.stat().st_size <= MAX_SHEET_BYTES
    sheet = cv2.imread(str(out))
    assert sheet is not None
    # Nine places in rows of four.
    assert sheet.shape[1] > 4 * 300
    custody = run("custody", "--data", ring_with_hole.data_dir)
    assert "looked" in custody.output


@pytest.mark.parametrize("shape", [(720, 1280), (1280, 720), (64, 96)])
@pytest.mark.parametrize("count", [1, 5, 48])
def test_a_sheet_fits_even_of_pure_noise(shape: tuple[int, int], count: int) -> None:
    noise = np.frombuffer(os.urandom(shape[0] * shape[1] * 3), np.uint8).reshape(*shape, 3)
    tiles = [Tile("14:03:00.0", picture=noise), *[Tile("x", picture=noise[:, ::-1])] * (count - 1)]
    jpeg = encode_sheet("c01  2026-11-22 14:03:00", "กล้อง", tiles, max_bytes=MAX_SHEET_BYTES)
    assert len(jpeg) <= MAX_SHEET_BYTES
    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) is not None
