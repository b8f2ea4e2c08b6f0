"""`wayside bench clip`: a clip of 60 s out of a ring of 30 days and four cameras, against copying its bytes and ffmpeg.

The index has a row for each of the ring's segments; files are there for the hour's minutes that the clip needs, 1080p25
of 4 Mbit/s as the recorder writes them. All of it is in the page cache.
"""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from agent.bench import dayfile, fragmentday, ring
from agent.bench.films import FRAMES_PER_S, Say, cache_folder, find_ffmpeg, make_films
from agent.bench.installed import installed_environment
from agent.bench.rows import Pair, Row, median_row
from agent.errors import BenchError
from agent.recording import index
from agent.recording.boot import ensure_ring
from agent.recording.catalog import SegmentRow, SegmentState
from agent.recording.clipwriter import ClipWriter
from agent.recording.exporter import comment_of, export_clip
from agent.recording.repair import look
from agent.recording.ringclip import plan_from_ring
from agent.store import STORE_NAME, open_store, transaction
from agent.units import NS_PER_S, WallSpan, format_rfc3339

CAMERAS: Final = 4
CLIP_S: Final = 60
_PER_DAY: Final = CAMERAS * dayfile.DAY_S // ring.SEGMENT_S
_DAYS: Final = 30
_LOOKUP_DAYS: Final = (1, 30, 180)
_LOOKUPS: Final = 2000
_WARM: Final = 200
# The clip begins within a minute, and not with one.
_OFFSET_S: Final = 17
# Where in the ring and in the day.
_AT_S: Final = 50_000
_REAL_SEGMENTS: Final = 4
_BATCH: Final = 20_000
# 4 Mbit/s less what a rate control may save.
_LEAST_BYTES: Final = 25_000_000


@dataclass(frozen=True, slots=True)
class _Stage:
    """The ring, the clip asked for, and two other files of the same day with the same minute in them."""

    root: Path
    data_dir: Path
    asked: WallSpan
    indexed: Path
    fragmented: Path
    clip: Path

    @property
    def out(self) -> Path:
        return self.root / "out.mp4"


def run(runs: int, folder: Path | None, say: Say) -> list[Row]:
    """Each row is the median of runs in which both sides took turns.

    `clip_vs_cp`: the exporter in a warm process, plan and all, neither hashed nor synced, as cp does neither;
    `clip_vs_cp/hashed`: with the SHA-256 of what was written and synced, against `cp`, `sha256sum` and `sync`;
    `clip_vs_ffmpeg`: the whole command with its start, hash and sync, against ffmpeg cutting from one file of a day
    that survives a power cut as ours do (fragments of a second); `clip_vs_ffmpeg/indexed`: from a plain MP4 that was
    closed in order and has its whole index in front. The look-ups: `lookups`. Raises BenchError.
    """
    (film,) = make_films(cache_folder(), 1, say)
    with TemporaryDirectory(prefix="wayside-bench-", dir=folder) as name:
        stage = _set_up(Path(name), film, say)
        turns = partial(_turns, runs=runs, say=say)
        rows = [
            turns("clip_vs_cp", partial(_copy, stage), partial(_cp, stage), "cp --reflink=never"),
            turns("clip_vs_cp/hashed", partial(_export, stage), partial(_cp_hashed, stage), "cp, sha256sum, sync"),
        ]
        for measure, day in (("clip_vs_ffmpeg", stage.fragmented), ("clip_vs_ffmpeg/indexed", stage.indexed)):
            rows.append(turns(measure, partial(_command, stage), partial(_ffmpeg, stage, day), "ffmpeg -c copy"))
        return rows + lookups(Path(name), _LOOKUP_DAYS, runs, say)


