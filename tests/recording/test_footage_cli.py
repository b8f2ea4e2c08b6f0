"""`wayside footage` over a real ring: the names of its JSON, its exit codes, and words for people."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent.cli.footage import app
from agent.recording.records import AgentStarted, Configured, OutageTold, ProcessStarted
from agent.recording.recovery import reconcile
from tests.clip.footage import START_NS, Where
from tests.recording.ring import Ring, S

# START_NS in Bangkok.
DAY = "2026-11-22"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def day(ring: Ring) -> Ring:
    """Eight seconds, an outage of twelve, four more seconds; then the agent went on and we ask later."""
    segments = [ring.record(), ring.record(4, Where(n=1)), ring.record(20, Where(run=2))]
    ring.index(*segments)
    ring.note(
        AgentStarted(boot_id="b"),
        Configured(cameras=("c01",), timezone="Asia/Bangkok", org="o", site="s", node="n"),
        ProcessStarted(process="camera", camera="c01", session="one"),
        at_s=-1,
    )
    outage = OutageTold(
        camera="c01",
        boot=1,
        start_wall_ns=START_NS + 8 * S,
        end_wall_ns=START_NS + 20 * S,
        reason="camera_unreachable",
        detail="no route",
    )
    ring.note(outage, at_s=20)
    return ring


def test_a_day_of_a_camera_adds_up_to_86400_seconds(day: Ring) -> None:
    result = run("gaps", "--data", day.data_dir, "--day", DAY, "--json")
    assert result.exit_code == 0, result.output
    (camera,) = json.loads(result.output)["cameras"]
    assert camera.keys() == {"camera", "recorded_s", "gaps"}
    assert camera["recorded_s"] == 12
    assert all(gap.keys() == {"start", "end", "seconds", "reason"} for gap in camera["gaps"])
    assert math.isclose(camera["recorded_s"] + sum(gap["seconds"] for gap in camera["gaps"]), 86_400, abs_tol=1e-6)
    reasons = [(gap["start"], gap["seconds"], gap["reason"]) for gap in camera["gaps"]]
    assert reasons[0][2] == "not_provisioned"
    assert ("2026-11-22T21:03:08.000+07:00", 12.0, "camera_unreachable") in reasons


def test_gaps_for_people_name_the_evidence(day: Ring) -> None:
    result = run("gaps", "--data", day.data_dir, "--day", DAY)
    assert result.exit_code == 0
    assert "no route" in result.output
    assert "21:03:08.000+07:00" in result.output


def test_a_copy_for_old_players_lies_beside_the_clip_and_names_it(day: Ring, tmp_path: Path) -> None:
    times = ("--from", "2026-11-22T14:03:02Z", "--to", "2026-11-22T21:03:06+07:00")
    arguments = ("export", "--data", day.data_dir, "--camera", "c01", *times, "--faststart")
    result = run(*arguments, "--out", tmp_path / "clip.mp4", "--json")
    assert result.exit_code == 0, result.output
    (file,) = json.loads(result.output)["files"]
    assert file["faststart"]["path"] == str(tmp_path / "clip-faststart.mp4")
    assert file["faststart"]["of_sha256"] == file["sha256"] != file["faststart"]["sha256"]
    assert "derivative of " in run(*arguments, "--out", tmp_path / "again.mp4").output
    refused = run("verify", tmp_path / "clip-faststart.mp4")
    assert (refused.exit_code, "derivative" in refused.output) == (1, True)


def test_a_whole_clip_exits_0_and_verifies(day: Ring, tmp_path: Path) -> None:
    out = tmp_path / "clip.mp4"
    times = ("--from", "2026-11-22T14:03:02Z", "--to", "2026-11-22T21:03:06+07:00")
    result = run("export", "--data", day.data_dir, "--camera", "c01", *times, "--out", out, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.output)
    assert (report["partial"], report["gaps"], len(report["files"])) == (False, [], 1)
    verified = run("verify", out, "--sha256", report["files"][0]["sha256"], "--json")
    assert verified.exit_code == 0, verified.output
    assert json.loads(verified.output)["frames"] == 100


def test_a_clip_over_a_gap_exits_3_and_says_what_is_missing(day: Ring, tmp_path: Path) -> None:
    times = ("--from", "2026-11-22T14:03:06Z", "--to", "2026-11-22T14:03:22Z")
    arguments = ("export", "--data", day.data_dir, "--camera", "c01", *times, "--out", tmp_path / "clip.mp4")
    result = run(*arguments)
    assert result.exit_code == 3
    assert "missing: 2026-11-22T21:03:08.000+07:00 to 2026-11-22T21:03:20.000+07:00" in result.output
    assert "the camera did not answer" in result.output
    (gap,) = json.loads(run(*arguments, "--json").output)["gaps"]
    assert (gap["seconds"], gap["reason"]) == (12, "camera_unreachable")


def test_a_clip_of_nothing_exits_1_with_the_reason(day: Ring, tmp_path: Path) -> None:
    times = ("--from", "2026-11-22T14:03:10Z", "--to", "2026-11-22T14:03:12Z")
    result = run("export", "--data", day.data_dir, "--camera", "c01", *times, "--out", tmp_path / "clip.mp4")
    assert result.exit_code == 1
    assert "the camera did not answer" in result.output
    assert not (tmp_path / "clip.mp4").exists()


@pytest.mark.parametrize(
    ("start", "camera", "words"),
    [
        ("2569-11-22T14:03:00+07:00", "c01", "Buddhist year"),
        ("2026-11-22T14:03:00", "c01", "offset"),
        ("2027-11-22T14:03:00Z", "c01", "swapped"),
        ("2026-11-22T14:03:00Z", "c09", "this ring has c01"),
    ],
)
def test_a_request_that_makes_no_sense_exits_2_and_says_what_to_write(
    day: Ring, tmp_path: Path, start: str, camera: str, words: str
) -> None:
    times = ("--from", start, "--to", "2026-11-22T14:03:09Z")
    result = run("export", "--data", day.data_dir, "--camera", camera, *times, "--out", tmp_path / "clip.mp4")
    assert result.exit_code == 2
    assert words in result.stderr


def test_a_buddhist_day_is_refused_with_the_right_one(day: Ring) -> None:
    result = run("gaps", "--data", day.data_dir, "--day", "2569-11-22")
    assert result.exit_code == 2
    assert "2026-11-22" in result.stderr


def test_a_folder_that_is_no_ring_is_refused(tmp_path: Path) -> None:
    result = run("list", "--data", tmp_path)
    assert result.exit_code == 1
    assert "footage disk" in result.stderr


def test_the_list_counts_what_is_there(day: Ring) -> None:
    (camera,) = json.loads(run("list", "--data", day.data_dir, "--json").output)["cameras"]
    assert (camera["camera"], camera["segments"], camera["first"]) == ("c01", 3, "2026-11-22T21:03:00.000+07:00")


def test_a_ring_is_verified_against_its_files(day: Ring) -> None:
    assert run("verify", "--data", day.data_dir).exit_code == 0
    stray = day.record(60, Where(run=3))
    result = run("verify", "--data", day.data_dir, "--json")
    assert result.exit_code == 1
    assert [each["kind"] for each in json.loads(result.output)["differences"]] == ["not_indexed"]
    os.utime(day.path(stray), (time.time() - 60, time.time() - 60))
    reconcile(day.conn, day.data_dir)
    assert run("verify", "--data", day.data_dir).exit_code == 0


def test_a_lost_store_is_recovered_and_tells_the_same(day: Ring) -> None:
    before = run("gaps", "--data", day.data_dir, "--day", DAY, "--json").output
    day.conn.close()
    day.ledger.close()
    for path in day.data_dir.glob("store.sqlite*"):
        path.unlink()
    for path in day.data_dir.glob("footage/*/*/*.mp4"):
        os.utime(path, (time.time() - 60, time.time() - 60))
    lost = run("gaps", "--data", day.data_dir, "--day", DAY)
    assert lost.exit_code == 1
    assert "footage recover" in lost.stderr
    result = run("recover", "--data", day.data_dir, "--json")
    assert json.loads(result.output)["segments"] == 3, result.output
    after = run("gaps", "--data", day.data_dir, "--day", DAY, "--json").output
    assert json.loads(after)["cameras"][0]["gaps"][:3] == json.loads(before)["cameras"][0]["gaps"][:3]
