"""Packets become segments that tell the truth, whatever the stream and the disk do."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import pytest

from agent.media.capture import Session
from agent.recording.segment import SegmentComment
from agent.units import NS_PER_MS, NS_PER_S
from tests.recorder.playback import ANCHOR_WALL_NS, Playback, Ring, play
from tests.rigs.films import FilmSettings, make_film, packets_of

FRAME_NS = 40 * NS_PER_MS
_HOUR_NS = 3600 * NS_PER_S


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films")


@pytest.fixture(scope="module")
def film(films: Path) -> Path:
    """6 s, an IDR every 2 s."""
    return make_film(films, FilmSettings(name="plain.mp4", seconds=6))


def test_every_packet_is_on_disk_byte_for_byte(tmp_path: Path, film: Path) -> None:
    ring = Ring(tmp_path)
    assert play(ring, film) == 150
    (closed,) = ring.closes
    assert packets_of(tmp_path / closed.path) == packets_of(film)
    assert (closed.frames, closed.bytes) == (150, (tmp_path / closed.path).stat().st_size)
    assert closed.start_wall_ns == ring.opens[0].start_wall_ns == ANCHOR_WALL_NS
    assert closed.end_wall_ns == ANCHOR_WALL_NS + 150 * FRAME_NS
    assert (ring.recorder.counts.recorded, ring.recorder.counts.lost, ring.outages) == (150, 0, [])


def test_segments_begin_at_the_idr_after_their_time_and_meet_exactly(tmp_path: Path, film: Path) -> None:
    ring = Ring(tmp_path, segment_s=3)
    play(ring, film, rounds=2)
    assert [closed.frames for closed in ring.closes] == [100, 100, 100]
    assert [(closed.run, closed.n) for closed in ring.closes] == [(1, 0), (1, 1), (1, 2)]
    for before, after in zip(ring.closes, ring.closes[1:], strict=False):
        assert before.end_wall_ns == after.start_wall_ns
    for found, closed in zip(ring.scans(), ring.closes, strict=True):
        assert found.fragments[0].starts_at_idr
        assert found.comment == SegmentComment(
            camera="c01",
            boot=closed.boot,
            boot_id=found.comment.boot_id if found.comment else "",
            run=1,
            n=closed.n,
            start_wall_ns=closed.start_wall_ns,
            start_mono_ns=1 + closed.start_wall_ns - ANCHOR_WALL_NS,
            clock_quality="synced",
            clock_error_s=0.001,
        )


@pytest.mark.parametrize(
    ("settings", "codec"),
    [
        (FilmSettings(name="b.mp4", seconds=6, b_frames=2), "h264"),
        (FilmSettings(name="long.mp4", seconds=6, gop=150), "h264"),
        (FilmSettings(name="h265.mp4", codec="libx265", seconds=4), "hevc"),
        (FilmSettings(name="h265b.mp4", codec="libx265", seconds=4, b_frames=2), "hevc"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_each_fragment_states_its_wall_time_to_the_millisecond(
    tmp_path: Path, films: Path, settings: FilmSettings, codec: str
) -> None:
    ring = Ring(tmp_path, segment_s=3)
    film = make_film(films, settings)
    count = play(ring, film)
    frames = 0
    for found in ring.scans():
        assert found.codec == codec
        # Players of Apple's take H.265 under this name only.
        assert (b"hvc1" in found.init) is (codec == "hevc")
        assert found.is_whole
        for fragment in found.fragments:
            assert abs(fragment.start_wall_ns - (ANCHOR_WALL_NS + frames * FRAME_NS)) < NS_PER_MS
            assert fragment.duration_ns <= NS_PER_S + FRAME_NS
            frames += fragment.frames
    assert frames == count
    with av.open(str(tmp_path / ring.closes[0].path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == ring.closes[0].frames


def test_a_run_is_recorded_from_its_first_idr_on(tmp_path: Path, film: Path) -> None:
    ring = Ring(tmp_path)
    play(ring, film, skip=20)
    (closed,) = ring.closes
    assert closed.start_wall_ns == ANCHOR_WALL_NS + 50 * FRAME_NS
    # No decoder could have shown the 30 before it; they arrived all the same.
    assert (ring.recorder.counts.recorded, ring.recorder.counts.lost) == (100, 30)
    assert ring.scan(closed).fragments[0].starts_at_idr


def test_runs_count_on_over_a_restart_of_the_process(tmp_path: Path, film: Path) -> None:
    first = Ring(tmp_path)
    play(first, film)
    play(first, film)
    second = Ring(tmp_path)
    play(second, film)
    assert [closed.run for closed in (*first.closes, *second.closes)] == [1, 2, 3]


def test_a_stream_without_an_idr_is_a_gap_of_that_name_until_one_comes(tmp_path: Path, film: Path) -> None:
    ring = Ring(tmp_path)
    playback = Playback(film)
    ring.recorder.begin(playback.session)
    packets = list(playback.packets(rounds=3))
    for packet in packets:
        if not packet.is_idr or packet.media_ns >= 14 * NS_PER_S:
            ring.clock.past_ns = packet.media_ns
            ring.recorder.take(packet)
            ring.write()
    ring.recorder.end()
    ring.write()
    begun, ended = ring.outages
    assert (begun.reason, begun.start_wall_ns, begun.end_wall_ns) == ("no_keyframe", ANCHOR_WALL_NS, 0)
    assert ended.end_wall_ns == ring.closes[0].start_wall_ns == ANCHOR_WALL_NS + 14 * NS_PER_S


def test_a_disk_that_stands_still_costs_counted_frames_and_never_the_camera(tmp_path: Path, film: Path) -> None:
    ring = Ring(tmp_path)
    playback = Playback(film)
    ring.recorder.begin(playback.session)
    packets = list(playback.packets(rounds=10))
    for packet in packets[:1200]:
        ring.recorder.take(packet)
    lost = ring.recorder.counts.lost
    assert lost > 0
    ring.write()
    ring.clock.past_ns = packets[1200].media_ns
    for packet in packets[1200:]:
        ring.recorder.take(packet)
    ring.recorder.end()
    ring.write()
    counts = ring.recorder.counts
    assert counts.recorded + counts.lost == len(packets)
    assert [(outage.reason, outage.end_wall_ns > 0) for outage in ring.outages] == [
        ("disk_slow", False),
        ("disk_slow", True),
    ]
    before, after = ring.closes
    assert (ring.outages[1].start_wall_ns, ring.outages[1].end_wall_ns) == (before.end_wall_ns, after.start_wall_ns)
    # A number left out: the later segment does not continue the earlier one.
    assert after.n == before.n + 2
    assert ring.scan(after).fragments[0].starts_at_idr


def test_a_run_ends_and_another_begins_although_the_disk_stands_still(tmp_path: Path, film: Path) -> None:
    ring = Ring(tmp_path)
    for _ in range(3):
        ring.clock.past_ns += 60 * NS_PER_S
        playback = Playback(film, begins_ns=ring.clock.past_ns)
        ring.recorder.begin(playback.session)
        for packet in playback.packets(rounds=8):
            ring.recorder.take(packet)
        ring.recorder.end()
    ring.write()
    assert [closed.run for closed in ring.closes] == [1]
    assert ring.outages[0].reason == "disk_slow"
    ring.clock.past_ns += 60 * NS_PER_S
    play(ring, film)
    assert ring.closes[-1].run == 4
    assert ring.outages[-1].end_wall_ns == ring.closes[-1].start_wall_ns


def test_nothing_is_recorded_while_the_rings_marker_is_away(tmp_path: Path, film: Path) -> None:
    ring = Ring(tmp_path / "data")
    marker, hidden = tmp_path / "data" / "ring.json", tmp_path / "hidden.json"
    marker.rename(hidden)
    play(ring, film)
    assert not ring.closes
    assert not list((tmp_path / "data" / "footage").rglob("*.mp4"))
    assert [outage.reason for outage in ring.outages] == ["disk_missing"]
    hidden.rename(marker)
    ring.clock.past_ns += 10 * NS_PER_S
    play(ring, film)
    assert len(ring.closes) == 1
    assert ring.outages[-1].end_wall_ns > 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 4 MiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a tmpfs")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_a_gap_that_ends_by_itself_when_there_is_space(small_disk: Path, film: Path) -> None:
    ring = Ring(small_disk)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(small_disk).free - 2 * film.stat().st_size))
    playback = Playback(film)
    ring.recorder.begin(playback.session)
    packets = list(playback.packets(rounds=10))
    freed = False
    for packet in packets:
        ring.clock.past_ns = packet.media_ns
        ring.recorder.take(packet)
        ring.write()
        if (
            ring.outages
            and not freed
            and packet.media_ns > ring.outages[0].start_wall_ns - ANCHOR_WALL_NS + 8 * NS_PER_S
        ):
            ballast.unlink()
            freed = True
    ring.recorder.end()
    ring.write()
    before, after = ring.closes
    begun, ended = ring.outages
    assert (begun.reason, ended.reason) == ("disk_full", "disk_full")
    assert (begun.start_wall_ns, ended.end_wall_ns) == (before.end_wall_ns, after.start_wall_ns)
    cut = ring.scan(before)
    assert cut.is_whole
    assert (cut.frames, cut.size_bytes) == (before.frames, before.bytes)
    assert packets_of(small_disk / before.path) == (packets_of(film) * 10)[: before.frames]
    counts = ring.recorder.counts
    assert before.frames + after.frames + counts.lost >= len(packets)


def test_a_clock_that_found_the_time_does_not_vouch_for_a_run_that_began_before(tmp_path: Path, film: Path) -> None:
    ring = Ring(tmp_path)
    playback = Playback(film, begins_ns=-_HOUR_NS)
    # The run was anchored an hour behind; the clock is right and says so before the next IDR is judged.
    stepped = Session(playback.session.shape, replace(playback.session.anchor, mono_ns=1))
    ring.recorder.begin(stepped)
    for packet in playback.packets():
        ring.recorder.take(packet)
        ring.write()
    ring.recorder.end()
    ring.write()
    assert [closed.clock_quality for closed in ring.closes] == ["unsynced"]
