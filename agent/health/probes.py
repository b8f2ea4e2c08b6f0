"""Facts about the machine, read where the kernel keeps them. What the machine does not tell is None or unknown.

`root` stands before every path: "/" on a node, a folder in tests.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from agent.contract.states import Known, MachineHealth
from agent.health.report import DiskSpace

_ROOT: Final = Path("/")
# The Raspberry Pi's firmware says here what `vcgencmd get_throttled` prints (its kernel's firmware/raspberrypi.c).
_PI_THROTTLED: Final = "sys/devices/platform/soc/soc:firmware/get_throttled"
_PI_UNDER_VOLTAGE_NOW: Final = 1 << 0
_PI_FREQUENCY_CAPPED_NOW: Final = 1 << 1
_PI_THROTTLED_NOW: Final = 1 << 2
_PI_TEMPERATURE_LIMIT_NOW: Final = 1 << 3
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
    firmware = _read_hex(root / _PI_THROTTLED)
    memory = _memory(root)
    uptime = _read(root / "proc/uptime").split()
    load = _read(root / "proc/loadavg").split()
    return MachineHealth(
        temperature_c=temperature_c(root),
        throttled=_known(firmware, _PI_THROTTLED_NOW | _PI_FREQUENCY_CAPPED_NOW | _PI_TEMPERATURE_LIMIT_NOW),
        under_voltage=_under_voltage(root, firmware),
        load_1min=_number(load[0]) if load else None,
        memory_available_bytes=memory.get("MemAvailable"),
        memory_total_bytes=memory.get("MemTotal"),
        uptime_s=_number(uptime[0]) if uptime else None,
    )


def temperature_c(root: Path = _ROOT) -> float | None:
    """The hottest zone of the processor, else the hottest of all; None where the kernel shows none (thermal-sysfs)."""
    zones: list[tuple[bool, float]] = []
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        milli = _number(_read(zone / "temp"))
        # A disabled zone of a Jetson reads -256000, a dead one 0.
        if milli is not None and milli > 0:
            kind = _read(zone / "type").lower()
            zones.append((any(word in kind for word in _PROCESSOR_ZONES), milli / 1000))
    return max(zones)[1] if zones else None


def hardware_model(root: Path = _ROOT) -> str | None:
    """ "Raspberry Pi 5 Model B Rev 1.0", "NVIDIA Jetson Orin Nano …", or a PC's product name."""
    for source in ("proc/device-tree/model", "sys/class/dmi/id/product_name"):
        text = _read(root / source).strip("\0 \n")
        if text:
            return text
    return None


def os_name(root: Path = _ROOT) -> str | None:
    """PRETTY_NAME of os-release(5)."""
    for line in _read(root / "etc/os-release").splitlines():
        key, _, value = line.partition("=")
        if key == "PRETTY_NAME":
            return value.strip('"')
    return None


def _under_voltage(root: Path, firmware: int | None) -> Known:
    # Newer kernels show the Pi's under-voltage as a hwmon alarm (drivers/hwmon/raspberrypi-hwmon.c).
    for hwmon in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        if _read(hwmon / "name").strip() == "rpi_volt":
            alarm = _number(_read(hwmon / "in0_lcrit_alarm"))
            return Known.UNKNOWN if alarm is None else Known.YES if alarm else Known.NO
    return _known(firmware, _PI_UNDER_VOLTAGE_NOW)


def _known(bits: int | None, mask: int) -> Known:
    if bits is None:
        return Known.UNKNOWN
    return Known.YES if bits & mask else Known.NO


def _memory(root: Path) -> dict[str, int]:
    """/proc/meminfo in bytes (proc(5): its kB are KiB)."""
    sizes: dict[str, int] = {}
    for line in _read(root / "proc/meminfo").splitlines():
        words = line.split()
        if len(words) == 3 and words[1].isdigit() and words[2] == "kB":
            sizes[words[0].rstrip(":")] = int(words[1]) * 1024
    return sizes


def _read(path: Path) -> str:
    """Empty when the file is not there or the driver behind it does not answer."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _read_hex(path: Path) -> int | None:
    try:
        return int(_read(path), 16)
    except ValueError:
        return None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
