"""A ring is found again whatever lies in it, by one process or by several, and no link leads out of it."""

from __future__ import annotations

import errno
import os
import signal
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import DiskError
from agent.recording.exporter import read_segment
from agent.recording.fragment import ntp_of
from agent.recording.index import SegmentState
from agent.recording.naming import SegmentName
from agent.recording.recovery import reconcile
from agent.recording.repair import Finding, look
from agent.recording.segment import scan
from agent.recording.summary import summarise
from agent.recording.survey import survey
from agent.recording.surveyor import look_at
from agent.units import NS_PER_MS
from tests.clip.footage import START_NS, Where
from tests.recording.ring import Ring, S


def age(path: Path) -> None:
    os.utime(path, (time.time() - 60, time.time() - 60))


def name_of(number: int) -> SegmentName:
    return SegmentName("c01", 1, 1, number, START_NS // NS_PER_MS + number * 4000)


@pytest.fixture
def mixed(ring: Ring) -> list[str]:
    """120 segments: whole, closed with a summary, torn, damaged and empty ones in turn."""
    first = ring.record()
    whole = ring.path(first).read_bytes()
    closed = whole + summarise(lambda at, size: whole[at : at + size], len(whole))
    damaged = bytearray(whole)
    at = first.scan.fragments[1].offset
    damaged[at : at + 8] = (9).to_bytes(4, "big") + b"evil"
    kinds = [closed, whole, closed[:-200], bytes(damaged), b""]
    paths = []
    for number in range(120):
        path = ring.data_dir / name_of(number).path()
        path.write_bytes(kinds[number % len(kinds)])
        age(path)
        paths.append(name_of(number).text())
    return paths


def test_what_several_processes_find_is_what_one_finds(ring: Ring, mixed: list[str]) -> None:
    told: list[tuple[int, int]] = []
    together = list(survey(ring.data_dir, mixed, lambda done, total: told.append((done, total)), workers=2))
    found = [found for batch in together for found in batch]
    assert [path for path, _ in found] == mixed
    assert [looked.finding for _, looked in found[:5]] == [
        Finding.WHOLE,
        Finding.WHOLE,
        Finding.REPAIRED,
        Finding.DAMAGED,
        Finding.EMPTY,
    ]
    assert told[-1] == (120, 120) and len(told) > 1
    # The repairs are done by now, so that a second look finds the same rows.
    for path in filter(Path.exists, (ring.data_dir / path for path in mixed)):
        age(path)
    assert [looked.row for _, looked in look_at(ring.data_dir, mixed)] == [looked.row for _, looked in found]


def test_a_worker_that_is_killed_costs_nothing_but_time(ring: Ring, mixed: list[str]) -> None:
    # Each file once: two workers at the same one would take each other for its writer.
    whole = (ring.data_dir / mixed[1]).read_bytes()
    paths = [name_of(number).text() for number in range(1000, 1150)]
    for path in paths:
        (ring.data_dir / path).write_bytes(whole)
        age(ring.data_dir / path)

    def kill_a_child(done: int, _total: int) -> None:
        if done == 25:
            os.kill(children()[0], signal.SIGKILL)

    found = [found for batch in survey(ring.data_dir, paths, kill_a_child, workers=2) for found in batch]
    assert found == look_at(ring.data_dir, paths)


def children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def test_workers_end_with_the_survey_that_is_given_up(ring: Ring, mixed: list[str]) -> None:
    before = children()
    batches = survey(ring.data_dir, mixed, workers=2)
    next(batches)
    assert len(children()) == len(before) + 2
    assert isinstance(batches, Iterator)
    del batches
    assert children() == before


def test_a_disk_that_refuses_altogether_is_told_as_the_worker_met_it(ring: Ring) -> None:
    # A name too long for any disk; the worker's own open is refused.
    paths = [name_of(number).text() for number in range(60)]
    with pytest.raises(DiskError) as caught:
        list(survey(ring.data_dir / ("x" * 300), paths, workers=2))
    assert caught.value.facts["error"] == os.strerror(errno.ENAMETOOLONG)


def test_one_file_that_the_disk_cannot_read_stops_nothing(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = ring.record(), ring.record(4, Where(n=1))
    for segment in (bad, good):
        age(ring.path(segment))
    inode = ring.path(bad).stat().st_ino
    real = os.pread

    def pread(descriptor: int, size: int, at: int) -> bytes:
        if os.fstat(descriptor).st_ino == inode:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(descriptor, size, at)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", pread)
        report = reconcile(ring.conn, ring.data_dir)
    assert (report.added, report.damaged) == (1, 1)
    # It is not known, so it is looked at again.
    assert reconcile(ring.conn, ring.data_dir).added == 1


def test_a_full_or_read_only_disk_does_stop_it(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    age(ring.path(ring.record()))

    def pread(_descriptor: int, _size: int, _at: int) -> bytes:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "pread", pread)
    with pytest.raises(DiskError):
        reconcile(ring.conn, ring.data_dir)


@pytest.mark.parametrize("kind", ["link", "folder", "fifo", "day is a link"])
def test_what_bears_a_segments_name_and_is_no_file_is_neither_read_nor_cut(
    ring: Ring, tmp_path: Path, kind: str
) -> None:
    secret = tmp_path / "secret" / Path(name_of(7).text()).name
    secret.parent.mkdir()
    secret.write_bytes(b"the node's own")
    age(secret)
    path = ring.data_dir / name_of(7).path()
    path.parent.parent.mkdir(parents=True, exist_ok=True)
    if kind == "day is a link":
        path.parent.symlink_to(secret.parent)
    else:
        path.parent.mkdir()
        make = {"link": lambda: path.symlink_to(secret), "folder": path.mkdir, "fifo": lambda: os.mkfifo(path)}
        make[kind]()
    report = reconcile(ring.conn, ring.data_dir)
    assert (report.added, report.removed_empty) == (0, 0)
    assert look(ring.data_dir, name_of(7), may_repair=True).finding is Finding.GONE
    assert read_segment(ring.data_dir, name_of(7)) is None
    assert secret.read_bytes() == b"the node's own"


def test_a_closed_segment_is_indexed_by_its_summary_as_by_its_headers(ring: Ring) -> None:
    segment = ring.record()
    path = ring.path(segment)
    age(path)
    by_headers = look(ring.data_dir, segment.name, may_repair=True)
    whole = path.read_bytes()
    path.write_bytes(whole + summarise(lambda at, size: whole[at : at + size], len(whole)))
    age(path)
    by_summary = look(ring.data_dir, segment.name, may_repair=True)
    assert by_headers.row is not None and by_summary.row is not None
    assert by_summary.finding is Finding.WHOLE
    assert by_summary.row.bytes == path.stat().st_size
    for fact in ("path", "camera", "start_wall_ns", "end_wall_ns", "frames", "state", "start_mono_ns", "is_time_sure"):
        assert getattr(by_summary.row, fact) == getattr(by_headers.row, fact)


def test_a_segment_that_claims_to_last_for_days_is_damaged(ring: Ring) -> None:
    segment = ring.record()
    path = ring.path(segment)
    data = bytearray(path.read_bytes())
    at = segment.scan.fragments[-1].offset + 16
    struct.pack_into(">Q", data, at, ntp_of(START_NS + 3 * 86_400 * S))
    path.write_bytes(data)
    age(path)
    assert scan(lambda at, size: bytes(data[at : at + size]), len(data)).frames == segment.scan.frames
    assert reconcile(ring.conn, ring.data_dir).damaged == 1
    states = [row[0] for row in ring.conn.execute("SELECT state FROM segment")]
    assert states == [SegmentState.DAMAGED]
