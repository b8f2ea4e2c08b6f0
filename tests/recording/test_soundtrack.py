"""Sound woven into fragments of video, and cut again: each packet keeps its bytes and time, or is left out whole."""

from __future__ import annotations

import contextlib
import struct
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import SegmentDamaged
from agent.media.sound import CapturedSound, SoundFormat, SoundOrigin
from agent.recording.boxes import children, read_header, require
from agent.recording.cliphead import Shift, retime
from agent.recording.movie import SOUND_HANDLER, Movie, Track
from agent.recording.segment import scan
from agent.recording.soundcut import Heard
from agent.recording.soundtrack import LEAD_NS, SoundTrack, WaitingSound, weave
from agent.units import NS_PER_MS, NS_PER_S
from tests.clip.footage import Settings, encode, mux
from tests.recorder.playback import Ring
from tests.rigs.flashes import FlashSettings, make_flashes
from tests.rigs.sounding import play_with_sound

RATE = 48_000
FORM = SoundFormat(SoundOrigin.AAC, RATE, 1, b"\x11\x88", 1024)
OTHER = SoundFormat(SoundOrigin.PCM_MULAW, 8_000, 1, b"\x15\x88", 1024)
PACKET_NS = 1024 * NS_PER_S // RATE
TIMESCALE = 90_000
TRACK = SoundTrack(FORM, track_id=2, rate_hz=RATE, video_timescale=TIMESCALE, origin_media_ns=0)


