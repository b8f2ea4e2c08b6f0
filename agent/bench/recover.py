"""`wayside bench recover`: how long a ring without a database takes to be found again, and a healthy node to start.

The ring is made of real files (agent.bench.ring), which the page cache holds from then on; recovery is the command
itself, in a process of its own, and the start is the node's own process, until it says that it is ready.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from agent.bench import ring
from agent.bench.films import Say
from agent.bench.installed import installed_environment
from agent.bench.rows import Pair, Row, median_row
from agent.errors import BenchError
from agent.recording.boot import ensure_ring
from agent.recording.summary import SUMMARY_BYTES
from agent.store import STORE_NAME

CAMERAS: Final = 4
_READY_LIMIT_S: Final = 600.0
_STOP_LIMIT_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class _Recovery:
    seconds: float
    rss_mb: float


def run(segments: int, runs: int, folder: Path | None, say: Say) -> list[Row]:
    """Rows for `segments` of one minute by four cameras; 172 800 are 30 days, and take 7 GB of `folder`.

    `recover_s`: the whole command over segments that were closed in order, without a store. `unclosed_s`: the same over
    segments whose writer died, each of which is read whole. `start_s`: the node's process until it is ready, with a
    store and with its bytecode compiled. `rss_mb` is the largest process's. Raises BenchError.
    """
    with TemporaryDirectory(prefix="wayside-bench-", dir=folder) as name:
        root = Path(name)
        places = list(ring.places(CAMERAS, segments))
        data_dir = root / "data"
        ensure_ring(data_dir)
        say(f"writing {segments} segments")
        size_bytes = ring.fill(data_dir, ring.make_template(root), places, say)
        say(f"{size_bytes / 1e9:.1f} GB written")
        closed = _recoveries(data_dir, segments, runs, say)
        # The first one compiles, as an installation does.
        starts = [_start(root, say) for _ in range(runs + 1)][1:]
        for place in places:
            _reopen(data_dir / place.name.path())
        unclosed = _recoveries(data_dir, segments, runs, say)
    return [
        _row("recover_s", [each.seconds for each in closed], "s"),
        _row("recover_us", [each.seconds / segments * 1e6 for each in closed], "µs a segment"),
        _row("recover_rss_mb", [each.rss_mb for each in closed], "MB"),
        _row("unclosed_s", [each.seconds for each in unclosed], "s"),
        _row("unclosed_us", [each.seconds / segments * 1e6 for each in unclosed], "µs a segment"),
        _row("start_s", starts, "s"),
    ]


def _row(measure: str, values: Sequence[float], unit: str) -> Row:
    return median_row(measure, [Pair(value) for value in values], unit=unit)


def _recoveries(data_dir: Path, segments: int, runs: int, say: Say) -> list[_Recovery]:
    found = []
    for number in range(runs):
        for suffix in ("", "-wal", "-shm"):
            (data_dir / f"{STORE_NAME}{suffix}").unlink(missing_ok=True)
        found.append(_recover(data_dir, segments))
        say(f"recovery {number + 1}: {found[-1].seconds:.2f} s, {found[-1].rss_mb:.0f} MB")
    return found


def _recover(data_dir: Path, segments: int) -> _Recovery:
    argv = [sys.executable, "-m", "agent", "footage", "recover", "--data", str(data_dir), "--json"]
    began_s = time.perf_counter()
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        # Not Popen's own wait: the kernel tells what the process used only once.
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began_s
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or f'"segments":{segments},' not in said:
        raise BenchError(problem="recovery did not find every segment", said=said.strip()[-300:])
    # ru_maxrss is in kB (getrusage(2)), of the largest among the process and its workers.
    return _Recovery(seconds, used.ru_maxrss / 1024)


def _reopen(path: Path) -> None:
    """Without its last box, as its writer's death would have left it; with its old times, so that it counts as left."""
    found = path.stat()
    os.truncate(path, found.st_size - SUMMARY_BYTES)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def _start(root: Path, say: Say) -> float:
    """Seconds from the start of the node's process to its READY=1; the store is whole."""
    config = _write_config(root)
    with _notify_socket(root / "notify") as (listener, address):
        argv = [sys.executable, "-m", "agent.processes", "node", "--config", str(config)]
        environment = installed_environment(root / "bytecode") | {"NOTIFY_SOCKET": address}
        began_s = time.perf_counter()
        with (root / "node.log").open("wb") as said, subprocess.Popen(argv, env=environment, stderr=said) as process:
            try:
                seconds = _wait_ready(listener, process, began_s)
            finally:
                process.terminate()
                try:
                    process.wait(_STOP_LIMIT_S)
                except subprocess.TimeoutExpired:
                    process.kill()
    say(f"node ready after {seconds:.2f} s")
    return seconds


def _wait_ready(listener: socket.socket, process: subprocess.Popen[bytes], began_s: float) -> float:
    listener.settimeout(1.0)
    while time.perf_counter() - began_s < _READY_LIMIT_S:
        try:
            if b"READY=1" in listener.recv(4096).split(b"\n"):
                return time.perf_counter() - began_s
        except TimeoutError:
            if process.poll() is not None:
                break
    raise BenchError(problem="the node did not become ready", code=process.poll())


def _write_config(root: Path) -> Path:
    head = f'data_dir = "{root}/data"\nruntime_dir = "{root}/run"\n[node]\norg = "o"\nsite = "s"\nid = "n"\n'
    # Nothing may be deleted by a sweep while we measure.
    storage = '[storage]\nmax_bytes = "4000GB"\nmin_free = "1MB"\nkeep_days = 36500\n[vision]\nenabled = false\n'
    cameras = (f'[[camera]]\nid = "c{number + 1:02d}"\nmain = "file:none.mp4"\n' for number in range(CAMERAS))
    path = root / "wayside.toml"
    path.write_text(head + storage + "".join(cameras), encoding="utf-8")
    (root / "run").mkdir(exist_ok=True)
    return path


@contextmanager
def _notify_socket(path: Path) -> Iterator[tuple[socket.socket, str]]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as listener:
        listener.bind(str(path))
        try:
            yield listener, str(path)
        finally:
            path.unlink(missing_ok=True)