def _set_up(root: Path, film: Path, say: Say) -> _Stage:
    data_dir = root / "data"
    ensure_ring(data_dir)
    say("indexing 30 days")
    begin_s = _DAYS // 2 * dayfile.DAY_S + _AT_S
    with_files: list[SegmentRow] = []
    for place in ring.places(CAMERAS, _DAYS * _PER_DAY):
        since_s = (place.start_wall_ns - ring.START_WALL_NS) // NS_PER_S
        if place.name.camera == "c01" and 0 <= since_s - begin_s < _REAL_SEGMENTS * ring.SEGMENT_S:
            ring.record(film, data_dir / place.name.path(), place)
            looked = look(data_dir, place.name, may_repair=False)
            assert looked.row is not None
            with_files.append(looked.row)
    fill_index(data_dir, _DAYS, with_files)
    start_ns = with_files[0].start_wall_ns + (ring.SEGMENT_S + _OFFSET_S) * NS_PER_S
    stage = _Stage(
        root,
        data_dir,
        WallSpan(start_ns, start_ns + CLIP_S * NS_PER_S),
        root / "indexed.mp4",
        root / "fragmented.mp4",
        root / "clip.mp4",
    )
    say("making two files of a day for ffmpeg")
    for make, path in ((dayfile.make_day, stage.indexed), (fragmentday.make_day, stage.fragmented)):
        make(film, path, real_from_s=_AT_S, real_s=2 * CLIP_S)
    _command(stage)
    stage.out.replace(stage.clip)
    return stage


def fill_index(data_dir: Path, days: int, with_files: Sequence[SegmentRow] = ()) -> None:
    """A store whose index has a row for every minute of every camera; those of `with_files` are the truth."""
    known = {row.path for row in with_files}
    rows = list(with_files)
    conn = open_store(data_dir)
    try:
        for place in ring.places(CAMERAS, days * _PER_DAY):
            if (row := _row(place)).path not in known:
                rows.append(row)
            if len(rows) >= _BATCH:
                with transaction(conn):
                    index.add(conn, rows)
                rows = []
        with transaction(conn):
            index.add(conn, rows)
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        conn.close()


def _row(place: ring.Place) -> SegmentRow:
    name = place.name
    return SegmentRow(
        path=name.text(),
        camera=name.camera,
        boot=name.boot,
        run=name.run,
        n=name.n,
        start_wall_ns=place.start_wall_ns,
        end_wall_ns=place.start_wall_ns + ring.SEGMENT_S * NS_PER_S,
        frames=ring.SEGMENT_S * FRAMES_PER_S,
        bytes=30_000_000,
        state=SegmentState.CLOSED,
    )


def _turns(
    measure: str, ours: Callable[[], float], peer: Callable[[], float], peer_name: str, *, runs: int, say: Say
) -> Row:
    """One warm-up, then each side in turn. Milliseconds."""
    ours()
    peer()
    pairs = [Pair(1000 * ours(), 1000 * peer()) for _ in range(runs)]
    row = median_row(measure, pairs, unit="ms", peer_name=peer_name)
    say(f"{measure}: {row.ours:.1f} ms, {peer_name} {row.peer:.1f} ms, ratio {row.ratio:.2f}")
    return row


def _copy(stage: _Stage) -> float:
    stage.out.unlink(missing_ok=True)
    conn = open_store(stage.data_dir, readonly=True)
    try:
        began_s = time.perf_counter()
        plan = plan_from_ring(conn, stage.data_dir, "c01", stage.asked, stage.asked.end_ns + NS_PER_S)
        (file,) = plan.files
        writer = ClipWriter(file, comment_of(plan, 0), stage.data_dir, on_copied=lambda _count: None)
        os.close(writer.write(stage.out))
        return time.perf_counter() - began_s
    finally:
        conn.close()


def _export(stage: _Stage) -> float:
    stage.out.unlink(missing_ok=True)
    conn = open_store(stage.data_dir, readonly=True)
    try:
        began_s = time.perf_counter()
        plan = plan_from_ring(conn, stage.data_dir, "c01", stage.asked, stage.asked.end_ns + NS_PER_S)
        export_clip(plan, stage.data_dir, stage.out)
        return time.perf_counter() - began_s
    finally:
        conn.close()


def _cp(stage: _Stage) -> float:
    return _timed(stage, "cp", "--reflink=never", str(stage.clip), str(stage.out))


def _cp_hashed(stage: _Stage) -> float:
    copied_s = _cp(stage)
    return copied_s + _run("sha256sum", str(stage.out)) + _run("sync", str(stage.out))


def _command(stage: _Stage) -> float:
    argv = ("footage", "export", "--data", str(stage.data_dir), "--camera", "c01", "--out", str(stage.out), "--json")
    span = ("--from", format_rfc3339(stage.asked.start_ns), "--to", format_rfc3339(stage.asked.end_ns))
    return _timed(stage, sys.executable, "-m", "agent", *argv, *span)