@cache
def fragment_and_movie() -> tuple[bytes, Movie]:
    """One second of video as the muxer wrote it, and a movie that also knows of sound."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "segment.mp4"
        film = encode(Settings(seconds=2, width=64, height=64))
        mux(path, film, film.packets, start_ns=0, comment="")
        data = path.read_bytes()
    found = scan(lambda at, size: data[at : at + size], len(data))
    first = found.fragments[0]
    video = found.movie.video
    sound = Track(2, SOUND_HANDLER, RATE, 0, 0, 0)
    movie = Movie(
        codec=found.movie.codec, width=64, height=64, codec_config=b"", nal_length_bytes=4, video=video,
        tracks=(video, sound), comment=None,
    )  # fmt: skip
    return data[first.offset : first.offset + first.size_bytes], movie


@dataclass(frozen=True, slots=True)
class Read:
    """A fragment read back by its own boxes: the sound's packets with their ticks, and the video's bytes and time."""

    sounds: list[tuple[int, bytes]]
    video: bytes
    video_at: int


def read(data: bytes) -> Read:
    prft = read_header(data, 0)
    moof = read_header(data, prft.end)
    sounds: list[tuple[int, bytes]] = []
    video, video_at = b"", -1
    for traf in children(data, moof.body, moof.end):
        if traf.kind != b"traf":
            continue
        inner = children(data, traf.body, traf.end)
        tfhd, tfdt, trun = (require(inner, kind) for kind in (b"tfhd", b"tfdt", b"trun"))
        (track_id,) = struct.unpack_from(">I", data, tfhd.body + 4)
        (at,) = struct.unpack_from(">Q", data, tfdt.body + 4)
        flags, count, offset = struct.unpack_from(">III", data, trun.body)
        where = moof.start + offset
        if track_id == 2:
            assert flags == 0x301
            for number in range(count):
                duration, size = struct.unpack_from(">II", data, trun.body + 12 + 8 * number)
                sounds.append((at, data[where : where + size]))
                at, where = at + duration, where + size
        else:
            video_at = at
            columns = [name for bit, name in ((0x100, "d"), (0x200, "s"), (0x400, "f"), (0x800, "c")) if flags & bit]
            table = trun.body + 12 + (4 if flags & 4 else 0)
            total = sum(
                struct.unpack_from(">I", data, table + 4 * (len(columns) * number + columns.index("s")))[0]
                for number in range(count)
            )
            video = data[where : where + total]
    return Read(sounds, video, video_at)


def placed(parts: list[tuple[int, bytes]]) -> list[CapturedSound]:
    """One after the other, with holes of so many ms between; the first up to 2 s before the pictures."""
    at_ns, sounds = -LEAD_NS, []
    for hole_ms, data in parts:
        at_ns += hole_ms * NS_PER_MS
        sounds.append(CapturedSound(at_ns, PACKET_NS, data))
        at_ns += PACKET_NS
    return sounds


SOUNDS = st.lists(st.tuples(st.integers(0, 3_000), st.binary(min_size=1, max_size=30)), max_size=60).map(placed)


@given(SOUNDS)
@settings(max_examples=60, deadline=None)
def test_what_is_woven_in_is_read_back_at_its_times_and_the_video_with_it(sounds: list[CapturedSound]) -> None:
    fragment, _ = fragment_and_movie()
    before, after = read(fragment), read(weave(fragment, TRACK, sounds))
    assert after.sounds == [(TRACK.ticks(each.media_ns), each.data) for each in sounds]
    assert (after.video, after.video_at) == (before.video, before.video_at + TRACK.lead_ticks)


@given(SOUNDS, st.integers(-6 * RATE, 6 * RATE), st.integers(0, 4 * RATE))
@settings(max_examples=100, deadline=None)
def test_a_cut_leaves_out_what_was_heard_and_moves_the_rest_as_far_as_the_pictures(
    sounds: list[CapturedSound], shift: int, until: int
) -> None:
    fragment, movie = fragment_and_movie()
    woven = weave(fragment, TRACK, sounds)
    head_bytes = read_header(woven, read_header(woven, 0).end).end + 8
    heard = Heard()
    heard.until = until
    ticks = shift * movie.video.timescale // RATE
    try:
        head = retime(woven[:head_bytes], movie, sequence=7, shift=Shift(ticks), heard=heard)
    except SegmentDamaged:
        # The pictures themselves would begin before the clip.
        assert read(woven).video_at + ticks < 0
        return
    assert len(head) == head_bytes
    after = read(head + woven[head_bytes:])
    assert after.video == read(woven).video
    moved = [(at + ticks * RATE // movie.video.timescale, data) for at, data in read(woven).sounds]
    kept = [index for index, (at, _) in enumerate(moved) if at >= until - RATE // 1_000]
    expected = moved[kept[0] :] if kept else []
    assert [data for _, data in after.sounds] == [data for _, data in expected]
    assert all(
        abs(is_at - max(at, 0)) <= RATE // 1_000 for (is_at, _), (at, _) in zip(after.sounds, expected, strict=True)
    )
    assert heard.until >= until


@given(st.binary(max_size=400), st.integers(0, 399), st.integers(0, 255))
def test_a_fragment_that_is_none_is_refused_and_nothing_else(junk: bytes, at: int, value: int) -> None:
    fragment, movie = fragment_and_movie()
    spoilt = bytearray(fragment)
    spoilt[at] = value
    for data in (junk, bytes(spoilt), bytes(spoilt[:at])):
        with contextlib.suppress(SegmentDamaged):
            weave(data, TRACK, [CapturedSound(0, PACKET_NS, b"x")])
        with contextlib.suppress(SegmentDamaged):
            retime(data, movie, sequence=1, shift=Shift(0), heard=Heard())


@given(st.integers(0, 2_000), st.integers(0, 255))
def test_a_spoilt_table_of_sound_is_refused_or_cut_and_nothing_else(at: int, value: int) -> None:
    fragment, movie = fragment_and_movie()
    woven = bytearray(weave(fragment, TRACK, placed([(0, b"abc")] * 40)))
    head_bytes = read_header(bytes(woven), read_header(bytes(woven), 0).end).end + 8
    woven[at % head_bytes] = value
    heard = Heard()
    heard.until = RATE
    with contextlib.suppress(SegmentDamaged):
        assert len(retime(bytes(woven[:head_bytes]), movie, sequence=1, shift=Shift(0), heard=heard)) == head_bytes


def waiting(*sounds: CapturedSound) -> WaitingSound:
    found = WaitingSound()
    found.tune(FORM)
    for each in sounds:
        found.add(each)
    return found


def at_s(seconds: float, data: bytes = b"") -> CapturedSound:
    return CapturedSound(int(seconds * NS_PER_S), PACKET_NS, data)


def test_sound_goes_into_the_fragment_of_its_time_or_a_later_one_but_never_too_late() -> None:
    queue = waiting(at_s(-3), at_s(-1), at_s(0.5), at_s(1.5))
    taken = queue.take(TRACK, NS_PER_S)
    assert [each.media_ns / NS_PER_S for each in taken] == [-1, 0.5]
    assert queue.dropped == 1
    assert [each.media_ns / NS_PER_S for each in queue.take(TRACK, 2 * NS_PER_S)] == [1.5]


def test_a_stretch_that_is_brought_twice_is_kept_once() -> None:
    queue = waiting(*(at_s(number * 0.0213333) for number in range(100)), at_s(1.0), at_s(1.5), at_s(2.2))
    assert [each.media_ns / NS_PER_S for each in queue.take(TRACK, 3 * NS_PER_S)][-2:] == [
        pytest.approx(2.112, abs=1e-4),
        2.2,
    ]
    assert queue.dropped == 2


def test_what_was_said_before_a_segment_that_continues_nothing_is_left_out() -> None:
    queue = waiting(at_s(1), at_s(2), at_s(3))
    queue.begin_segment(int(2.5 * NS_PER_S))
    # However late it comes.
    queue.add(at_s(2.4))
    assert [each.media_ns / NS_PER_S for each in queue.take(TRACK, 9 * NS_PER_S)] == [3]


def test_a_segment_that_continues_gets_what_came_after_the_one_before_was_closed() -> None:
    queue = waiting(at_s(1))
    queue.take(TRACK, 2 * NS_PER_S)
    queue.add(at_s(1.9))
    queue.begin_segment(2 * NS_PER_S)
    assert [each.media_ns / NS_PER_S for each in queue.take(TRACK, 3 * NS_PER_S)] == [1.9]


def test_a_new_run_counts_from_its_own_beginning() -> None:
    queue = waiting(at_s(10), at_s(12))
    queue.begin_run(11 * NS_PER_S)
    assert [each.media_ns / NS_PER_S for each in queue.take(TRACK, 5 * NS_PER_S)] == [-1, 1]


def test_no_packet_stands_under_the_head_of_another_coding() -> None:
    queue = waiting(at_s(1, b"aac"))
    queue.tune(OTHER)
    queue.add(at_s(2, b"other"))
    assert [each.data for each in queue.take(TRACK, 3 * NS_PER_S)] == [b"aac"]
    assert queue.dropped == 1


def test_no_more_waits_than_pictures_would() -> None:
    queue = waiting(*(at_s(number * 0.05, b"x") for number in range(9_000)))
    assert queue.dropped == 1_500
    assert len(queue.take(TRACK, 999 * NS_PER_S)) == 7_500


@cache
def segment_with_sound() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        film = make_flashes(Path(folder), FlashSettings(codec="pcm_mulaw", rate_hz=8_000, seconds=3))
        ring = Ring(Path(folder) / "data")
        play_with_sound(ring, film)
        return (ring.data_dir / ring.closes[0].path).read_bytes()


@given(
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4), st.booleans()
)
@settings(max_examples=200, deadline=None)
def test_a_segment_with_sound_that_is_spoilt_or_cut_anywhere_is_read_or_refused(
    changes: list[tuple[float, int]], is_cut: bool
) -> None:
    spoilt = bytearray(segment_with_sound())
    for where, value in changes:
        # Headers are a small part of the file: half of the changes go there.
        spoilt[int(where * len(spoilt)) if where > 0.5 else int(2 * where * 3_000)] = value
    data = bytes(spoilt[: int(changes[0][0] * len(spoilt))] if is_cut else spoilt)
    with contextlib.suppress(SegmentDamaged):
        found = scan(lambda at, size: data[at : at + size], len(data))
        assert found.intact_bytes <= len(data)
