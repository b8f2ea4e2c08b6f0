"""A whole agent on a folder of its own, with what a test needs to hurt it and to look at what is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import TracebackType

from agent.errors import SegmentDamaged
from agent.recording.exporter import read_segment
from agent.recording.recovery import differences, reconcile
from agent.recording.segment import SegmentName, SegmentScan
from agent.store import open_store
from agent.units import NS_PER_S
from tests.broker import Broker, wait_until

ROOT = Path(__file__).resolve().parents[2]
STREET = ROOT / "agent" / "demo" / "street.mp4"
# People walk through the campus clip all the time, so in a zone of the whole picture an incident opens at once.
EVERYWHERE = (
    'camera = "{camera}"\n[[zone]]\nid = "all"\npolygon = [[0, 0], [1, 0], [1, 1], [0, 1]]\n'
    "rules = {{ intrusion = {{}} }}\n"
    '[[line]]\nid = "left"\npoints = [[0.35, 0], [0.35, 1]]\n[[line]]\nid = "right"\npoints = [[0.65, 0], [0.65, 1]]\n'
)
# Six seconds on a quiet machine; a limit for one that runs all tests at once.
_START_LIMIT_S = 120.0


@dataclass(frozen=True, slots=True)
class CameraSetup:
    """A camera of the agent under test; `extra` are further lines of its TOML."""

    id: str
    main: str = f"file:{STREET}"
    extra: str = ""


@dataclass(frozen=True, slots=True)
class RunOnDisk:
    """One run as its files tell it. `missing`: frames that its own time says must be there and are not."""

    run: int
    start_wall_ns: int
    end_wall_ns: int
    frames: int
    missing: int


def _short_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="wayside-")


@dataclass(slots=True)
class AgentUnderTest:
    """`with` starts `wayside run` and ends it, by process ids of its own making."""

    folder: Path
    cameras: tuple[CameraSetup, ...] = (CameraSetup("c01"),)
    broker: Broker | None = None
    segment_s: float = 10.0
    vision: bool = True
    environment: dict[str, str] = field(default_factory=dict)
    # Lines of the configuration's head: whom it believes.
    trust: str = 'trust = "open"'
    # Put before its command: where it runs, such as a network namespace.
    inside: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    # A socket's path has at most 107 bytes, and a test's own folder alone may have more.
    _runtime: tempfile.TemporaryDirectory[str] = field(default_factory=_short_folder, init=False)

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def runtime_dir(self) -> Path:
        return Path(self._runtime.name)

    def __enter__(self) -> AgentUnderTest:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "wayside.toml"
        config.write_text(self._config(), encoding="utf-8")
        (self.runtime_dir / "children.json").unlink(missing_ok=True)
        with (self.folder / "agent.log").open("ab") as log:
            argv = [*self.inside, sys.executable, "-m", "agent", "run", "--config", str(config)]
            environment = os.environ | self.environment
            self.process = subprocess.Popen(argv, stdout=log, stderr=log, cwd=ROOT, env=environment)
        wanted = {"node", *(["vision"] if self.vision else []), *(f"camera-{camera.id}" for camera in self.cameras)}
        process = self.process
        wait_until(
            lambda: wanted <= set(self.pids()) or process.poll() is not None,
            "the agent did not start",
            limit_s=_START_LIMIT_S,
        )
        assert process.poll() is None, (self.folder / "agent.log").read_text(encoding="utf-8")[-2000:]

    def stop(self) -> int:
        """End it in order; its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def kill_all(self) -> int:
        """SIGKILL every process of it at once; the wall time of it."""
        assert self.process is not None
        pids = [self.process.pid, *self.pids().values()]
        killed_wall_ns = time.time_ns()
        for pid in pids:
            _send(pid, signal.SIGKILL)
        self.process.wait()
        wait_until(lambda: not any(_is_alive(pid) for pid in pids), "a process outlived its supervisor")
        return killed_wall_ns

    def hurt(self, name: str, number: signal.Signals) -> int:
        """Send a signal to one of its processes; the wall time of it."""
        _send(self.pids()[name], number)
        return time.time_ns()

    def pids(self) -> dict[str, int]:
        try:
            found: dict[str, int] = json.loads((self.runtime_dir / "children.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return found

    def wait_for_new(self, name: str, old_pid: int) -> int:
        wait_until(lambda: self.pids().get(name, old_pid) != old_pid, f"{name} was not started again")
        return self.pids()[name]

    def wait_for_footage(self, camera: str, frames: int) -> None:
        wait_until(lambda: self._frames(camera) >= frames, f"{camera} does not record", limit_s=60.0)

    def wait_for_segments(self, camera: str, count: int) -> None:
        wait_until(lambda: self._count(camera) >= count, f"{camera} makes no more segments", limit_s=60.0)

    def _frames(self, camera: str) -> int:
        try:
            return sum(run.frames for run in self.runs(camera))
        except SegmentDamaged:
            # The newest one's head is just being written.
            return 0

    def _count(self, camera: str) -> int:
        try:
            return len(self.scans(camera))
        except SegmentDamaged:
            # The newest one's head is just being written.
            return 0

    def scans(self, camera: str) -> list[tuple[SegmentName, SegmentScan]]:
        """Every segment of a camera in order of recording."""
        found: list[tuple[SegmentName, SegmentScan]] = []
        for path in (self.data_dir / "footage" / camera).rglob("*.mp4"):
            name = SegmentName.parse(PurePosixPath(path.relative_to(self.data_dir)))
            assert name is not None, f"{path} is no segment's name"
            segment = read_segment(self.data_dir, name) if path.stat().st_size else None
            if segment is not None and segment.scan.span is not None:
                found.append((name, segment.scan))
        return sorted(found, key=lambda each: each[0])

    def newest_run(self, camera: str) -> tuple[int, int] | None:
        """(boot, run) of the newest segment that holds a frame; None before there is one. Reads one file or two."""
        newest = self._newest(camera)
        return (newest[0].boot, newest[0].run) if newest is not None else None

    def newest_end_ns(self, camera: str) -> int:
        """Where its footage ends, as its own file says."""
        newest = self._newest(camera)
        assert newest is not None and newest[1].span is not None
        return newest[1].span.end_ns

    def _newest(self, camera: str) -> tuple[SegmentName, SegmentScan] | None:
        folder = self.data_dir / "footage" / camera
        names = sorted(
            (name for path in folder.rglob("*.mp4") if (name := SegmentName.parse(_inside(path, self.data_dir)))),
            reverse=True,
        )
        for name in names:
            try:
                segment = read_segment(self.data_dir, name)
            except SegmentDamaged:
                # Its head is just being written; `scans` tells of one that stays so.
                continue
            if segment is not None and segment.scan.span is not None:
                return name, segment.scan
        return None

    def runs(self, camera: str) -> list[RunOnDisk]:
        groups: dict[int, list[SegmentScan]] = {}
        try:
            for name, scan in self.scans(camera):
                groups.setdefault(name.run, []).append(scan)
        except (FileNotFoundError, ValueError):
            return []
        return [_run(number, scans) for number, scans in sorted(groups.items())]

    def index_differences(self) -> list[str]:
        """What a fresh start would not agree on: reconciled as the node does, then compared file by file."""
        conn = open_store(self.data_dir)
        try:
            reconcile(conn, self.data_dir)
            return [f"{each.kind} {each.path} {each.detail}" for each in differences(conn, self.data_dir)]
        finally:
            conn.close()

    def _config(self) -> str:
        broker = f'[broker]\nurl = "{self.broker.url}"\nconnect_spread_s = 0\n' if self.broker else ""
        cameras = "".join(self._camera(camera) for camera in self.cameras)
        return (
            f'data_dir = "{self.data_dir}"\nruntime_dir = "{self.runtime_dir}"\n{self.trust}\n'
            f'[node]\norg = "test-org"\nsite = "test-site"\nid = "test-node"\n{broker}'
            f'[storage]\nmin_free = "1MB"\nsegment_s = {self.segment_s}\n'
            f"[vision]\nenabled = {str(self.vision).lower()}\n{cameras}"
        )

    def _camera(self, camera: CameraSetup) -> str:
        scene = self.folder / f"{camera.id}.toml"
        scene.write_text(EVERYWHERE.format(camera=camera.id), encoding="utf-8")
        return f'[[camera]]\nid = "{camera.id}"\nmain = "{camera.main}"\nscene = "{scene}"\n{camera.extra}\n'


def _inside(path: Path, data_dir: Path) -> PurePosixPath:
    return PurePosixPath(path.relative_to(data_dir))


def _run(number: int, scans: list[SegmentScan]) -> RunOnDisk:
    spans = [scan.span for scan in scans if scan.span is not None]
    frames = sum(scan.frames for scan in scans)
    lengths = sorted(part.duration_ns // part.frames for scan in scans for part in scan.fragments if part.frames)
    start_ns, end_ns = min(span.start_ns for span in spans), max(span.end_ns for span in spans)
    expected = round((end_ns - start_ns) / lengths[len(lengths) // 2])
    return RunOnDisk(number, start_ns, end_ns, frames, max(expected - frames, 0))


def seconds_between(earlier_ns: int, later_ns: int) -> float:
    return round((later_ns - earlier_ns) / NS_PER_S, 2)


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _is_alive(pid: int) -> bool:
    try:
        return not Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0].startswith(("Z", "X"))
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return False


__all__ = ["AgentUnderTest", "CameraSetup", "RunOnDisk", "seconds_between"]
