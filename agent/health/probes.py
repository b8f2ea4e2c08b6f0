"""Facts about the machine, read where the kernel keeps them. What the machine does not tell is None or unknown.

`root` stands before every path: "/" on a node, a folder in tests.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from agent.contract.states import MachineHealth
from agent.health import sysfs
from agent.health.power import probe_power
from agent.health.report import DiskSpace

_ROOT: Final = Path("/")
# Zones of the processor itself; others (radio, battery, drive) run at their own temperatures.
_PROCESSOR_ZONES: Final = ("cpu", "soc", "x86_pkg", "tj", "gpu")


def disk_space(folder: Path) -> DiskSpace | None:
    """None when the folder is not there, which for the ring means that its disk is not mounted."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return DiskSpace(usage.free, usage.total)


def probe_machine(root: Path = _ROOT) -> MachineHealth:
    """A few file reads, about a millisecond."""
    power = probe_power(root)
    memory = _memory(root)
    uptime = sysfs.text(root / "proc/uptime").split()
    load = sysfs.text(root / "proc/loadavg").split()
    return MachineHealth(
        temperature_c=temperature_c(root),
        throttled=power.throttled,
        under_voltage=power.under_voltage,
        load_1min=sysfs.to_number(load[0]) if load else None,
        memory_available_bytes=memory.get("MemAvailable"),
        memory_total_bytes=memory.get("MemTotal"),
        uptime_s=sysfs.to_number(uptime[0]) if uptime else None,
        throttled_before=power.throttled_before,
        under_voltage_before=power.under_voltage_before,
        over_current_events=power.over_current_events,
        power_w=power.power_w,
    )


def temperature_c(root: Path = _ROOT) -> float | None:
    """The hottest zone of the processor, else the hottest of all; None where the kernel shows none (thermal-sysfs)."""
    zones: list[tuple[bool, float]] = []
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        milli = sysfs.number(zone / "temp")
        # A disabled zone of a Jetson reads -256000, a dead one 0.
        if milli is not None and milli > 0:
            kind = sysfs.text(zone / "type").lower()
            zones.append((any(word in kind for word in _PROCESSOR_ZONES), milli / 1000))
    return max(zones)[1] if zones else None


def hardware_model(root: Path = _ROOT) -> str | None:
    """ "Raspberry Pi 5 Model B Rev 1.0", "NVIDIA Jetson Orin Nano …", or a PC's product name."""
    for source in ("proc/device-tree/model", "sys/class/dmi/id/product_name"):
        text = sysfs.text(root / source)
        if text:
            return text
    return None


def os_name(root: Path = _ROOT) -> str | None:
    """PRETTY_NAME of os-release(5)."""
    for line in sysfs.text(root / "etc/os-release").splitlines():
        key, _, value = line.partition("=")
        if key == "PRETTY_NAME":
            return value.strip('"')
    return None


def _memory(root: Path) -> dict[str, int]:
    """/proc/meminfo in bytes (proc(5): its kB are KiB)."""
    sizes: dict[str, int] = {}
    for line in sysfs.text(root / "proc/meminfo").splitlines():
        words = line.split()
        if len(words) == 3 and words[1].isdigit() and words[2] == "kB":
            sizes[words[0].rstrip(":")] = int(words[1]) * 1024
    return sizes
