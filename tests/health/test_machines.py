"""What real machines tell: trees as Raspberry Pi and Jetson Linux lay them out, and what is left unsaid."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.contract.states import Health, Known, MachineHealth
from agent.contract.wire import decode
from agent.health.holdover import Holdover
from agent.health.power import Power, probe_power
from agent.health.probes import probe_machine
from agent.health.report import DiskWear
from agent.health.wear import device_number, probe_wear
from agent.units import NS_PER_S

YES, NO, UNKNOWN = Known.YES, Known.NO, Known.UNKNOWN

# A Pi 4 with Raspberry Pi OS: firmware file, the hwmon driver, one thermal zone, a fan that is no brake.
PI_4 = {
    "sys/devices/platform/soc/soc:firmware/get_throttled": "0",
    "sys/class/hwmon/hwmon0/name": "cpu_thermal",
    "sys/class/hwmon/hwmon0/temp1_input": "58917",
    "sys/class/hwmon/hwmon1/name": "rpi_volt",
    "sys/class/hwmon/hwmon1/in0_lcrit_alarm": "0",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal",
    "sys/class/thermal/thermal_zone0/temp": "58917",
    "sys/class/thermal/cooling_device0/type": "gpio-fan",
    "sys/class/thermal/cooling_device0/cur_state": "1",
}
# A Pi 5: no such firmware file.
PI_5 = {
    "sys/class/hwmon/hwmon0/name": "cpu_thermal",
    "sys/class/hwmon/hwmon1/name": "rp1_adc",
    "sys/class/hwmon/hwmon2/name": "pwmfan",
    "sys/class/hwmon/hwmon3/name": "rpi_volt",
    "sys/class/hwmon/hwmon3/in0_lcrit_alarm": "0",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal",
    "sys/class/thermal/thermal_zone0/temp": "49300",
    "sys/class/thermal/cooling_device0/type": "pwm-fan",
    "sys/class/thermal/cooling_device0/cur_state": "2",
}
# A Jetson Orin Nano, JetPack 6: counters of soctherm_oc, the module's INA3221, zones and alerts.
ORIN = {
    "sys/class/hwmon/hwmon0/name": "pwmfan",
    "sys/class/hwmon/hwmon1/name": "ina3221",
    "sys/class/hwmon/hwmon1/in1_label": "VDD_IN",
    "sys/class/hwmon/hwmon1/in1_input": "4984",
    "sys/class/hwmon/hwmon1/curr1_input": "1856",
    "sys/class/hwmon/hwmon1/in2_label": "VDD_CPU_GPU_CV",
    "sys/class/hwmon/hwmon1/in2_input": "4968",
    "sys/class/hwmon/hwmon1/curr2_input": "640",
    "sys/class/hwmon/hwmon3/name": "soctherm_oc",
    "sys/class/hwmon/hwmon3/oc1_event_cnt": "0",
    "sys/class/hwmon/hwmon3/oc1_throt_en": "1",
    "sys/class/hwmon/hwmon3/oc2_event_cnt": "0",
    "sys/class/hwmon/hwmon3/oc3_event_cnt": "0",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal",
    "sys/class/thermal/thermal_zone0/temp": "52312",
    "sys/class/thermal/thermal_zone2/type": "cv0-thermal",
    "sys/class/thermal/thermal_zone8/type": "tj-thermal",
    "sys/class/thermal/thermal_zone8/temp": "53406",
    "sys/class/thermal/cooling_device0/type": "pwm-fan",
    "sys/class/thermal/cooling_device0/cur_state": "1",
    "sys/class/thermal/cooling_device5/type": "cpu-throttle-alert",
    "sys/class/thermal/cooling_device5/cur_state": "0",
    "sys/class/thermal/cooling_device6/type": "gpu-throttle-alert",
    "sys/class/thermal/cooling_device6/cur_state": "0",
}


def tree(root: Path, files: dict[str, str], **changed: str) -> Path:
    """The files, with the changed ones by their last word."""
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(changed.get(path.rpartition("/")[2], text) + "\n")
    return root


@pytest.mark.parametrize(
    ("machine", "changed", "power"),
    [
        # The driver wipes the firmware's memory: what is not set there proves nothing about the time before.
        (PI_4, {}, Power(NO, NO, UNKNOWN, UNKNOWN, None, None)),
        (PI_4, {"get_throttled": "50000"}, Power(NO, NO, YES, YES, None, None)),
        (PI_4, {"get_throttled": "8"}, Power(YES, NO, YES, UNKNOWN, None, None)),
        (PI_4, {"get_throttled": "5", "in0_lcrit_alarm": "1"}, Power(YES, YES, YES, YES, None, None)),
        (PI_4, {"get_throttled": "?"}, Power(UNKNOWN, NO, UNKNOWN, UNKNOWN, None, None)),
        (PI_5, {}, Power(UNKNOWN, NO, UNKNOWN, UNKNOWN, None, None)),
        (PI_5, {"in0_lcrit_alarm": "1"}, Power(UNKNOWN, YES, UNKNOWN, YES, None, None)),
        (ORIN, {}, Power(NO, NO, UNKNOWN, NO, 0, 9.25)),
        (ORIN, {"oc1_event_cnt": "3"}, Power(NO, UNKNOWN, UNKNOWN, YES, 0, 9.25)),
        (ORIN, {"oc2_event_cnt": "15", "oc3_event_cnt": "37"}, Power(NO, NO, YES, NO, 52, 9.25)),
        (ORIN, {"oc3_event_cnt": ""}, Power(NO, NO, UNKNOWN, NO, None, 9.25)),
        (ORIN, {"in1_label": "VDD_GPU_SOC"}, Power(NO, NO, UNKNOWN, NO, 0, None)),
        (ORIN, {"curr1_input": ""}, Power(NO, NO, UNKNOWN, NO, 0, None)),
        ({}, {}, Power(UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, None, None)),
    ],
)
def test_power_is_told_as_the_board_tells_it_and_the_rest_is_unknown(tmp_path, machine, changed, power):
    assert probe_power(tree(tmp_path, machine, **changed)) == power


def test_a_firmware_without_the_driver_remembers_since_boot(tmp_path: Path):
    firmware = {path: text for path, text in PI_4.items() if "firmware" in path}
    power = probe_power(tree(tmp_path, firmware))
    assert (power.throttled_before, power.under_voltage_before) == (NO, NO)


def test_an_alert_of_heat_is_throttling_and_a_running_fan_is_not(tmp_path: Path):
    tree(tmp_path, ORIN)
    (tmp_path / "sys/class/thermal/cooling_device6/cur_state").write_text("1\n")
    machine = probe_machine(tmp_path)
    assert (machine.throttled, machine.throttled_before, machine.temperature_c) == (YES, YES, 53.406)


@given(st.text(max_size=20))
def test_whatever_a_driver_writes_is_read_without_a_fault(tmp_path_factory, text: str):
    root = tree(tmp_path_factory.mktemp("sys"), {})
    for files in (PI_4, ORIN):
        for path in files:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
    assert isinstance(probe_machine(root), MachineHealth)


def disk(root: Path, name: str, *, life_time: str = "", written: str = "4096") -> Path:
    """A whole disk; its `stat` as Documentation/block/stat.rst numbers it."""
    folder = root / "sys/devices/platform/host/block" / name
    (folder / "device").mkdir(parents=True)
    (folder / "stat").write_text(f"    1    2    3    4    5    6    {written}    8    0   10   11\n")
    if life_time:
        (folder / "device/life_time").write_text(life_time + "\n")
    return folder


def known_as(root: Path, number: str, volume: Path) -> None:
    (root / "sys/dev/block").mkdir(parents=True, exist_ok=True)
    (root / "sys/dev/block" / number).symlink_to(volume)


def partition(whole: Path, name: str) -> Path:
    (whole / name).mkdir()
    (whole / name / "partition").write_text("2\n")
    (whole / name / "stat").write_text("0 0 0 0 0 0 8 0 0 0 0\n")
    return whole / name


@pytest.mark.parametrize(
    ("life_time", "used"),
    [
        ("0x01 0x02", 0.2),
        ("0x0a 0x01", 1.0),
        ("0x0b 0x0b", 1.1),
        ("0x00 0x03", 0.3),
        ("0x00 0x00", None),
        ("", None),
        ("?", None),
        ("0xff 0xff", None),
    ],
)
def test_an_emmc_tells_its_wear_in_steps_and_a_card_tells_none(tmp_path, life_time, used):
    known_as(tmp_path, "179:2", partition(disk(tmp_path, "mmcblk0", life_time=life_time), "mmcblk0p2"))
    assert probe_wear("179:2", tmp_path) == DiskWear(written_bytes=4096 * 512, used_ratio=used)


def test_a_disk_under_encryption_and_the_file_systems_own_count_are_found(tmp_path: Path):
    part = partition(disk(tmp_path, "nvme0n1", written="1000000"), "nvme0n1p1")
    crypt = tmp_path / "sys/devices/virtual/block/dm-0"
    (crypt / "slaves").mkdir(parents=True)
    (crypt / "slaves/nvme0n1p1").symlink_to(part)
    known_as(tmp_path, "253:0", crypt)
    (tmp_path / "sys/fs/ext4/dm-0").mkdir(parents=True)
    (tmp_path / "sys/fs/ext4/dm-0/lifetime_write_kbytes").write_text("5605225\n")
    assert probe_wear("253:0", tmp_path) == DiskWear(512_000_000, 5605225 * 1024, None)


@pytest.mark.parametrize("number", [None, "0:45", ""])
def test_what_is_no_disk_has_no_wear(tmp_path: Path, number: str | None):
    assert probe_wear(number, tmp_path) == DiskWear()


def test_a_folder_that_is_not_there_has_no_device(tmp_path: Path):
    assert device_number(tmp_path / "not mounted") is None
    assert (device_number(tmp_path) or "").replace(":", "").isdigit()


def test_a_clock_that_was_never_good_is_unsynced():
    judgement = Holdover().judge(None, 0)
    assert (judgement.quality, judgement.error_s, judgement.since_s) == ("unsynced", None, None)


def test_a_clock_that_lost_its_source_is_in_holdover_and_its_bound_grows():
    clock = Holdover()
    assert clock.judge(0.02, 0).quality == "synced"
    # The kernel still counts: 500 ppm of three hours.
    still = clock.judge(5.42, 10_800 * NS_PER_S)
    assert (still.quality, still.error_s, still.since_s) == ("holdover", 5.42, 10_800)
    # After 16 s of bound it gives up; from there we count on, at the same rate.
    later = clock.judge(None, 40_000 * NS_PER_S)
    assert (later.quality, later.since_s) == ("holdover", 40_000)
    assert later.error_s == pytest.approx(5.42 + 29_200 * 500e-6)
    assert clock.judge(0.01, 40_100 * NS_PER_S).quality == "synced"


def test_a_clock_found_without_its_source_says_since_when_the_kernel_counts():
    judgement = Holdover().judge(3.0, 20_000 * NS_PER_S)
    assert (judgement.quality, judgement.since_s) == ("holdover", 6_000)


@given(st.lists(st.tuples(st.floats(0, 20) | st.none(), st.integers(0, 10**6)), max_size=30))
def test_the_bound_never_shrinks_without_a_source(readings):
    clock, mono_ns, last = Holdover(), 0, None
    for error_s, step_s in readings:
        mono_ns += step_s * NS_PER_S
        judgement = clock.judge(error_s, mono_ns)
        if error_s is None and last is not None:
            assert judgement.error_s is not None
            assert judgement.error_s >= last
        last = judgement.error_s


def test_health_of_an_older_node_is_still_understood():
    older = (
        b'{"at":"2026-11-22T14:03:00Z","cameras":[],"disk":{"write_p99_ms":null,"free_bytes":1,"total_bytes":2,'
        b'"footage_bytes":null,"forecast_days":null,"endurance_used_ratio":null},"clock":{"quality":"synced",'
        b'"error_s":0.1},"machine":{"temperature_c":50.0,"throttled":"no","under_voltage":"no","load_1min":null,'
        b'"memory_available_bytes":null,"memory_total_bytes":null,"uptime_s":null},"vision":null,"outbox":{"epoch":'
        b'"01a205d3-d5a4-7072-bb2a-71aee103f25e","a":0,"b":0,"bytes":0,"oldest_age_s":null,"shed":0}}'
    )
    health = decode(older, Health)
    assert (health.machine.throttled_before, health.disk.written_bytes) == (UNKNOWN, None)
