"""The box itself: clock, disk, heat, power. What it does not tell is unknown."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.clock import ClockQuality, ClockStatus
from agent.contract.states import Known, MachineHealth
from provisioning.checks.result import CheckResult, Verdict

# A Pi slows its processor from 80 °C on and stops short of 85 °C (Raspberry Pi documentation, frequency management and
# thermal control); a Jetson Orin throttles at 99 °C. At noon in a closed box there must be room above what is measured.
_WARM_C: Final = 75.0
_HOT_C: Final = 85.0
# Wayside did not exist before.
_EARLIEST_WALL_S: Final = 1_735_689_600  # 2025-01-01T00:00:00Z


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """What holds the footage. `problem` is the error of the attempt to write there, empty when it worked."""

    folder: str
    problem: str
    free_bytes: int
    total_bytes: int
    is_system_disk: bool


def read_disk(folder: Path) -> DiskFacts:
    """Tries to write a file into `folder`, which is made when it is not there."""
    probe = folder / f".check-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"wayside")
        probe.unlink()
        space = os.statvfs(folder)
        is_system_disk = folder.stat().st_dev == Path("/").stat().st_dev
    except OSError as exc:
        return DiskFacts(str(folder), exc.strerror or "unknown", 0, 0, is_system_disk=False)
    free, total = space.f_bavail * space.f_frsize, space.f_blocks * space.f_frsize
    return DiskFacts(str(folder), "", free, total, is_system_disk)


def judge_disk(disk: DiskFacts, min_free_bytes: int) -> CheckResult:
    """Pure."""
    facts = {
        "folder": disk.folder,
        "problem": disk.problem,
        "free_gb": f"{disk.free_bytes / 1e9:.1f}",
        "total_gb": f"{disk.total_bytes / 1e9:.0f}",
        "min_free_gb": f"{min_free_bytes / 1e9:.1f}",
    }
    if disk.problem:
        return CheckResult("disk", Verdict.FAILED, "not_writable", facts=facts)
    if disk.free_bytes < min_free_bytes:
        return CheckResult("disk", Verdict.FAILED, "full", facts=facts)
    if disk.is_system_disk:
        return CheckResult("disk", Verdict.WARNING, "system_disk", facts=facts)
    return CheckResult("disk", Verdict.OK, "ok", facts=facts)


def judge_clock(status: ClockStatus, wall_s: float) -> CheckResult:
    """Pure."""
    facts = {"error_ms": f"{(status.error_s or 0) * 1e3:.0f}"}
    if wall_s < _EARLIEST_WALL_S:
        return CheckResult("clock", Verdict.FAILED, "in_the_past", facts=facts)
    if status.quality is ClockQuality.UNSYNCED:
        return CheckResult("clock", Verdict.WARNING, "unsynced", facts=facts)
    if status.quality is ClockQuality.HOLDOVER:
        return CheckResult("clock", Verdict.WARNING, "holdover", facts=facts)
    return CheckResult("clock", Verdict.OK, "ok", facts=facts)


def judge_temperature(machine: MachineHealth) -> CheckResult:
    """Pure."""
    degrees = machine.temperature_c
    if degrees is None:
        return CheckResult("temperature", Verdict.UNKNOWN, "unknown")
    facts = {"degrees": f"{degrees:.0f}"}
    if degrees >= _HOT_C:
        return CheckResult("temperature", Verdict.FAILED, "hot", facts=facts)
    if degrees >= _WARM_C or machine.throttled is Known.YES:
        return CheckResult("temperature", Verdict.WARNING, "warm", facts=facts)
    return CheckResult("temperature", Verdict.OK, "ok", facts=facts)


def judge_power(machine: MachineHealth) -> CheckResult:
    """Pure."""
    match machine.under_voltage:
        case Known.YES:
            return CheckResult("under_voltage", Verdict.FAILED, "low")
        case Known.NO:
            return CheckResult("under_voltage", Verdict.OK, "ok")
        case Known.UNKNOWN:
            return CheckResult("under_voltage", Verdict.UNKNOWN, "unknown")
