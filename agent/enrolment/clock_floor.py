"""The floor of this node's clock, so that TLS works after a boot in 1970. `python -m agent.enrolment.clock_floor`.

Run before anything that needs the time, with CAP_SYS_TIME: a clock below the newest moment that this node has certainly
lived through is set to it. It only ever sets the clock forward, and it does not make it true: the kernel still says
"unsynchronised" until chrony has asked somebody. What cannot be read is no floor and no failure.
Exit codes: 0 the clock is not below its floor (any more), 1 it could not be set, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from agent import log
from agent.clock import Clock
from agent.contract.wire import decode, encode
from agent.enrolment.floor import SavedTime, floor_s
from agent.enrolment.home import DEFAULT_DATA, NodeHome
from agent.enrolment.papers import load_config
from agent.errors import ConfigError, EnrolmentError, WireError
from agent.recording.folder import DATE_LENGTH, disk_error, write_synced
from agent.recording.naming import SegmentName
from agent.units import NS_PER_S, format_rfc3339

SAVED_FILE: Final = "clock.json"
# The release's manifest, beside the virtual environment that runs this.
_MANIFEST: Final = Path(sys.prefix) / "manifest.json"

_log = log.get("clock_floor")


class _Manifest(msgspec.Struct, frozen=True):
    built_at: str | int


def save_time(data_dir: Path, clock: Clock) -> None:
    """Write the wall clock down. A clock that chrony has put back is written down as well: that is how a time that was
    too late by mistake is forgotten. Raises DiskError."""
    saved = SavedTime(wall_s=clock.wall_ns() // NS_PER_S, quality=clock.status().quality.value)
    try:
        write_synced(data_dir / SAVED_FILE, encode(saved) + b"\n")
    except OSError as exc:
        raise disk_error(exc) from exc


def find_floor_s(home: NodeHome, data_dir: Path, manifest: Path = _MANIFEST) -> int:
    """The floor by what lies on this node's disks, in Unix seconds."""
    return floor_s(
        built_s=_built_s(manifest),
        saved_s=_saved_s(data_dir),
        signed_s=_signed_s(home),
        segments_s=tuple(newest_segments_s(data_dir)),
    )


def newest_segments_s(data_dir: Path) -> Iterator[int]:
    """Opening and modification of each camera's newest segments, in Unix seconds: of its last three days, because a
    day folder in the future is left over where a clock was wrong once."""
    for camera in _children(data_dir / "footage"):
        days = [day for day in _children(camera) if len(day.name) == DATE_LENGTH]
        for day in days[-3:]:
            for path in _children(day)[-1:]:
                name = SegmentName.parse(PurePosixPath(path.relative_to(data_dir)))
                if name is not None:
                    yield name.opened_wall_ms // 1000
                    yield int(path.stat().st_mtime)


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _built_s(manifest: Path) -> int | None:
    try:
        built_at = decode(manifest.read_bytes(), _Manifest).built_at
        return built_at if isinstance(built_at, int) else int(datetime.fromisoformat(built_at).timestamp())
    except (OSError, WireError, ValueError):
        return None


def _saved_s(data_dir: Path) -> int | None:
    try:
        return decode((data_dir / SAVED_FILE).read_bytes(), SavedTime).wall_s
    except (OSError, WireError):
        return None


def _signed_s(home: NodeHome) -> int | None:
    try:
        return home.load_enrolment().granted_s
    except EnrolmentError:
        return None


def _data_dir(home: NodeHome) -> Path:
    """Where the configuration says, before there is one the default."""
    try:
        config = load_config(home)
    except (ConfigError, EnrolmentError):
        config = None
    return Path(os.environ.get("WAYSIDE_DATA") or (config.data_dir if config else DEFAULT_DATA))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="clock_floor", description=__doc__)
    parser.add_argument("--home", type=Path, default=None, help="the node's home (default $WAYSIDE_HOME, /etc/wayside)")
    parser.add_argument("--data", type=Path, default=None, help="footage and saved time (default: as configured)")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done and leave the clock alone")
    arguments = parser.parse_args(argv)
    log.setup()
    home = NodeHome(arguments.home) if arguments.home else NodeHome.default()
    floor = find_floor_s(home, arguments.data or _data_dir(home))
    now_s = int(time.time())
    if now_s >= floor:
        _log.info("clock is above its floor", floor=format_rfc3339(floor * NS_PER_S), behind_s=0)
        return 0
    facts = {"floor": format_rfc3339(floor * NS_PER_S), "behind_s": floor - now_s}
    if arguments.dry_run:
        _log.warning("clock would be set to its floor", **facts)
        return 0
    try:
        time.clock_settime(time.CLOCK_REALTIME, floor)
    except OSError as exc:
        _log.error("clock is below its floor and cannot be set", error=exc.strerror, **facts)
        return 1
    _log.warning("clock set to its floor", **facts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
