"""Health is honest: what nobody told is null or unknown, and old words are not repeated as new."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.contract.states import ClockHealth, Known, OutboxHealth, StreamState, ViewState
from agent.health.beat import Beat
from agent.health.counters import RunningTotal
from agent.health.probes import disk_space, hardware_model, os_name, probe_machine, temperature_c
from agent.health.report import (
    CameraReading,
    Readings,
    build_health,
    camera_health,
    camera_state,
    recorded_ratio,
)
from agent.notices import CameraStatus, StreamCondition
from agent.units import NS_PER_S, WallSpan


def status(**more: object) -> CameraStatus:
    facts: dict[str, object] = {
        "camera": "c01",
        "stream": StreamCondition.STREAMING,
        "since_wall_ns": 0,
        "reason": "",
        "frames_recorded": 100,
        "frames_lost": 0,
        "vision_dropped": 0,
        "frame_age_s": 0.04,
        "fps": 25.0,
        "bitrate_bps": 2e6,
        "disk_write_p99_ms": 3.0,
    }
    return CameraStatus(**{**facts, **more})  # type: ignore[arg-type]


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_an_empty_machine_is_unknown_in_every_field(tmp_path: Path):
    machine = probe_machine(tmp_path)
    assert (machine.throttled, machine.under_voltage) == (Known.UNKNOWN, Known.UNKNOWN)
    assert {machine.temperature_c, machine.load_1min, machine.memory_total_bytes, machine.uptime_s} == {None}
    assert hardware_model(tmp_path) is None
    assert os_name(tmp_path) is None
    assert disk_space(tmp_path / "not mounted") is None


@pytest.mark.parametrize(
    ("bits", "throttled", "under_voltage"),
    [
        ("0", Known.NO, Known.NO),
        ("1", Known.NO, Known.YES),
        ("4", Known.YES, Known.NO),
        ("50005", Known.YES, Known.YES),
        ("50000", Known.NO, Known.NO),
        ("?", Known.UNKNOWN, Known.UNKNOWN),
    ],
)
def test_a_raspberry_pi_tells_what_holds_now_and_not_what_once_held(tmp_path, bits, throttled, under_voltage):
    write(tmp_path, "sys/devices/platform/soc/soc:firmware/get_throttled", bits + "\n")
    machine = probe_machine(tmp_path)
    assert (machine.throttled, machine.under_voltage) == (throttled, under_voltage)


def test_the_hottest_processor_zone_counts_before_a_hotter_other_one(tmp_path: Path):
    for n, (kind, milli) in enumerate([("cpu-thermal", "61000"), ("wifi", "80000"), ("gpu", "-256000")]):
        write(tmp_path, f"sys/class/thermal/thermal_zone{n}/type", kind)
        write(tmp_path, f"sys/class/thermal/thermal_zone{n}/temp", milli)
    assert temperature_c(tmp_path) == 61.0


def test_memory_load_and_model_are_read_as_the_kernel_writes_them(tmp_path: Path):
    write(tmp_path, "proc/meminfo", "MemTotal:        4096 kB\nMemAvailable:    1024 kB\nHugePages_Total:       0\n")
    write(tmp_path, "proc/loadavg", "0.50 0.40 0.30 1/100 1234\n")
    write(tmp_path, "proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0")
    machine = probe_machine(tmp_path)
    assert (machine.memory_total_bytes, machine.memory_available_bytes) == (4096 * 1024, 1024 * 1024)
    assert machine.load_1min == 0.5
    assert hardware_model(tmp_path) == "Raspberry Pi 5 Model B Rev 1.0"


def test_a_camera_never_heard_of_is_unknown():
    health = camera_health(CameraReading("c01", None, 0))
    assert health.stream is StreamState.UNKNOWN
    assert {health.fps, health.frame_age_s, health.frames_recorded, health.recorded_ratio} == {None}
    state = camera_state(CameraReading("c01", None, 0))
    assert (state.stream, state.stream_since, state.view) == (StreamState.UNKNOWN, None, ViewState.UNKNOWN)


def test_a_camera_process_that_fell_silent_is_unknown_and_its_last_frame_ages():
    health = camera_health(CameraReading("c01", status(), 60.0))
    assert health.stream is StreamState.UNKNOWN
    assert health.fps is None
    assert health.frame_age_s == 60.04
    assert health.frames_recorded == 100


def test_a_camera_that_never_sent_a_frame_has_no_frame_age():
    reading = CameraReading("c01", status(frame_age_s=-1.0, stream=StreamCondition.OFFLINE, reason="camera_refused"), 0)
    assert camera_health(reading).frame_age_s is None
    assert camera_state(reading).reason == "camera_refused"


def test_the_slowest_camera_gives_the_disk_its_latency():
    outbox = OutboxHealth(epoch="01a205d3-d5a4-7072-bb2a-71aee103f25e", a=0, b=0, bytes=0, oldest_age_s=None, shed=0)
    readings = Readings(
        wall_ns=0,
        cameras=[
            CameraReading("c01", status(), 0),
            CameraReading("c02", status(disk_write_p99_ms=9.0), 0),
            CameraReading("c03", status(disk_write_p99_ms=99.0), 60),
        ],
        vision=None,
        clock=ClockHealth(quality="unsynced", error_s=None),
        space=None,
        machine=probe_machine(Path("/nonexistent")),
    )
    health = build_health(readings, outbox)
    assert health.disk.write_p99_ms == 9.0
    assert health.disk.free_bytes is None
    assert health.vision is None


@pytest.mark.parametrize(
    ("spans", "ratio"), [([], 0.0), ([(0, 10)], 1.0), ([(-5, 5), (2, 6)], 0.6), ([(8, 20), (20, 30)], 0.2)]
)
def test_the_recorded_ratio_counts_each_second_once(spans, ratio):
    assert recorded_ratio([WallSpan(*span) for span in spans], WallSpan(0, 10)) == pytest.approx(ratio)


def test_the_recorded_ratio_of_no_time_is_unknown():
    assert recorded_ratio([], WallSpan(5, 5)) is None


def test_a_running_total_survives_restarts_of_the_counting_process():
    total = RunningTotal()
    for session, count in (("x", 5), ("x", 9), ("y", 0), ("y", 3), ("y", 2)):
        total.update(session, count)
    assert total.total == 12


@given(st.lists(st.integers(min_value=0, max_value=10 * NS_PER_S), max_size=50))
def test_a_beat_never_falls_twice_in_a_period_and_never_drifts(steps):
    beat, now_ns, fell = Beat(1.0), 0, []
    for step in steps:
        now_ns += step
        if beat.is_due(now_ns):
            fell.append(now_ns)
    slots = [at_ns // NS_PER_S for at_ns in (one - fell[0] for one in fell)] if fell else []
    assert slots == sorted(set(slots))
