"""How much was written to the disk under a folder, and how worn it is, where the kernel tells it.

`root` stands before every path: "/" on a node, a folder in tests.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from agent.health import sysfs
from agent.health.report import DiskWear

_ROOT: Final = Path("/")
# Documentation/block/stat.rst: the seventh number is sectors written, and a sector there is always 512 bytes.
_WRITTEN_FIELD: Final = 6
_SECTOR_BYTES: Final = 512
# JESD84-B50, DEVICE_LIFE_TIME_EST_TYP_A and _B: 1 is up to 10 % of the rated writes, 10 up to 100 %, 11 beyond; 0 says
# nothing (drivers/mmc/core/mmc.c shows both as `life_time`).
_LIFE_STEP: Final = 0.1
_LIFE_LAST: Final = 11


def device_number(folder: Path) -> str | None:
    """ "179:2" of the file system that holds `folder`; None when the folder is not there."""
    try:
        device = folder.stat().st_dev
    except OSError:
        return None
    return f"{os.major(device)}:{os.minor(device)}"


def probe_wear(device: str | None, root: Path = _ROOT) -> DiskWear:
    """By device number; all unknown for what is no block device (tmpfs, overlay, network).

    `used_ratio` is the upper end of the step that the device tells. SD cards tell none, and NVMe drives only to whoever
    may send them commands, which the node may not.
    """
    volume = root / "sys/dev/block" / device if device else None
    if volume is None or not volume.exists():
        return DiskWear()
    volume = volume.resolve()
    kilobytes = sysfs.count(root / "sys/fs/ext4" / volume.name / "lifetime_write_kbytes")
    disk = _disk_of(volume)
    fields = sysfs.text(disk / "stat").split()
    written = fields[_WRITTEN_FIELD] if len(fields) > _WRITTEN_FIELD else ""
    return DiskWear(
        written_bytes=int(written) * _SECTOR_BYTES if written.isdigit() else None,
        lifetime_written_bytes=None if kilobytes is None else kilobytes * 1024,
        used_ratio=_life_used(sysfs.text(disk / "device/life_time")),
    )


def _disk_of(volume: Path) -> Path:
    """The whole disk under a partition, also through an encrypted volume (one disk below it)."""
    below = sorted((volume / "slaves").glob("*"))
    if len(below) == 1:
        volume = below[0].resolve()
    return volume.parent if (volume / "partition").exists() else volume


def _life_used(words: str) -> float | None:
    try:
        steps = [int(word, 16) for word in words.split()]
    except ValueError:
        return None
    told = [step for step in steps if 1 <= step <= _LIFE_LAST]
    return round(max(told) * _LIFE_STEP, 1) if told else None
