"""Each campaign once, short: the long ones with their numbers are `make faults`."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.broker import MOSQUITTO, Broker
from tests.faults import attack, campaigns, clocks, modes, outage, sound
from tests.rigs.films import FilmSettings, make_film
from tests.rigs.rtsp import RtspCamera


@pytest.mark.parametrize(
    ("name", "number"), [("vision", signal.SIGKILL), ("vision", signal.SIGSTOP), ("node", signal.SIGSTOP)]
)
def test_a_killed_or_hung_process_costs_no_frame_and_comes_back(
    tmp_path: Path, broker: Broker, name: str, number: signal.Signals
) -> None:
    campaigns.process_faults(tmp_path / "agent", broker, name, number, rounds=1)


def test_a_killed_camera_process_costs_its_neighbour_nothing(tmp_path: Path) -> None:
    campaigns.camera_fault(tmp_path)


def test_after_a_kill_of_everything_every_segment_plays_and_the_index_equals_the_disk(
    tmp_path: Path, ffmpeg: str
) -> None:
    campaigns.power_cuts(tmp_path, 2, ffmpeg)


def test_what_was_recorded_in_1970_is_where_it_truly_was_once_the_time_is_known(tmp_path: Path, broker: Broker) -> None:
    clocks.boot_in_1970(tmp_path, broker, 3.0)


def test_a_clock_set_back_by_an_hour_overwrites_deletes_and_reorders_nothing(tmp_path: Path) -> None:
    clocks.step_back(tmp_path, 3.0)


def test_events_made_while_the_broker_was_dead_arrive_in_order_and_without_a_hole(
    tmp_path: Path, broker: Broker
) -> None:
    campaigns.broker_outage(tmp_path / "agent", broker, 1.0)


def test_three_days_of_outage_cost_no_event_and_a_lost_store_confuses_nobody(tmp_path: Path, broker: Broker) -> None:
    # No more of lane a than is sent again at once: beyond that doubt waits for five minutes.
    outage.outage(tmp_path / "outage", outage.Scale(before=40, deaf=20, outage=160, lost=20, after=60))


def test_every_second_of_a_camera_that_dies_twice_is_footage_or_a_gap_with_its_reason(
    tmp_path: Path, broker: Broker
) -> None:
    film = make_film(tmp_path, FilmSettings("film.h264", seconds=20))
    with RtspCamera(film) as camera:
        campaigns.camera_breaks(tmp_path / "agent", broker, camera, 21.0)


def test_what_was_before_and_in_an_incident_survives_a_kill_in_the_middle_of_it(tmp_path: Path, broker: Broker) -> None:
    modes.killed_in_an_incident(tmp_path / "agent", broker, 1)


def test_no_picture_waits_for_sound_and_every_beep_is_heard_with_its_flash(tmp_path: Path, ffmpeg: str) -> None:
    sound.sound(tmp_path, 5.0, 0, ffmpeg, names=("silent", "g711"))


@pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")
def test_no_forgery_is_executed_by_a_whole_node_and_each_is_in_the_audit(tmp_path: Path) -> None:
    attack.attack(tmp_path, 200, is_counted=False)
