"""The power of a whole (virtual) machine is cut while it records: what was not flushed is lost, torn, out of order."""

from __future__ import annotations

import random
import shutil
import sqlite3
import statistics
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from agent.ledger import LedgerDamage, read_ledger
from agent.recording import account
from agent.store import STORE_NAME, open_store
from agent.units import WallSpan
from tests.faults.rig import AgentUnderTest, CameraSetup, seconds_between
from tests.rigs.cached_disk import CachedDisk
from tests.rigs.guest import Guest, GuestImage, make_image, missing_tools

_CAMERAS = ("c01", "c02")
_DISK_BYTES = 1 << 30
# An emulated machine is ten to thirty times slower than this one, and this one may be busy.
_START_LIMIT_S = 300.0
_RUNS_S = 8.0


@dataclass(slots=True)
class _Figures:
    lost_s: list[float] = field(default_factory=list)
    start_s: list[float] = field(default_factory=list)
    blocks: list[tuple[int, int]] = field(default_factory=list)
    torn_ledgers: int = 0
    writes: int = 0
    flushes: int = 0


def machine_cuts(folder: Path, rounds: int, ffmpeg: str) -> list[str]:
    """So many power cuts of one machine with two cameras. Says why where no machine can be made."""
    if lacking := missing_tools():
        return [f"vm: not run, {', '.join(lacking)} not installed"]
    folder.mkdir(parents=True)
    image = make_image(folder / "image")
    disk = folder / "ring.img"
    with disk.open("wb") as file:
        file.truncate(_DISK_BYTES)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", str(disk)], check=True)
    agent = AgentUnderTest(folder / "mnt", cameras=tuple(map(CameraSetup, _CAMERAS)), vision=False)
    agent.folder.mkdir()
    figures, chance = _Figures(), random.Random(5)
    for number in range(rounds):
        begun_ns, ended_ns = _boot_and_cut(image, disk, folder, figures, chance)
        with _mounted(disk, agent.folder):
            # A cut in the first second may leave nothing of this boot, and then what was lost is all of it.
            ends_ns = [max(agent.newest_end_ns(camera), begun_ns) for camera in _CAMERAS]
            lost_s = [seconds_between(end_ns, ended_ns) for end_ns in ends_ns]
            _check_store(agent.data_dir, figures)
        figures.lost_s += lost_s
        unsafe, lost = figures.blocks[-1]
        print(
            f"vm cut {number + 1}: lost {lost_s} s, recorded {figures.start_s[-1]} s after the agent's start,"
            f" {lost} of {unsafe} unflushed blocks gone",
            flush=True,
        )
    with _mounted(disk, agent.folder):
        assert agent.index_differences() == []
        files = _play_all(agent, ffmpeg)
        reasons = _reasons(agent)
    return [_told(figures, rounds, files, reasons)]


def _boot_and_cut(
    image: GuestImage, disk: Path, folder: Path, figures: _Figures, chance: random.Random
) -> tuple[int, int]:
    """The guest's wall clock when both cameras recorded, and when its power went."""
    address = folder / "disk.sock"
    with CachedDisk(disk, address) as cached:
        guest = Guest(image, address, folder / "console.log")
        try:
            after_s, begun_ns = guest.wait_for("recording", _START_LIMIT_S).split()
            figures.start_s.append(float(after_s))
            threading.Event().wait(chance.uniform(0.0, _RUNS_S))
        finally:
            ended_ns = guest.cut_power()
        figures.blocks.append(cached.cut(chance))
        figures.flushes += cached.flushes
        figures.writes += cached.writes
    return int(begun_ns), ended_ns


def _check_store(data_dir: Path, figures: _Figures) -> None:
    """On a copy, so that the next boot finds what the cut left. Whole, or the node would set it aside."""
    copies = data_dir.parent.with_suffix(".copy")
    copies.mkdir(exist_ok=True)
    for suffix in ("", "-wal"):
        copied = copies / f"{STORE_NAME}{suffix}"
        copied.unlink(missing_ok=True)
        if (data_dir / copied.name).exists():
            shutil.copy(data_dir / copied.name, copied)
    with closing(sqlite3.connect(copies / STORE_NAME)) as conn:
        assert conn.execute("PRAGMA integrity_check").fetchone() == ("ok",), "the store is damaged"
    damage: list[LedgerDamage] = []
    for _ in read_ledger(data_dir, on_damage=damage.append):
        continue
    figures.torn_ledgers += bool(damage)


def _play_all(agent: AgentUnderTest, ffmpeg: str) -> int:
    names = [name for camera in _CAMERAS for name, _ in agent.scans(camera)]
    for name in names:
        argv = [ffmpeg, "-v", "error", "-i", str(agent.data_dir / name.path()), "-f", "null", "-"]
        told = subprocess.run(argv, capture_output=True, check=True)
        assert not told.stderr, f"{name}: {told.stderr.decode()}"
    return len(names)


def _reasons(agent: AgentUnderTest) -> str:
    """Of all gaps between the first frame and the last."""
    counts: Counter[str] = Counter()
    for camera in _CAMERAS:
        spans = [scan.span for _, scan in agent.scans(camera) if scan.span is not None]
        span = WallSpan(min(each.start_ns for each in spans), max(each.end_ns for each in spans))
        with closing(open_store(agent.data_dir, readonly=True)) as conn:
            (found,) = account.account(conn, agent.data_dir, [camera], span, span.end_ns)
        counts.update(gap.reason.value for gap in found.gaps)
    return ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))


def _told(figures: _Figures, rounds: int, files: int, reasons: str) -> str:
    lost_s, start_s = figures.lost_s, figures.start_s
    usual_lost_s, usual_start_s = statistics.median(lost_s), statistics.median(start_s)
    unsafe, gone = (sum(each[at] for each in figures.blocks) for at in (0, 1))
    return (
        f"power cut of a virtual machine x {rounds}, two cameras: {files} segments all play, index equals disk, lost at"
        f" worst {max(lost_s)} s (median {usual_lost_s:.2f}), records again {max(start_s)} s after the agent's"
        f" start at worst (median {usual_start_s:.1f}, emulated); {figures.writes} writes, {figures.flushes}"
        f" flushes, {gone} of {unsafe} unflushed blocks lost, store whole each time, ledger torn"
        f" {figures.torn_ledgers} times; gaps: {reasons}"
    )


@contextmanager
def _mounted(disk: Path, folder: Path) -> Iterator[None]:
    """Replays the journal, as the next boot would."""
    subprocess.run(["mount", "-o", "loop", str(disk), str(folder)], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True, capture_output=True)
