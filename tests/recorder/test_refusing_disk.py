"""A disk that refuses in the middle of a fragment: what it took is kept and told, and nothing else."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.units import NS_PER_S
from tests.recorder.playback import Playback, Ring
from tests.rigs.films import FilmSettings, make_film, packets_of


@contextmanager
def no_file_above(size_bytes: int) -> Iterator[None]:
    """Writes beyond are cut short and then refused with EFBIG (setrlimit(2)); Python ignores the signal."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8 s with an IDR each 2 s, so that a fragment ends each second."""
    return make_film(tmp_path_factory.mktemp("film"), FilmSettings(name="film.mp4", seconds=8))


def test_the_file_ends_with_its_last_whole_fragment(tmp_path: Path, film: Path) -> None:
    ring = Ring(tmp_path)
    playback = Playback(film)
    packets = list(playback.packets())
    ring.recorder.begin(playback.session)

    def feed(first: int, last: int) -> None:
        for packet in packets[first:last]:
            ring.clock.past_ns = packet.media_ns
            ring.recorder.take(packet)
            ring.write()

    feed(0, 60)
    assert not ring.closes
    (growing,) = (tmp_path / "footage").rglob("*.mp4")
    with no_file_above(growing.stat().st_size + 1000):
        feed(60, 80)
    (before,) = ring.closes
    found = ring.scan(before)
    # Fragments of 25 frames: the third one was refused when packet 75 completed it.
    assert (before.frames, before.bytes) == (found.frames, found.size_bytes) == (50, growing.stat().st_size)
    assert found.is_whole
    assert packets_of(growing) == packets_of(film)[:50]
    assert [(told.reason, told.start_wall_ns) for told in ring.outages] == [("disk_error", before.end_wall_ns)]
    feed(80, 200)
    ring.recorder.end()
    ring.write()
    after = ring.closes[1]
    # A second later, at the next IDR.
    assert packets_of(tmp_path / after.path) == packets_of(film)[100:]
    assert ring.outages[1].end_wall_ns == after.start_wall_ns
    counts = ring.recorder.counts
    assert (counts.recorded, counts.lost) == (150, 50)


def test_a_disk_that_takes_no_head_leaves_no_file_and_tells_no_segment(tmp_path: Path, film: Path) -> None:
    ring = Ring(tmp_path)
    playback = Playback(film)
    ring.recorder.begin(playback.session)
    packets = list(playback.packets())
    with no_file_above(100):
        for packet in packets[:100]:
            ring.clock.past_ns = packet.media_ns
            ring.recorder.take(packet)
            ring.write()
    assert not ring.opens
    assert not list((tmp_path / "footage").rglob("*.mp4"))
    assert [told.reason for told in ring.outages] == ["disk_error"]
    ring.clock.past_ns = 10 * NS_PER_S
    ring.recorder.take(packets[150])
    ring.recorder.end()
    ring.write()
    assert [closed.frames for closed in ring.closes] == [1]
