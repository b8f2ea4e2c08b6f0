"""Sound in segments: it is heard with its pictures over every border, and changes nothing of what they tell."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path, PurePosixPath

import av
import pytest
from msgspec import structs

from agent.recording.around import IncidentWord
from agent.recording.clipfile import verify_clip
from agent.recording.cut import plan_clip
from agent.recording.exporter import export_clip, read_segment
from agent.recording.gate import AroundMode, Gate
from agent.recording.repair import Finding, look
from agent.recording.segment import Fragment, SegmentName, scan
from agent.recording.summary import read_summary
from agent.units import NS_PER_S, WallSpan
from tests.recorder.playback import ANCHOR_WALL_NS, Ring, play
from tests.recorder.test_refusing_disk import no_file_above
from tests.rigs.flashes import FlashSettings, Sync, make_flashes, measure
from tests.rigs.sounding import Played, play_with_sound

LIMIT_MS = 40.0
FILMS = {
    "aac": FlashSettings("aac.mov", seconds=7),
    "b_frames": FlashSettings("b.mov", seconds=7, b_frames=2, gop=48),
    "h265": FlashSettings("h265.mov", seconds=7, b_frames=2, video="libx265"),
    "mulaw": FlashSettings("mulaw.mov", "pcm_mulaw", 8_000, seconds=7),
    "alaw_stereo": FlashSettings("alaw.mov", "pcm_alaw", 16_000, channels=2, seconds=7),
    "late": FlashSettings("late.mov", seconds=7, late_s=3.3),
    "stops": FlashSettings("stops.mov", seconds=7, stops_s=3.2),
    "pauses": FlashSettings("pauses.mov", seconds=7, pause_s=(2.1, 4.4)),
}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("films")
    return {name: make_flashes(folder, wanted) for name, wanted in FILMS.items()}


@pytest.fixture
def ring(tmp_path: Path) -> Ring:
    return Ring(tmp_path / "data", segment_s=2)


@pytest.mark.parametrize(
    ("name", "late_ms"), [*((name, 0) for name in FILMS), ("aac", 300), ("mulaw", 1_500), ("late", 1_500)]
)
def test_each_beep_is_heard_with_its_flash_however_late_the_sound_came(
    ring: Ring, films: dict[str, Path], name: str, late_ms: int
) -> None:
    frames = play_with_sound(ring, films[name], Played(late_ms))
    scans = ring.scans()
    assert sum(found.frames for found in scans) == frames
    assert all(found.is_whole for found in scans)
    in_segments_ms = [each for closed in ring.closes for each in measure(ring.data_dir / closed.path).offsets_ms]
    assert max((abs(each) for each in in_segments_ms), default=0) <= LIMIT_MS
    made = clip(ring, ring.data_dir / "clip.mp4")
    assert made.offsets_ms
    assert made.worst_ms <= LIMIT_MS
    # Of a clip only the last sound is missing, which came when it was over.
    expected = len(measure(films[name]).offsets_ms)
    assert len(made.offsets_ms) >= expected - 1 - late_ms // 1_000


def test_every_packet_of_aac_is_in_some_segment_once_and_as_it_came(ring: Ring, films: dict[str, Path]) -> None:
    play_with_sound(ring, films["aac"])
    heard = [data for closed in ring.closes for data in sounds_of(ring.data_dir / closed.path)]
    came = sounds_of(films["aac"])
    # The last ones came after the last picture, and those before the first picture belong to nothing.
    at = came.index(heard[0])
    assert heard == came[at : at + len(heard)]
    assert at <= 1 and len(came) - len(heard) <= 4


@pytest.mark.parametrize("name", ["aac", "b_frames", "mulaw", "pauses"])
def test_what_is_told_of_the_pictures_is_the_same_without_sound(
    tmp_path: Path, ring: Ring, films: dict[str, Path], name: str
) -> None:
    silent = Ring(tmp_path / "silent", segment_s=2)
    play(silent, films[name])
    play_with_sound(ring, films[name], Played(300))
    assert [structs.replace(each, bytes=0) for each in ring.closes] == [
        structs.replace(each, bytes=0) for each in silent.closes
    ]
    assert ring.outages == silent.outages == []
    for with_sound, without in zip(ring.scans(), silent.scans(), strict=True):
        assert [facts(each) for each in with_sound.fragments] == [facts(each) for each in without.fragments]


@pytest.mark.parametrize("name", ["aac", "mulaw", "stops"])
def test_every_player_and_the_summary_agree_with_the_segment(ring: Ring, films: dict[str, Path], name: str) -> None:
    play_with_sound(ring, films[name])
    tool = shutil.which("ffmpeg")
    for closed, found in zip(ring.closes, ring.scans(), strict=True):
        path = ring.data_dir / closed.path
        data = path.read_bytes()
        summary = read_summary(lambda at, size, data=data: data[at : at + size], len(data))
        assert summary is not None
        assert found.span is not None
        assert (summary.frames, summary.start_wall_ns) == (found.frames, found.span.start_ns)
        assert found.comment is not None
        assert found.comment.sound == ("aac from pcm_mulaw" if name == "mulaw" else "aac")
        if tool:
            argv = [tool, "-v", "error", "-i", str(path), "-f", "null", "-"]
            assert subprocess.run(argv, capture_output=True, check=True).stderr == b""


def test_a_writer_that_died_leaves_whole_fragments_with_their_sound(ring: Ring, films: dict[str, Path]) -> None:
    play_with_sound(ring, films["mulaw"])
    path = ring.data_dir / ring.closes[0].path
    data = path.read_bytes()
    whole = scan(lambda at, size: data[at : at + size], len(data))
    name = SegmentName.parse(PurePosixPath(ring.closes[0].path))
    assert name is not None
    ends = [each.offset + each.size_bytes for each in whole.fragments]
    for cut in [*range(ends[0], ends[1], 211), ends[1] - 1, ends[1]]:
        path.write_bytes(data[:cut])
        os.utime(path, (0, 0))
        looked = look(ring.data_dir, name, may_repair=True)
        assert looked.finding is (Finding.WHOLE if cut in ends else Finding.REPAIRED)
        assert path.stat().st_size == (ends[1] if cut == ends[1] else ends[0])
        assert max(abs(each) for each in measure(path).offsets_ms or (0.0,)) <= LIMIT_MS


def test_a_disk_that_refuses_keeps_the_whole_fragments_and_their_sound(ring: Ring, films: dict[str, Path]) -> None:
    with no_file_above(6_000):
        play_with_sound(ring, films["aac"])
    assert ring.outages[0].reason in ("disk_full", "disk_error")
    for closed, found in zip(ring.closes, ring.scans(), strict=True):
        assert found.is_whole
        assert found.frames == closed.frames
        assert max((abs(each) for each in measure(ring.data_dir / closed.path).offsets_ms), default=0) <= LIMIT_MS


def test_sound_of_another_coding_stands_in_a_segment_of_its_own(
    tmp_path: Path, ring: Ring, films: dict[str, Path]
) -> None:
    """The camera is set from AAC to G.711 in the middle of a GOP."""
    changed = Played(until_s=5.0, second=films["mulaw"], second_from_s=2.4)
    play_with_sound(ring, films["aac"], changed)
    told = [found.comment.sound for found in ring.scans() if found.comment is not None]
    assert told == ["aac", "aac", "aac from pcm_mulaw"] or told == ["aac", "aac from pcm_mulaw", "aac from pcm_mulaw"]
    syncs = [measure(ring.data_dir / closed.path) for closed in ring.closes]
    assert syncs[0].offsets_ms
    assert syncs[-1].offsets_ms
    assert max(sync.worst_ms for sync in syncs) <= LIMIT_MS
    # Up to the next IDR no track can hold it.
    assert ring.recorder.counts.sound_dropped > 0


@pytest.mark.parametrize("name", ["aac", "mulaw"])
def test_parameters_that_change_in_mid_run_cost_no_sound(ring: Ring, films: dict[str, Path], name: str) -> None:
    play_with_sound(ring, films[name], Played(300, change_s=3.0))
    assert 3.0 in [(closed.start_wall_ns - ring.closes[0].start_wall_ns) / NS_PER_S for closed in ring.closes]
    assert ring.recorder.counts.sound_dropped == 0
    made = clip(ring, ring.data_dir / "clip.mp4")
    assert len(made.offsets_ms) >= 6
    assert made.worst_ms <= LIMIT_MS


def test_sound_while_nothing_was_to_be_recorded_is_in_no_segment(ring: Ring, films: dict[str, Path]) -> None:
    """Pictures are left out from 2 s to 4 s; what was said meanwhile is nobody's."""
    play_with_sound(ring, films["aac"], Played(skip_s=(2.0, 4.0)))
    assert len({closed.n for closed in ring.closes}) == len(ring.closes)
    begins_ns = ring.closes[0].start_wall_ns
    for closed in ring.closes:
        path = ring.data_dir / closed.path
        first_s, last_s = sound_span(path)
        start_s = (closed.start_wall_ns - begins_ns) / NS_PER_S
        assert not 2.1 < start_s + first_s < 3.9
        assert not 2.1 < start_s + last_s < 3.9


