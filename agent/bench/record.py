"""`wayside bench record`: what recording costs, against `ffmpeg -c copy` of the same files at the same time."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import psutil

from agent.bench.films import FRAMES_PER_S, Say, cache_folder, make_films
from agent.bench.rows import Pair, Row, median_row
from agent.errors import BenchError, SegmentDamaged
from agent.recording.exporter import read_segment
from agent.recording.segment import SegmentName

PEER: Final = "ffmpeg -c copy"
# Imports, the first segment and ffmpeg's probing are over when both have written; this is on top.
_SETTLE_S: Final = 3.0
_START_LIMIT_S: Final = 30.0
_STOP_LIMIT_S: Final = 10.0
_POLL_S: Final = 0.1
# Product: at most 2 s are not on disk yet. A side that wrote less than the rest did not do its work.
_UNWRITTEN_S: Final = 2.0


def run(streams: Sequence[int], seconds: float, runs: int, say: Say | None = None) -> list[Row]:
    """A row `cpu/N` for each number of streams: percent of one core that recording N cameras takes, a process each.

    Both sides record at once, from the same files paced in real time, and are measured between the same two instants
    after both have settled. Raises BenchError when our side did not record what it should.
    """
    tell = say or (lambda _line: None)
    films = make_films(cache_folder(), max(streams, default=0), tell)
    rows = []
    for count in streams:
        pairs = []
        for number in range(runs):
            pairs.append(_measure(films[:count], seconds))
            tell(f"cpu/{count} run {number + 1}: ours {pairs[-1].ours:.2f} %, {PEER} {pairs[-1].peer:.2f} %")
        rows.append(median_row(f"cpu/{count}", pairs, unit="% of a core", peer_name=PEER))
    return rows


@dataclass(frozen=True, slots=True)
class _Stream:
    """One film, recorded by our camera process and copied by the peer."""

    folder: Path
    camera: str
    film: Path

    @property
    def ours(self) -> list[str]:
        config = str(self.folder / "wayside.toml")
        return [sys.executable, "-m", "agent.processes", "camera", self.camera, "--config", config]

    @property
    def peer(self) -> list[str]:
        """Fragments as short as ours, so that it too would lose little; it never syncs them."""
        flags = ("-movflags", "frag_keyframe+empty_moov+default_base_moof", "-frag_duration", "1000000")
        copy = ("-c", "copy", "-f", "mp4", *flags, str(self._copy))
        return ["ffmpeg", "-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i", str(self.film), *copy]

    @property
    def have_both_written(self) -> bool:
        try:
            frames = self.recorded_frames
        except SegmentDamaged:
            # The first one's head is just being written.
            return False
        return frames > 0 and self._copy.is_file() and self._copy.stat().st_size > 0

    @property
    def recorded_frames(self) -> int:
        """Frames in our segments, the open one among them."""
        total = 0
        for path in (self.folder / "data" / "footage" / self.camera).rglob("*.mp4"):
            name = SegmentName.parse(PurePosixPath(path.relative_to(self.folder / "data")))
            segment = None if name is None else read_segment(self.folder / "data", name)
            total += 0 if segment is None else segment.scan.frames
        return total

    @property
    def _copy(self) -> Path:
        return self.folder / f"{self.camera}-copy.mp4"


def _measure(films: Sequence[Path], seconds: float) -> Pair:
    with tempfile.TemporaryDirectory(prefix="wayside-bench-") as name, ExitStack() as running:
        streams = [_Stream(Path(name), f"c{number:02d}", film) for number, film in enumerate(films)]
        _write_config(Path(name), streams)
        ours = [running.enter_context(started(stream.ours, Path(name) / "ours.log")) for stream in streams]
        peers = [running.enter_context(started(stream.peer, Path(name) / "peer.log")) for stream in streams]
        _wait_until(lambda: all(stream.have_both_written for stream in streams), Path(name))
        pause(_SETTLE_S)
        frames = [stream.recorded_frames for stream in streams]
        began_s, before = time.monotonic(), Pair(cpu_seconds(ours), cpu_seconds(peers))
        pause(seconds)
        past_s, after = time.monotonic() - began_s, Pair(cpu_seconds(ours), cpu_seconds(peers))
        for stream, frames_before in zip(streams, frames, strict=True):
            _check_recorded(stream, stream.recorded_frames - frames_before, past_s)
        return Pair(100 * (after.ours - before.ours) / past_s, 100 * ((after.peer or 0) - (before.peer or 0)) / past_s)


def _write_config(folder: Path, streams: Sequence[_Stream]) -> None:
    """Recording alone: no vision, and nobody listens on the node's socket."""
    head = f'data_dir = "{folder}/data"\nruntime_dir = "{folder}/run"\n[node]\norg = "o"\nsite = "s"\nid = "n"\n'
    cameras = (f'[[camera]]\nid = "{stream.camera}"\nmain = "file:{stream.film}"\n' for stream in streams)
    text = head + "[vision]\nenabled = false\n" + "".join(cameras)
    (folder / "wayside.toml").write_text(text, encoding="utf-8")
    (folder / "run").mkdir()


@contextmanager
def started(argv: Sequence[str], log: Path) -> Iterator[psutil.Process]:
    with log.open("ab") as said, subprocess.Popen(argv, stdout=said, stderr=said) as process:
        try:
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            try:
                process.wait(_STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()


def cpu_seconds(processes: Sequence[psutil.Process]) -> float:
    """User and system time that the processes and all they started have used (proc(5), stat)."""
    total_s = 0.0
    for process in processes:
        for each in (process, *process.children(recursive=True)):
            spent = each.cpu_times()
            total_s += spent.user + spent.system
    return total_s


def _wait_until(is_so: Callable[[], bool], logs: Path) -> None:
    until_s = time.monotonic() + _START_LIMIT_S
    while not is_so():
        if time.monotonic() > until_s:
            said = "\n".join(path.read_text(errors="replace")[-500:] for path in sorted(logs.glob("*.log")))
            raise BenchError(problem=f"nothing was recorded within {_START_LIMIT_S:.0f} s", said=said)
        pause(_POLL_S)


def _check_recorded(stream: _Stream, frames: int, past_s: float) -> None:
    expected = FRAMES_PER_S * (past_s - _UNWRITTEN_S)
    if frames < expected:
        raise BenchError(
            camera=stream.camera, frames=frames, expected=round(expected), remedy="the machine is too busy"
        )


def pause(seconds: float) -> None:
    threading.Event().wait(seconds)
