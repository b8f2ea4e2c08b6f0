"""Footage that somebody reads is spared by retention, until they are done, dead, stuck, or recording needs the room."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.recording import pins
from agent.recording.clipfile import verify_clip
from agent.recording.cut import RecordedSegment
from agent.recording.exporter import export_clip
from agent.recording.janitor import Janitor
from agent.recording.pins import LONGEST_S, STALLED_S, pinned, pinned_spans
from agent.recording.retention import RetentionLimits
from agent.recording.ringclip import plan_from_ring, reading
from agent.units import NS_PER_S, WallSpan
from tests.clip.footage import START_NS, Where
from tests.recording.ring import Ring, S

ASKED = WallSpan(START_NS, START_NS + 8 * S)
# A reader as slow as a test wishes: it copies one piece for each byte that comes on its input.
READER = """
import sys
from pathlib import Path
from agent.recording.exporter import export_clip
from agent.recording.ringclip import plan_from_ring, reading
from agent.store import open_store
from agent.units import WallSpan
data, out, start, end, now = Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:6])
conn = open_store(data, readonly=True)
def pause(done, total):
    pin.renew()
    print(done, flush=True)
    sys.stdin.read(1)
with reading(data, "c01", WallSpan(start, end)) as pin:
    plan = plan_from_ring(conn, data, "c01", WallSpan(start, end), now)
    print("planned", flush=True)
    sys.stdin.read(1)
    export_clip(plan, data, out, pause)
"""


@pytest.fixture
def segments(ring: Ring) -> list[RecordedSegment]:
    """Far enough apart that only the first two lie where the clip is read."""
    made = [ring.record(4 * n + (60 if n > 1 else 0), Where(n=n)) for n in range(6)]
    ring.index(*made)
    ring.clock.now_wall_ns = START_NS + 100 * S
    return made


@contextmanager
def reader(ring: Ring, out: Path) -> Iterator[subprocess.Popen[str]]:
    words = [str(ring.data_dir), str(out), *map(str, (ASKED.start_ns, ASKED.end_ns, ring.clock.now_wall_ns))]
    process = subprocess.Popen(
        [sys.executable, "-c", READER, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        assert process.stdout.readline() == "planned\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def sweep(ring: Ring, *, min_free_bytes: int = 0) -> None:
    """Of a ring that may hold nothing at all."""
    limits = RetentionLimits(0, min_free_bytes, 30)
    Janitor(ring.data_dir, ring.conn, ring.ledger, clock=ring.clock, limits=limits).sweep()


def there(ring: Ring, segments: list[RecordedSegment]) -> list[bool]:
    return [ring.path(segment).exists() for segment in segments]


def test_a_slow_readers_clip_is_whole_although_the_ring_turned_meanwhile(
    ring: Ring, segments: list[RecordedSegment], tmp_path: Path
) -> None:
    out = tmp_path / "clip.mp4"
    with reader(ring, out) as process:
        assert process.stdin is not None and process.stdout is not None
        sweep(ring)
        assert there(ring, segments) == [True, True, False, False, False, False]
        process.stdin.write(".")
        process.stdin.flush()
        assert process.stdout.readline(), "the first piece is copied"
        sweep(ring)
        process.stdin.write("." * 1000)
        process.stdin.close()
        process.stdout.read()
        assert process.wait() == 0
    assert verify_clip(out).duration_s == pytest.approx(8, abs=0.1)
    sweep(ring)
    assert not any(there(ring, segments)), "nobody reads any more"


def test_a_reader_that_was_killed_protects_nothing(ring: Ring, segments: list[RecordedSegment], tmp_path: Path) -> None:
    with reader(ring, tmp_path / "clip.mp4") as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert list((ring.data_dir / pins.FOLDER).iterdir()), "its pin lies there"
        sweep(ring)
    assert not any(there(ring, segments))
    assert not list((ring.data_dir / pins.FOLDER).iterdir())


def test_a_stopped_reader_protects_for_a_bounded_time(ring: Ring, tmp_path: Path) -> None:
    ring.index(ring.record())
    with reader(ring, tmp_path / "clip.mp4") as process:
        process.send_signal(signal.SIGSTOP)
        now_ns = boot_ns()
        assert set(pinned_spans(ring.data_dir, now_ns + (STALLED_S - 60) * NS_PER_S)) == {"c01"}
        assert pinned_spans(ring.data_dir, now_ns + (STALLED_S + 60) * NS_PER_S) == {}


def test_a_reader_that_trickles_for_ever_is_bounded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun_ns = boot_ns()
    with pinned(tmp_path, "c01", ASKED) as pin:
        for hours, is_heeded in ((1, True), (LONGEST_S / 3600 - 0.1, True), (LONGEST_S / 3600 + 0.1, False)):
            now_ns = begun_ns + int(hours * 3600 * NS_PER_S)
            monkeypatch.setattr(pins, "_boot_ns", at(now_ns))
            pin.renew()
            assert bool(pinned_spans(tmp_path)) is is_heeded


def test_recording_comes_before_readers(ring: Ring, segments: list[RecordedSegment]) -> None:
    with pinned(ring.data_dir, "c01", ASKED):
        sweep(ring, min_free_bytes=1 << 60)
    assert not any(there(ring, segments))


def test_a_disk_that_takes_no_pin_is_read_all_the_same(ring: Ring, tmp_path: Path) -> None:
    ring.index(ring.record())
    (ring.data_dir / pins.FOLDER).write_text("in the way")
    with reading(ring.data_dir, "c01", ASKED) as pin:
        assert not pin.is_held
        plan = plan_from_ring(ring.conn, ring.data_dir, "c01", ASKED, START_NS + 60 * S)
        assert export_clip(plan, ring.data_dir, tmp_path / "clip.mp4", pin.following())


def test_what_is_no_pin_breaks_no_sweep(ring: Ring, segments: list[RecordedSegment]) -> None:
    folder = ring.data_dir / pins.FOLDER
    folder.mkdir()
    for name, data in (("a.pin", b"\xff"), ("b.pin", b"{}"), ("c", b""), ("d.part", b"")):
        (folder / name).write_bytes(data)
    sweep(ring)
    assert not any(there(ring, segments))


def boot_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def at(now_ns: int) -> Callable[[], int]:
    return lambda: now_ns
