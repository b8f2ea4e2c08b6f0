"""The ring's identity and its counters: the marker file, the boot number and the next run of a camera.

Safe between processes: whoever claims holds a lock on the data folder meanwhile, so cameras and node agree.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from agent.clock import kernel_boot_id
from agent.errors import RingMissing
from agent.ledger import highest_boot
from agent.recording.folder import DATE_LENGTH, disk_error, sync_folder, write_synced

__all__ = ["BootNumber", "claim_boot", "current_boot", "ensure_ring", "next_run", "require_ring"]

_MARKER = "ring.json"
_BOOT = "boot.json"


class _Marker(msgspec.Struct, frozen=True):
    ring_id: str
    v: int = 1


class _Claim(msgspec.Struct, frozen=True):
    boot: int
    boot_id: str
    v: int = 1


@dataclass(frozen=True, slots=True)
class BootNumber:
    """`boot` counts this ring's boots from 1; `boot_id` is the kernel's own id of the boot, only noted."""

    boot: int
    boot_id: str


def ensure_ring(data_dir: Path, ring_id: str = "") -> str:
    """The ring's id; makes the folder and its marker at the first start of a node that names no ring.

    Raises RingMissing when `ring_id` is named and its marker is not there: then the disk is not mounted, and a new
    marker would send footage to the root card. Raises DiskError.
    """
    if ring_id:
        return require_ring(data_dir, ring_id)
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with _locked(data_dir):
            marker = _read(data_dir / _MARKER, _Marker)
            if marker is None:
                marker = _Marker(str(uuid.uuid4()))
                write_synced(data_dir / _MARKER, msgspec.json.encode(marker))
            for name in ("footage", "ledger", "stills"):
                (data_dir / name).mkdir(exist_ok=True)
            sync_folder(data_dir)
    except OSError as exc:
        raise disk_error(exc) from exc
    return marker.ring_id


def require_ring(data_dir: Path, ring_id: str = "") -> str:
    """The id of the ring that is mounted here. Raises RingMissing when there is none, or another than `ring_id`."""
    marker = _read(data_dir / _MARKER, _Marker)
    if marker is None:
        raise RingMissing(folder=str(data_dir), remedy="mount the footage disk, or start the node once to make a ring")
    if ring_id and marker.ring_id != ring_id:
        raise RingMissing(
            folder=str(data_dir),
            found=marker.ring_id,
            wanted=ring_id,
            remedy="another disk is mounted here; mount the right one or correct storage.ring_id",
        )
    return marker.ring_id


def claim_boot(data_dir: Path, boot_id: str | None = None) -> BootNumber:
    """This boot's number: the same for every process of one kernel boot, higher by one for the next.

    `boot_id` is the kernel's unless a test says otherwise. A lost counter goes on after the highest boot in the
    segments' names and in the ledger. Raises DiskError.
    """
    kernel_id = boot_id or kernel_boot_id()
    try:
        with _locked(data_dir):
            claim = _read(data_dir / _BOOT, _Claim)
            if claim is None:
                claim = _Claim(_highest_boot(data_dir), "")
            if claim.boot_id != kernel_id:
                claim = _Claim(claim.boot + 1, kernel_id)
                write_synced(data_dir / _BOOT, msgspec.json.encode(claim))
    except OSError as exc:
        raise disk_error(exc) from exc
    return BootNumber(claim.boot, claim.boot_id)


def current_boot(data_dir: Path) -> BootNumber | None:
    """The boot last claimed, without claiming; None before the first or when the counter was lost."""
    claim = _read(data_dir / _BOOT, _Claim)
    return None if claim is None else BootNumber(claim.boot, claim.boot_id)


def next_run(data_dir: Path, camera: str, boot: int) -> int:
    """One more than the highest run of this boot among the camera's files, from 1.

    Lists the camera's whole folder (tens of ms for a month): a process asks once and counts on by itself.
    """
    prefix = f"{boot:06d}_"
    runs = (name[len(prefix) :].split("_", 1)[0] for name in _names(data_dir / "footage" / camera, prefix))
    return max((int(run) for run in runs if run.isascii() and run.isdigit()), default=0) + 1


def _highest_boot(data_dir: Path) -> int:
    """Of all segments' names and of the ledger, which outlives expired footage; 0 for a new ring."""
    highest = highest_boot(data_dir)
    for camera in _folders(data_dir / "footage"):
        boots = (name.split("_", 1)[0] for name in _names(camera))
        highest = max(highest, max((int(boot) for boot in boots if boot.isascii() and boot.isdigit()), default=0))
    return highest


def _names(camera: Path, prefix: str = "") -> Iterator[str]:
    for day in _folders(camera):
        if len(day.name) == DATE_LENGTH:
            with os.scandir(day) as entries:
                yield from (entry.name for entry in entries if entry.name.startswith(prefix))


def _folders(parent: Path) -> list[Path]:
    try:
        with os.scandir(parent) as entries:
            return [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


_Kind = TypeVar("_Kind", _Marker, _Claim)


def _read(path: Path, kind: type[_Kind]) -> _Kind | None:
    """None when the file is missing or was torn; both are recovered from by its caller."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    except OSError as exc:
        raise disk_error(exc) from exc


@contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    """An exclusive lock on the data folder itself, which leaves no lock file behind."""
    descriptor = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
