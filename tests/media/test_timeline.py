"""A camera's stamps become the media time of one run."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.media.timeline import MAX_LEAP_S, RunBroken, Timeline, first_stamps
from agent.units import NS_PER_MS, NS_PER_S

TICKS = Fraction(1, 90_000)
FRAME = 3600


def a_timeline() -> Timeline:
    return Timeline("c01", TICKS, FRAME)


def test_ticks_count_from_the_first_pts() -> None:
    timeline = a_timeline()
    stamps = [timeline.stamp(pts, pts) for pts in range(1_000_000, 1_000_000 + 4 * FRAME, FRAME)]
    assert [stamp.pts for stamp in stamps] == [0, FRAME, 2 * FRAME, 3 * FRAME]
    assert [stamp.media_ns for stamp in stamps] == [0, 40 * NS_PER_MS, 80 * NS_PER_MS, 120 * NS_PER_MS]


def test_b_frames_keep_their_order_of_decoding_and_of_showing() -> None:
    timeline = a_timeline()
    stamps = [timeline.stamp(pts, dts) for pts, dts in ((7200, 0), (18000, 3600), (10800, 7200), (14400, 10800))]
    assert [stamp.pts for stamp in stamps] == [0, 10800, 3600, 7200]
    assert [stamp.dts for stamp in stamps] == [-7200, -3600, 0, 3600]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([(None, None), (None, None)], [0, FRAME]),
        ([(0, 0), (None, None), (None, None)], [0, FRAME, 2 * FRAME]),
        ([(500, None), (None, 500 + FRAME)], [0, FRAME]),
        ([(0, 0), (None, FRAME)], [0, FRAME]),
    ],
)
def test_a_missing_stamp_follows_the_last_one(given: list[tuple[int | None, int | None]], expected: list[int]) -> None:
    timeline = a_timeline()
    assert [timeline.stamp(pts, dts).pts for pts, dts in given] == expected


def test_a_stamp_that_repeats_is_set_right_after_the_last_one() -> None:
    timeline = a_timeline()
    assert [timeline.stamp(at, at).dts for at in (0, FRAME, FRAME, 2 * FRAME)] == [0, FRAME, FRAME + 1, 2 * FRAME]


@pytest.mark.parametrize("leap_s", [MAX_LEAP_S + 1, -1, -95_430, -47_700])
def test_a_leap_ends_the_run(leap_s: int) -> None:
    timeline = a_timeline()
    timeline.stamp(10**9, 10**9)
    at = 10**9 + leap_s * 90_000
    with pytest.raises(RunBroken):
        timeline.stamp(at, at)


def test_a_pause_of_some_seconds_is_no_leap() -> None:
    timeline = a_timeline()
    timeline.stamp(0, 0)
    assert timeline.stamp(8 * 90_000, 8 * 90_000).media_ns == 8 * NS_PER_S


MAYBE = st.none() | st.integers(-(2**33), 2**33)


@given(st.lists(st.tuples(MAYBE, MAYBE), max_size=40), st.sampled_from([TICKS, Fraction(1, 12_800), Fraction(1, 25)]))
def test_whatever_comes_decode_time_rises_and_nothing_is_shown_before(
    stamps: list[tuple[int | None, int | None]], time_base: Fraction
) -> None:
    timeline = Timeline("c01", time_base, 1)
    last: int | None = None
    for pts, dts in stamps:
        try:
            stamp = timeline.stamp(pts, dts)
        except RunBroken:
            return
        assert last is None or stamp.dts > last
        assert stamp.pts >= stamp.dts
        assert stamp.media_ns == stamp.pts * time_base * NS_PER_S // 1
        last = stamp.dts


@pytest.mark.parametrize("bits", [32, 33])
@pytest.mark.parametrize("b_frames", [False, True])
def test_a_counter_that_begins_again_at_0_is_the_same_run(bits: int, b_frames: bool) -> None:
    wrap = 1 << bits
    # Two B-frames: decoded 0 3 1 2, so a PTS wraps three frames before its DTS.
    shown = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8] if b_frames else list(range(10))
    delay = 2 if b_frames else 0
    timeline, first = a_timeline(), wrap - 5 * FRAME
    stamps = [
        timeline.stamp((first + (pts + delay) * FRAME) % wrap, (first + at * FRAME) % wrap)
        for at, pts in enumerate(shown)
    ]
    assert [stamp.pts for stamp in stamps] == [pts * FRAME for pts in shown]
    assert [stamp.dts for stamp in stamps] == [(at - delay) * FRAME for at in range(10)]


@pytest.mark.parametrize("by_ms", [15, -15])
def test_media_time_is_bent_evenly_and_stays_bent(by_ms: int) -> None:
    timeline = a_timeline()
    timeline.stamp(0, 0)
    timeline.bend(by_ms * NS_PER_MS, 30 * NS_PER_S)
    gained = [timeline.stamp(at * FRAME, at * FRAME).media_ns - at * 40 * NS_PER_MS for at in range(1, 1501)]
    assert gained[374] == pytest.approx(by_ms * NS_PER_MS / 2, abs=12_000)
    assert gained[749] == gained[1499] == pytest.approx(by_ms * NS_PER_MS, abs=12_000)
    assert max(abs(after - before) for before, after in pairwise(gained)) <= 40 * NS_PER_MS * 500e-6 + 12_000


@given(
    st.lists(st.integers(1, 20 * FRAME), min_size=2, max_size=60),
    st.lists(st.integers(-15, 15), min_size=1, max_size=5),
    st.sampled_from([TICKS, Fraction(1, 1_000), Fraction(1, 25)]),
)
def test_however_it_is_bent_decode_time_rises_and_the_pace_keeps_to_500_ppm(
    steps: list[int], bends_ms: list[int], time_base: Fraction
) -> None:
    timeline, raw, last = Timeline("c01", time_base, 1), 0, None
    tick_ns = int(time_base * NS_PER_S)
    for number, step in enumerate(steps):
        raw += min(step, int(5 / time_base))
        stamp = timeline.stamp(raw, raw)
        if last is not None:
            assert stamp.dts > last[1].dts
            paced_ns = (raw - last[0]) * tick_ns
            assert abs(stamp.media_ns - last[1].media_ns - paced_ns) <= paced_ns * 501e-6 + 2 * tick_ns
        last = (raw, stamp)
        if number % 7 == 3:
            timeline.bend(bends_ms[number % len(bends_ms)] * NS_PER_MS, 30 * NS_PER_S)


@pytest.mark.parametrize(
    ("following", "expected"),
    [
        ([(3600, 3600), (7200, 7200)], (0, 0)),
        # As FFmpeg 8 gives two B-frames over RTSP: the delay is known from the fourth packet on.
        ([(7200, None), (3600, None), (14400, 3600), (10800, 7200)], (0, -7200)),
        ([(None, None), (7200, 7200)], (0, 0)),
        ([], (0, 0)),
        ([(None, None)], (0, 0)),
    ],
)
def test_a_first_idr_without_stamps_is_shown_just_before_what_follows(
    following: list[tuple[int | None, int | None]], expected: tuple[int, int]
) -> None:
    assert first_stamps(following, FRAME) == expected