def test_an_incident_that_is_told_late_has_its_sound_from_the_seconds_before_on(tmp_path: Path, ring: Ring) -> None:
    film = make_flashes(tmp_path, FlashSettings("long.mov", seconds=40))
    mode = AroundMode(before_s=5, after_s=3, max_bytes=64 << 20)
    gate = Gate(ring.recorder, mode, ring.book, ring.clock, camera="c01")

    def tell(number: int) -> None:
        if number == 36 * 25:
            mode.hear(IncidentWord("i1", WallSpan(ANCHOR_WALL_NS + 8 * NS_PER_S, ANCHOR_WALL_NS + 20 * NS_PER_S)))

    play_with_sound(ring, film, Played(at_picture=tell), gate=gate)
    assert (ring.closes[0].start_wall_ns - ANCHOR_WALL_NS) / NS_PER_S == 3
    made = clip(ring, tmp_path / "clip.mp4")
    assert made.beeps_s[0] < 1
    assert len(made.offsets_ms) >= 19
    assert made.worst_ms <= LIMIT_MS


def test_sound_that_nobody_takes_in_time_costs_itself(films: dict[str, Path], ring: Ring) -> None:
    """A minute of it waits while no picture comes: the oldest goes, and the pictures are whole."""
    frames = play_with_sound(ring, films["aac"], Played(flood_packets=9_000))
    assert sum(found.frames for found in ring.scans()) == frames
    assert ring.recorder.counts.sound_dropped > 0
    assert ring.recorder.counts.lost == 0


