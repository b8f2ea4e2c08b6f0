"""What slows the machine down or starves it, as Raspberry Pi and Jetson tell it. What they do not tell is unknown.

`root` stands before every path: "/" on a node, a folder in tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.contract.states import Known
from agent.health import sysfs

# The Raspberry Pi's firmware says here what `vcgencmd get_throttled` prints (drivers/firmware/raspberrypi.c of its
# kernel). On a Pi 4 the folder is soc/soc:firmware; newer device trees put the bus address behind `soc`. Where the file
# is not there, as on a Pi 5, only the rpi_volt alarm is.
_PI_THROTTLED: Final = "sys/devices/platform/soc*/soc*:firmware/get_throttled"
_UNDER_VOLTAGE_NOW: Final = 1 << 0
_SLOWED_NOW: Final = 1 << 1 | 1 << 2 | 1 << 3  # frequency capped, throttled, soft temperature limit
_UNDER_VOLTAGE_BEFORE: Final = 1 << 16
_SLOWED_BEFORE: Final = _SLOWED_NOW << 16
# Cooling devices whose state is above 0 exactly while something is slowed down: Jetson Linux's alerts, and the kernel's
# own limit on a processor's clock (drivers/thermal/cpufreq_cooling.c). Fans are cooling devices as well and are not.
_SLOWING: Final = ("throttle-alert", "cpufreq-")
# NVIDIA's tegra23x-oc-event.c: counters since boot of under-voltage, average and instantaneous over-current.
_OC_CHIP: Final = "soctherm_oc"
# drivers/hwmon/ina3221.c; the rail that feeds an Orin NX or Nano module (AGX Orin measures no common one).
_RAIL_CHIP: Final = "ina3221"
_INPUT_RAIL: Final = "VDD_IN"


@dataclass(frozen=True, slots=True)
class Power:
    """`…_before`: at some time since boot, from when `over_current_events` counts. `power_w`: what the module draws."""

    throttled: Known
    under_voltage: Known
    throttled_before: Known
    under_voltage_before: Known
    over_current_events: int | None
    power_w: float | None


def probe_power(root: Path) -> Power:
    """A few file reads."""
    if any(sysfs.hwmons(root, _OC_CHIP)):
        return _jetson(root)
    firmware = next((sysfs.hexadecimal(path) for path in sorted(root.glob(_PI_THROTTLED))), None)
    alarm = next((sysfs.count(chip / "in0_lcrit_alarm") for chip in sysfs.hwmons(root, "rpi_volt")), None)
    now = _bits(firmware, _UNDER_VOLTAGE_NOW) if alarm is None else _known(alarm > 0)
    # drivers/hwmon/raspberrypi-hwmon.c clears the firmware's memory every two seconds. So a bit that is set is proof,
    # and one that is not set proves nothing while that driver runs.
    forgets = alarm is not None
    return Power(
        throttled=_cooling(root) if firmware is None else _bits(firmware, _SLOWED_NOW),
        under_voltage=now,
        throttled_before=_before(_bits(firmware, _SLOWED_BEFORE | _SLOWED_NOW), forgets=forgets),
        under_voltage_before=Known.YES
        if now is Known.YES
        else _before(_bits(firmware, _UNDER_VOLTAGE_BEFORE), forgets=forgets),
        over_current_events=None,
        power_w=_input_power_w(root),
    )


def _jetson(root: Path) -> Power:
    """From counters: one that stands at 0 says that it is not so now either, a higher one says nothing about now."""
    chip = next(sysfs.hwmons(root, _OC_CHIP))
    sagged, average, instant = (sysfs.count(chip / f"oc{number}_event_cnt") for number in (1, 2, 3))
    over = None if average is None or instant is None else average + instant
    slowed = _cooling(root)
    has_slowed = slowed is Known.YES or (over is not None and over > 0)
    return Power(
        throttled=slowed,
        under_voltage=Known.NO if sagged == 0 else Known.UNKNOWN,
        # Nobody counts what heat alone has slowed down.
        throttled_before=Known.YES if has_slowed else Known.UNKNOWN,
        under_voltage_before=Known.UNKNOWN if sagged is None else _known(sagged > 0),
        over_current_events=over,
        power_w=_input_power_w(root),
    )


def _cooling(root: Path) -> Known:
    states = [
        sysfs.count(device / "cur_state")
        for device in sorted((root / "sys/class/thermal").glob("cooling_device*"))
        if any(word in sysfs.text(device / "type") for word in _SLOWING)
    ]
    known = [state for state in states if state is not None]
    return _known(any(known)) if known else Known.UNKNOWN


def _input_power_w(root: Path) -> float | None:
    for chip in sysfs.hwmons(root, _RAIL_CHIP):
        for channel in (1, 2, 3):
            if sysfs.text(chip / f"in{channel}_label") == _INPUT_RAIL:
                milli_v, milli_a = (
                    sysfs.number(chip / f"in{channel}_input"),
                    sysfs.number(chip / f"curr{channel}_input"),
                )
                return None if milli_v is None or milli_a is None else round(milli_v * milli_a / 1e6, 3)
    return None


def _before(told: Known, *, forgets: bool) -> Known:
    return Known.UNKNOWN if told is Known.NO and forgets else told


def _bits(value: int | None, mask: int) -> Known:
    return Known.UNKNOWN if value is None else _known(bool(value & mask))


def _known(fact: bool) -> Known:
    return Known.YES if fact else Known.NO
