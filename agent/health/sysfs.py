"""Small files of the kernel, read without surprises: what is not there, or does not parse, is empty or None."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def text(path: Path) -> str:
    """Empty when the file is not there or the driver behind it does not answer."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0 \n")
    except OSError:
        return ""


def number(path: Path) -> float | None:
    return to_number(text(path))


def count(path: Path) -> int | None:
    """A counter; None for anything but decimal digits."""
    found = text(path)
    return int(found) if found.isascii() and found.isdigit() else None


def hexadecimal(path: Path) -> int | None:
    try:
        return int(text(path), 16)
    except ValueError:
        return None


def to_number(words: str) -> float | None:
    try:
        return float(words)
    except ValueError:
        return None


def hwmons(root: Path, name: str) -> Iterator[Path]:
    """Folders of the monitoring chips of that name (Documentation/hwmon/sysfs-interface.rst)."""
    for folder in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        if text(folder / "name") == name:
            yield folder
