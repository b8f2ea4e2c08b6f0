"""`wayside analyse` over videos made in the test and, where they are, over the labelled clips."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import typer
from typer.testing import CliRunner

from agent.cli.analyse import analyse
from agent.contract import events
from agent.contract.envelope import ANALYSE_SOURCE, Envelope, data_of, decode_envelope
from agent.contract.events import (
    CrossingData,
    Direction,
    EventData,
    IncidentData,
    IncidentKind,
    MotionData,
    SummaryData,
    TrackData,
)
from tests.seeing.clips import FPS, HEIGHT_PX, WIDTH_PX, street, write_clip

SCENES = Path(__file__).resolve().parents[1] / "scenes"
app = typer.Typer()
app.command()(analyse)


@dataclass(frozen=True, slots=True)
class Result:
    code: int
    text: str
    said: str

    @property
    def envelopes(self) -> list[Envelope]:
        return [decode_envelope(line.encode()) for line in self.text.splitlines()]

    @property
    def data(self) -> list[EventData]:
        return [data_of(envelope) for envelope in self.envelopes]

    @property
    def summary(self) -> SummaryData:
        last = self.data[-1]
        assert isinstance(last, SummaryData)
        return last

    def incidents(self, event_type: str) -> list[IncidentData]:
        found = [data_of(envelope) for envelope in self.envelopes if envelope.type == event_type]
        return [data for data in found if isinstance(data, IncidentData)]


def run(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Result(result.exit_code, result.stdout, result.stderr)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "street.mp4"
    write_clip(path, options={"movflags": "+faststart"})
    return path


def test_it_prints_events_of_the_wire_and_a_summary_last(clip: Path) -> None:
    result = run(clip)
    assert result.code == 0
    assert {envelope.source for envelope in result.envelopes} == {ANALYSE_SOURCE}
    assert [envelope.type for envelope in result.envelopes][-1] == events.SUMMARY
    summary = result.summary
    assert (summary.frames, summary.frames_decoded) == (8 * FPS, 8 * FPS)
    assert summary.video_s == pytest.approx(8.0) and summary.frames_analysed == 40
    assert len(summary.model_sha256) == 64


def test_motion_is_told_in_media_time(clip: Path) -> None:
    motion = [data for data in run(clip).data if isinstance(data, MotionData)]
    assert len(motion) == 1
    assert motion[0].begin_s == pytest.approx(2.0, abs=0.5)
    assert motion[0].end_s == pytest.approx(5.0, abs=1.5)
    assert motion[0].begin is None


def test_two_runs_print_the_same_but_for_what_they_cost(clip: Path) -> None:
    one, other = run(clip, "--tracks").text.splitlines(), run(clip, "--tracks").text.splitlines()
    assert one[:-1] == other[:-1]


def test_out_takes_the_events_and_people_are_told_on_stderr(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "events.jsonl"
    result = run(clip, "--out", out)
    assert result.text == "" and "times real time" in result.said
    assert len(out.read_bytes().splitlines()) >= 2


def test_rate_sets_how_many_frames_are_analysed(clip: Path) -> None:
    assert run(clip, "--rate", "2").summary.frames_analysed == 16


def test_a_cut_video_gives_its_readable_part_and_exit_code_1(clip: Path, tmp_path: Path) -> None:
    content = clip.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(content[: len(content) * 6 // 10])
    result = run(cut)
    assert result.code == 1
    assert 0 < result.summary.frames_decoded < result.summary.frames == 8 * FPS
    assert "the rest is lost" in result.said and "copy the file again" in result.said
    assert b'"problem":"it ' in result.text.encode()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("text.mp4", b"hello", "no video"),
        ("empty.mp4", b"", "no video"),
        ("absent.mp4", None, "no such file"),
    ],
)
def test_what_is_no_video_is_answered_with_what_to_do(
    tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    result = run(tmp_path / name)
    assert result.code == 1 and result.text == ""
    assert words in result.said and name in result.said


def test_a_wrong_scene_is_named_with_its_key(clip: Path, tmp_path: Path) -> None:
    scene = tmp_path / "scene.toml"
    scene.write_text('[[zone]]\nid = "yard"\npolygon = [[0, 0], [1, 0]]\n', encoding="utf-8")
    result = run(clip, "--scene", scene)
    assert result.code == 2 and "zone[0].polygon" in result.said


def test_an_unknown_option_is_wrong_usage(clip: Path) -> None:
    assert run(clip, "--colour").code == 2


def portrait(index: int) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(street(index).transpose(1, 0, 2))


@pytest.mark.parametrize(("name", "codec"), [("old.avi", "mpeg4"), ("divx.avi", "msmpeg4"), ("phone.mp4", "libx264")])
def test_old_containers_and_portrait_pictures_are_read(tmp_path: Path, name: str, codec: str) -> None:
    path = tmp_path / name
    write_clip(path, seconds=5, codec=codec, draw=portrait if codec == "libx264" else street)
    result = run(path)
    assert result.code == 0 and result.summary.frames_decoded == 5 * FPS
    regions = [region for data in result.data if isinstance(data, MotionData) for region in data.regions]
    assert regions and all(x >= 0 and y >= 0 and x + w <= 1.0001 and y + h <= 1.0001 for x, y, w, h in regions)
    assert HEIGHT_PX != WIDTH_PX


def test_an_intruder_in_the_yard_is_told_when_he_steps_over_the_wall(shared_dir: Path) -> None:
    result = run(shared_dir / "footage/intrusion/yard_intrusion_day.mp4", "--scene", SCENES / "yard.toml")
    (opened,) = result.incidents(events.INCIDENT_OPENED)
    assert opened.kind is IncidentKind.INTRUSION
    # On the pavement until 3.4 s, over the wall from 3.7 s, in the yard from 5.6 s (the clip's labels).
    assert 3.7 <= opened.begin_s <= 6.6
    (closed,) = result.incidents(events.INCIDENT_CLOSED)
    assert closed.incident_id == opened.incident_id and closed.end_s == pytest.approx(9.0, abs=0.5)


def test_who_stands_about_for_ten_seconds_loiters_and_his_bag_is_found(shared_dir: Path) -> None:
    result = run(shared_dir / "footage/pedestrian/abandoned_bag_aboda4.avi", "--scene", SCENES / "path.toml")
    loitering, abandoned = result.incidents(events.INCIDENT_OPENED)
    assert loitering.kind is IncidentKind.LOITERING
    assert loitering.begin_s == pytest.approx(9.5, abs=1.5)
    # His bag stands since 15 s, and he has gone from it at 19.3 s (the clip's labels).
    assert abandoned.kind is IncidentKind.ABANDONED_OBJECT
    assert 14.9 <= abandoned.begin_s <= 20.0


def test_vehicles_of_the_suburban_road_are_counted_forward(shared_dir: Path) -> None:
    result = run(shared_dir / "footage/traffic/suburban_road_8cars.mp4", "--scene", SCENES / "suburban.toml")
    crossings = [data for data in result.data if isinstance(data, CrossingData)]
    assert abs(len(crossings) - 8) <= 1
    assert {crossing.direction for crossing in crossings} == {Direction.FORWARD}


def test_a_car_that_waits_at_the_light_since_the_start_has_not_stopped(shared_dir: Path) -> None:
    result = run(
        shared_dir / "footage/traffic/junction_stopped_car.mp4", "--scene", SCENES / "junction.toml", "--tracks"
    )
    assert result.incidents(events.INCIDENT_OPENED) == []
    tracks = [data for data in result.data if isinstance(data, TrackData)]
    assert {"person", "car"} <= {track.label for track in tracks}
    assert all(track.points for track in tracks)


def test_the_car_that_stops_after_the_crash_is_told(shared_dir: Path) -> None:
    result = run(shared_dir / "footage/crash/crash_auto_rickshaw.mp4", "--scene", SCENES / "crash.toml")
    (opened,) = result.incidents(events.INCIDENT_OPENED)
    assert opened.kind is IncidentKind.STOPPED_VEHICLE
    # It stops at the left edge at 5.5 s (the clip's labels).
    assert opened.begin_s == pytest.approx(5.5, abs=1.0) and opened.box[0] < 0.1