def _ffmpeg(stage: _Stage, day: Path) -> float:
    cut = ("-ss", str(_AT_S + _OFFSET_S), "-i", str(day), "-t", str(CLIP_S), "-c", "copy")
    return _timed(stage, find_ffmpeg(), "-nostdin", "-v", "error", *cut, str(stage.out))


def _timed(stage: _Stage, *argv: str) -> float:
    stage.out.unlink(missing_ok=True)
    seconds = _run(*argv)
    if stage.out.stat().st_size < _LEAST_BYTES:
        raise BenchError(problem="what was written is no clip of 60 s", command=argv[0], bytes=stage.out.stat().st_size)
    return seconds


def _run(*argv: str) -> float:
    began_s = time.perf_counter()
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=installed_environment())
    seconds = time.perf_counter() - began_s
    if done.returncode:
        raise BenchError(problem=done.stderr.strip()[-300:], command=argv[0])
    return seconds


def lookups(root: Path, days: Sequence[int], runs: int, say: Say) -> list[Row]:
    """p99 of finding the segments of a random minute of a random camera, in rings of so many days, against the first.

    `lookup_p99_ms`: with the opening of the store, as a command does it. `lookup_kept_p99_ms`: with a connection that
    stays open. `…/cpu`: the thread's processor time, which other work on the machine does not lengthen. The rings take
    turns, look-up by look-up, so that a moment of other work meets them alike.
    """
    for count in days:
        ensure_ring(root / f"{count}d")
        say(f"indexing {count} days: {count * _PER_DAY} rows")
        fill_index(root / f"{count}d", count)
        # Into the page cache, where the kernel has not begun to drop it.
        with (root / f"{count}d" / STORE_NAME).open("rb") as file:
            while file.read(1 << 20):
                pass
    rows: list[Row] = []
    with ExitStack() as stack:
        kept = {count: stack.enter_context(closing(open_store(root / f"{count}d", readonly=True))) for count in days}
        for measure, clock in (("lookup_p99_ms", time.perf_counter), ("lookup_p99_ms/cpu", time.thread_time)):
            sides = {count: partial(_opened_lookup, root / f"{count}d", clock) for count in days}
            rows += _flatness(measure, sides, runs)
        for measure, clock in (("lookup_kept_p99_ms", time.perf_counter), ("lookup_kept_p99_ms/cpu", time.thread_time)):
            rows += _flatness(measure, {count: partial(_lookup, conn, clock) for count, conn in kept.items()}, runs)
    return rows


def _flatness(measure: str, sides: Mapping[int, Callable[[str, WallSpan], float]], runs: int) -> list[Row]:
    """A row a ring, against the smallest."""
    found = [_p99s_ms(sides, seed=number) for number in range(runs)]
    first = min(sides)
    return [
        median_row(
            f"{measure}/{count}d", [Pair(each[count], each[first]) for each in found], unit="ms", peer_name=f"{first} d"
        )
        for count in sides
    ]


def _p99s_ms(sides: Mapping[int, Callable[[str, WallSpan], float]], seed: int) -> dict[int, float]:
    chance = random.Random(seed)  # noqa: S311 - which minutes are looked up is no secret
    took_s: dict[int, list[float]] = {days: [] for days in sides}
    for number in range(_WARM + _LOOKUPS):
        for days, look_up in sides.items():
            start_ns = ring.START_WALL_NS + chance.randrange(days * dayfile.DAY_S - CLIP_S) * NS_PER_S
            camera = f"c{chance.randrange(CAMERAS) + 1:02d}"
            seconds = look_up(camera, WallSpan(start_ns, start_ns + CLIP_S * NS_PER_S))
            if number >= _WARM:
                took_s[days].append(seconds)
    return {days: 1000 * sorted(each)[len(each) * 99 // 100] for days, each in took_s.items()}


def _opened_lookup(data_dir: Path, clock: Callable[[], float], camera: str, span: WallSpan) -> float:
    began_s = clock()
    with closing(open_store(data_dir, readonly=True)) as conn:
        _lookup(conn, clock, camera, span)
        return clock() - began_s


def _lookup(conn: sqlite3.Connection, clock: Callable[[], float], camera: str, span: WallSpan) -> float:
    began_s = clock()
    rows = index.segments(conn, camera, span)
    seconds = clock() - began_s
    if not rows:
        raise BenchError(problem="a look-up found nothing", camera=camera, start_wall_ns=span.start_ns)
    return seconds
