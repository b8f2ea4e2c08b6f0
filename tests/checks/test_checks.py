"""Each check is a tick or a sentence that says what to do, in both languages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.clock import ClockQuality, ClockStatus
from agent.contract.states import Known, MachineHealth
from provisioning.checks.machine import (
    DiskFacts,
    judge_clock,
    judge_disk,
    judge_power,
    judge_temperature,
    read_disk,
)
from provisioning.checks.network import Interface, Service, check_link, check_names, check_service, judge_link
from provisioning.checks.node import CheckGround, run_checks
from provisioning.checks.result import CheckResult, Verdict
from provisioning.texts import Language, texts
from tests.broker import Broker

GB = 10**9
NOW_S = 1_790_000_000.0


def machine(temperature_c: float | None = None, throttled: Known = Known.NO, low: Known = Known.NO) -> MachineHealth:
    return MachineHealth(
        temperature_c=temperature_c,
        throttled=throttled,
        under_voltage=low,
        load_1min=None,
        memory_available_bytes=None,
        memory_total_bytes=None,
        uptime_s=None,
    )


def disk(*, free: int = 100 * GB, problem: str = "", is_system_disk: bool = False) -> CheckResult:
    return judge_disk(DiskFacts("/data", problem, free, 500 * GB, is_system_disk), 5 * GB)


def clock(quality: ClockQuality, wall_s: float = NOW_S) -> CheckResult:
    return judge_clock(ClockStatus(quality, 0.01), wall_s)


FOUND = [
    (judge_link([], is_routed=True), Verdict.FAILED, "no_interface"),
    (judge_link([Interface("eth0", False, None)], is_routed=True), Verdict.FAILED, "no_carrier"),
    (judge_link([Interface("eth0", True, 10)], is_routed=True), Verdict.WARNING, "slow"),
    (judge_link([Interface("eth0", True, 1000)], is_routed=False), Verdict.WARNING, "no_route"),
    (judge_link([Interface("wlan0", True, None)], is_routed=True), Verdict.OK, "ok_unknown_speed"),
    (
        judge_link([Interface("usb0", True, None), Interface("eth0", True, 100)], is_routed=True),
        Verdict.OK,
        "ok",
    ),
    (disk(), Verdict.OK, "ok"),
    (disk(free=GB), Verdict.FAILED, "full"),
    (disk(problem="Read-only file system"), Verdict.FAILED, "not_writable"),
    (disk(is_system_disk=True), Verdict.WARNING, "system_disk"),
    (clock(ClockQuality.SYNCED), Verdict.OK, "ok"),
    (clock(ClockQuality.UNSYNCED), Verdict.WARNING, "unsynced"),
    (clock(ClockQuality.HOLDOVER), Verdict.WARNING, "holdover"),
    (clock(ClockQuality.SYNCED, wall_s=60.0), Verdict.FAILED, "in_the_past"),
    (judge_temperature(machine()), Verdict.UNKNOWN, "unknown"),
    (judge_temperature(machine(48.3)), Verdict.OK, "ok"),
    (judge_temperature(machine(78.0)), Verdict.WARNING, "warm"),
    (judge_temperature(machine(50.0, throttled=Known.YES)), Verdict.WARNING, "warm"),
    (judge_temperature(machine(91.0)), Verdict.FAILED, "hot"),
    (judge_power(machine()), Verdict.OK, "ok"),
    (judge_power(machine(low=Known.YES)), Verdict.FAILED, "low"),
    (judge_power(machine(low=Known.UNKNOWN)), Verdict.UNKNOWN, "unknown"),
]


@pytest.mark.parametrize(
    ("result", "verdict", "reason"), FOUND, ids=lambda each: getattr(each, "id", None) or str(each)
)
def test_what_is_found_is_named(result: CheckResult, verdict: Verdict, reason: str) -> None:
    assert (result.verdict, result.reason) == (verdict, reason)


@pytest.mark.parametrize("language", list(Language))
def test_whatever_is_found_has_a_sentence(language: Language) -> None:
    for result, _, _ in FOUND:
        sentence = result.sentence(language)
        assert not sentence.startswith("checks.")
        assert "{" not in sentence


def test_every_reason_that_can_come_of_a_service_has_a_sentence() -> None:
    reasons = {"ok", "unknown_host", "refused", "timeout", "clock", "foreign_certificate", "tls_refused", "papers"}
    for service in ("centre", "broker"):
        for reason in reasons | {"network", "title"}:
            assert f"checks.{service}.{reason}" in texts(Language.ENGLISH)


def interface(root: Path, name: str, carrier: str, speed: str) -> None:
    folder = root / "sys/class/net" / name
    folder.mkdir(parents=True)
    (folder / "carrier").write_text(carrier)
    (folder / "speed").write_text(speed)


def test_a_cable_with_a_way_out_is_read_from_the_kernel(tmp_path: Path) -> None:
    interface(tmp_path, "lo", "1\n", "-1\n")
    interface(tmp_path, "eth0", "1\n", "1000\n")
    (tmp_path / "proc/net").mkdir(parents=True)
    head = "Iface\tDestination\tGateway\tFlags\n"
    (tmp_path / "proc/net/route").write_text(head)
    assert check_link(tmp_path).reason == "no_route"
    (tmp_path / "proc/net/route").write_text(head + "eth0\t00000000\t0102A8C0\t0003\n")
    assert check_link(tmp_path).reason == "ok"


def test_a_folder_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert judge_disk(read_disk(tmp_path / "file"), 0).reason == "not_writable"


def test_an_address_needs_no_name_server() -> None:
    assert check_names(["192.0.2.1", "2001:db8::1"]).reason == "not_needed"


def test_a_name_that_cannot_exist_is_told() -> None:
    # RFC 6761: .invalid never exists. A machine without a resolver cannot know that.
    assert check_names(["centre.invalid"]).reason in ("unknown_host", "no_resolver")


def test_a_service_that_is_not_there_is_told(free_port: int) -> None:
    assert check_service(Service("centre", "127.0.0.1", free_port)).reason == "refused"


def test_who_does_not_speak_tls_is_told(broker: Broker) -> None:
    result = check_service(Service("broker", "127.0.0.1", broker.port))
    assert (result.verdict, result.reason) in {(Verdict.FAILED, "tls_refused"), (Verdict.FAILED, "network")}


def test_papers_that_cannot_be_read_are_told(broker: Broker, tmp_path: Path) -> None:
    service = Service("broker", "127.0.0.1", broker.port, certificate=str(tmp_path / "none.pem"))
    assert check_service(service).reason == "papers"


def test_a_desk_without_tls_is_content(broker: Broker) -> None:
    assert check_service(Service("broker", "127.0.0.1", broker.port, is_tls=False)).verdict is Verdict.OK


def test_a_node_that_knows_no_centre_is_checked_for_the_rest(tmp_path: Path) -> None:
    found: Iterator[CheckResult] = run_checks(CheckGround(tmp_path))
    assert [result.id for result in found] == ["link", "clock", "disk", "temperature", "under_voltage"]
