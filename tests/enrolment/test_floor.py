"""The clock's floor: after a boot in 1970 the node knows at least when it lived last."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import ClockQuality, ClockStatus
from agent.enrolment.clock_floor import find_floor_s, newest_segments_s, save_time
from agent.enrolment.floor import WRITTEN_S, floor_s
from agent.enrolment.home import NodeHome
from agent.enrolment.papers import install_grant
from agent.recording.naming import SegmentName
from agent.units import NS_PER_S
from tests.conftest import ROOT
from tests.enrolment.conftest import Node
from tests.enrolment.papers import DAY_S, NOW_S, Organisation

DAY = 86_400


@dataclass
class SetClock:
    """A clock at a moment of the test's choice."""

    wall_s: int

    def wall_ns(self) -> int:
        return self.wall_s * NS_PER_S

    def mono_ns(self) -> int:
        return 0

    def status(self) -> ClockStatus:
        return ClockStatus(ClockQuality.UNSYNCED, None)


def segment(data_dir: Path, wall_s: int, *, modified_s: int | None = None) -> None:
    path = data_dir / SegmentName("c01", 1, 1, 1, wall_s * 1000).path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (0, wall_s if modified_s is None else modified_s))


@pytest.mark.parametrize(
    ("built", "saved", "signed", "segments", "floor"),
    [
        (None, None, None, [], WRITTEN_S),
        (NOW_S, None, None, [], NOW_S),
        (NOW_S, NOW_S + 5, None, [], NOW_S + 5),
        (NOW_S, None, NOW_S + 7, [], NOW_S + 7),
        (None, NOW_S, None, [NOW_S + 9, NOW_S - 9], NOW_S + 9),
        (None, None, None, [NOW_S + 400 * DAY], NOW_S + 400 * DAY),
        # The clock was in 2040 once and was put right: what was named then is not believed.
        (None, NOW_S, None, [NOW_S + 5_000 * DAY, NOW_S + 60], NOW_S + 60),
        (4_102_444_800, 4_102_444_800, 4_102_444_800, [4_102_444_800], WRITTEN_S),
        (-5, 0, -1, [0, -3], WRITTEN_S),
    ],
)
def test_the_floor_is_the_newest_moment_that_is_certain(
    built: int | None, saved: int | None, signed: int | None, segments: list[int], floor: int
) -> None:
    assert floor_s(built_s=built, saved_s=saved, signed_s=signed, segments_s=segments) == floor


moments = st.none() | st.integers(-(2**63), 2**63)


@given(moments, moments, moments, st.lists(st.integers(-(2**63), 2**63)))
def test_the_floor_lies_between_the_writing_of_the_software_and_the_end_of_a_boxs_life(
    built: int | None, saved: int | None, signed: int | None, segments: list[int]
) -> None:
    floor = floor_s(built_s=built, saved_s=saved, signed_s=signed, segments_s=segments)
    assert WRITTEN_S <= floor < WRITTEN_S + 41 * 366 * DAY


def test_it_is_read_from_what_lies_on_the_disks(node: Node, office: Organisation, tmp_path: Path) -> None:
    data_dir, manifest = tmp_path / "data", tmp_path / "manifest.json"
    data_dir.mkdir()
    assert find_floor_s(node.home, data_dir, manifest) == WRITTEN_S
    manifest.write_text('{"built_at": "2026-12-01T00:00:00Z", "files": {}}')
    assert find_floor_s(node.home, data_dir, manifest) == int(datetime(2026, 12, 1, tzinfo=UTC).timestamp())
    install_grant(node.home, office.grant_text(office.grant(node.key.private.public_key(), node.key.node)), NOW_S)
    assert find_floor_s(node.home, data_dir, manifest) == NOW_S
    save_time(data_dir, SetClock(NOW_S + DAY_S))
    assert find_floor_s(node.home, data_dir, manifest) == NOW_S + DAY_S
    segment(data_dir, NOW_S + DAY_S + 60, modified_s=NOW_S + DAY_S + 90)
    assert find_floor_s(node.home, data_dir, manifest) == NOW_S + DAY_S + 90


def test_a_later_time_that_was_a_mistake_is_forgotten(node: Node, tmp_path: Path) -> None:
    save_time(tmp_path, SetClock(NOW_S + 5_000 * DAY))
    segment(tmp_path, NOW_S + 5_000 * DAY)
    assert find_floor_s(node.home, tmp_path, tmp_path) == NOW_S + 5_000 * DAY
    save_time(tmp_path, SetClock(NOW_S))
    segment(tmp_path, NOW_S + 30)
    assert find_floor_s(node.home, tmp_path, tmp_path) == NOW_S + 30


def test_damage_and_strange_names_are_no_floor_and_no_failure(tmp_path: Path) -> None:
    (tmp_path / "clock.json").write_bytes(b"\xff")
    strange = tmp_path / "footage" / "c01" / "2099-01-01"
    strange.mkdir(parents=True)
    (strange / "x.mp4").touch()
    (tmp_path / "footage" / "file").touch()
    assert list(newest_segments_s(tmp_path)) == []
    assert find_floor_s(NodeHome(tmp_path / "nowhere"), tmp_path, tmp_path / "none") == WRITTEN_S


def run_floor(tmp_path: Path, *prefix: str) -> subprocess.CompletedProcess[str]:
    argv = [*prefix, sys.executable, "-m", "agent.enrolment.clock_floor", "--dry-run"]
    argv += ["--home", str(tmp_path / "home"), "--data", str(tmp_path)]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_clock_above_its_floor_is_left_alone(tmp_path: Path) -> None:
    save_time(tmp_path, SetClock(WRITTEN_S + 1))
    done = run_floor(tmp_path)
    assert (done.returncode, "above its floor" in done.stderr + done.stdout) == (0, True)


def test_a_boot_in_1970_is_lifted_to_the_floor(tmp_path: Path) -> None:
    faketime = shutil.which("faketime")
    if faketime is None:
        pytest.skip("faketime is not installed")
    save_time(tmp_path, SetClock(WRITTEN_S + DAY))
    done = run_floor(tmp_path, faketime, "1970-01-01 00:00:20")
    assert (done.returncode, "2026-11-24T00:00:00" in done.stderr + done.stdout) == (0, True)
