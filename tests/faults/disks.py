"""What is done to the disk below a running agent: full, read-only, gone, failing. Recording must resume by itself.

The data folder is a file system of its own, made and unmounted here: it takes root.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from agent.errors import StoreError
from agent.recording import account, holds
from agent.recording.gaps import Gap
from agent.store import open_store
from agent.units import NS_PER_S, WallSpan
from tests.broker import wait_until
from tests.faults.rig import AgentUnderTest, CameraSetup

# Long enough for several segments of three seconds to be wanted while nothing can be written.
_HURT_S = 12.0
_SIZE = "64m"


@dataclass(frozen=True, slots=True)
class Fault:
    """`hurt` and `heal` change the disk below the folder; `reason` is what the ledger must say of the time between."""

    name: str
    reason: str
    hurt: Callable[[Path], None]
    heal: Callable[[Path], None]


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


@contextmanager
def tmpfs(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={_SIZE}", "wayside-test", str(folder))
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)


@contextmanager
def image(folder: Path) -> Iterator[None]:
    """ext4 in a file, which can be unmounted and mounted again with what is on it."""
    folder.mkdir(parents=True, exist_ok=True)
    disk = folder.with_suffix(".img")
    with disk.open("wb") as file:
        file.truncate(256 * 1024 * 1024)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(disk)], check=True)
    plug(folder)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)


@contextmanager
def failing(folder: Path) -> Iterator[None]:
    """A folder that fails on demand (tests.faults.failing_fs)."""
    folder.mkdir(parents=True, exist_ok=True)
    below = folder.with_suffix(".below")
    below.mkdir()
    argv = [
        sys.executable,
        "-m",
        "tests.faults.failing_fs",
        str(below),
        str(folder),
        str(folder.with_suffix(".switch")),
    ]
    server = subprocess.Popen(argv, cwd=Path(__file__).resolve().parents[2])
    try:
        wait_until(lambda: os.path.ismount(folder), "the failing file system was not mounted")
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)
        server.wait(10)


def fail_with(name: str) -> Callable[[Path], None]:
    return lambda folder: folder.with_suffix(".switch").write_text(name) and None


def work(folder: Path) -> None:
    folder.with_suffix(".switch").unlink()


def plug(folder: Path) -> None:
    _mount("-o", "loop", str(folder.with_suffix(".img")), str(folder))


def unplug(folder: Path) -> None:
    subprocess.run(["umount", "-l", str(folder)], check=True, capture_output=True)


def fill(folder: Path) -> None:
    """To the last byte, and again: what retention frees meanwhile is taken as well."""
    with (folder / "ballast").open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(64 * 1024))


def empty(folder: Path) -> None:
    (folder / "ballast").unlink()


FULL = Fault("disk full", "disk_full", fill, empty)
# No tool remounts a file system below open files; the kernel does so after an error of its own, and what a writer then
# sees is EROFS.
READ_ONLY = Fault("read-only", "disk_error", fail_with("EROFS"), work)
BROKEN = Fault("input/output errors", "disk_error", fail_with("EIO"), work)
UNPLUGGED = Fault("unmounted", "disk_missing", unplug, plug)


def disk_fault(
    folder: Path, disk: Callable[[Path], AbstractContextManager[None]], fault: Fault, hurt_s: float = _HURT_S
) -> list[str]:
    """Hurt the disk for some seconds while recording: footage before and after, a gap with its reason between, and
    every hold is still there."""
    cameras = (CameraSetup("c01"), CameraSetup("c02"))
    agent = AgentUnderTest(folder, cameras=cameras, segment_s=3.0)
    with disk(agent.data_dir), agent:
        for camera in cameras:
            agent.wait_for_segments(camera.id, 3)
        wait_until(lambda: bool(_holds(agent)), "no incident is held", limit_s=40.0)
        held = _holds(agent)
        fault.hurt(agent.data_dir)
        threading.Event().wait(hurt_s)
        fault.heal(agent.data_dir)
        healed_ns = time.time_ns()
        back_s: list[float] = []
        for camera in cameras:
            wait_until(
                lambda camera=camera: agent.runs(camera.id)[-1].end_wall_ns > healed_ns + NS_PER_S,
                f"{camera.id} does not record again",
                limit_s=60.0,
            )
            back_s.append(round((_first_after(agent, camera.id, healed_ns) - healed_ns) / NS_PER_S, 1))
        for camera in cameras:
            # What happened is told by the camera and stored by the node, which may be waiting to try its disk again.
            wait_until(
                lambda camera=camera: fault.reason in {gap.reason.value for gap in _gaps(agent, camera.id)},
                f"{camera.id}: no gap says {fault.reason}",
                limit_s=30.0,
            )
        assert _holds(agent) >= held, f"holds lost: {held - _holds(agent)}"
        agent.stop()
        gaps = {camera.id: _gaps(agent, camera.id) for camera in cameras}
        assert agent.index_differences() == []
    told = {name: ", ".join(_words(gap) for gap in each) for name, each in gaps.items()}
    return [f"{fault.name} for {hurt_s:.0f} s: records again {back_s} s after, {len(held)} holds kept, gaps {told}"]


def _words(gap: Gap) -> str:
    return f"{(gap.end_wall_ns - gap.start_wall_ns) / NS_PER_S:.1f} s {gap.reason.value}"


def _holds(agent: AgentUnderTest) -> set[str]:
    """None while the node has not made its store yet."""
    try:
        with closing(open_store(agent.data_dir, readonly=True)) as conn:
            return {hold.hold_id for hold in holds.all_holds(conn)}
    except StoreError:
        return set()


def _first_after(agent: AgentUnderTest, camera: str, wall_ns: int) -> int:
    """The first instant after `wall_ns` of which there is footage."""
    spans = sorted(scan.span.start_ns for _, scan in agent.scans(camera) if scan.span and scan.span.end_ns > wall_ns)
    return max(spans[0], wall_ns)


def _gaps(agent: AgentUnderTest, camera: str) -> list[Gap]:
    runs = agent.runs(camera)
    span = WallSpan(runs[0].start_wall_ns, runs[-1].end_wall_ns)
    with closing(open_store(agent.data_dir, readonly=True)) as conn:
        (found,) = account.account(conn, agent.data_dir, [camera], span, span.end_ns)
    return list(found.gaps)