def clip(ring: Ring, out: Path) -> Sync:
    """Of all that was recorded."""
    names = [SegmentName.parse(PurePosixPath(closed.path)) for closed in ring.closes]
    segments = [read_segment(ring.data_dir, name) for name in names if name is not None]
    span = WallSpan(ring.closes[0].start_wall_ns, ring.closes[-1].end_wall_ns)
    plan = plan_clip("c01", [segment for segment in segments if segment is not None], span)
    assert not plan.is_partial
    (made,) = export_clip(plan, ring.data_dir, out)
    verify_clip(made.path, made.sha256)
    return measure(Path(made.path))


def facts(fragment: Fragment) -> tuple[int, int, int, bool]:
    return fragment.start_wall_ns, fragment.duration_ns, fragment.frames, fragment.starts_at_idr


def sounds_of(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(each) for each in container.demux(audio=0) if each.size]


def sound_span(path: Path) -> tuple[float, float]:
    """First and last of a segment's sound, in s from its first picture."""
    with av.open(str(path)) as container:
        base = next(float(each.pts * each.time_base) for each in container.demux(video=0) if each.pts is not None)
    with av.open(str(path)) as container:
        times = [float(each.pts * each.time_base) - base for each in container.demux(audio=0) if each.pts is not None]
    return times[0], times[-1]
