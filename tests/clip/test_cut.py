"""The plan of a clip, from maps alone: no file is touched."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.recording.cliphead import place
from agent.recording.cut import ClipPlan, RecordedSegment, plan_clip
from agent.recording.movie import Movie, Track
from agent.recording.segment import Fragment, SegmentName, SegmentScan
from agent.units import NS_PER_MS, NS_PER_S, WallSpan, subtract, union

T0_NS = 1_795_356_180 * NS_PER_S
TRACK = Track(1, b"vide", 90_000, 3600, 0, 0)
MOVIE = Movie("h264", 640, 480, b"one", 4, TRACK, (TRACK,), None)


@dataclass(frozen=True, slots=True)
class Explained:
    start_wall_ns: int
    end_wall_ns: int
    reason: str


def segment(
    *, at_s: float, seconds: int, run: int = 1, n: int = 0, boot: int = 1, config: bytes = b"one", gop_s: int = 1
) -> RecordedSegment:
    """One-second fragments of 25 frames, an IDR every `gop_s`."""
    start_ns = T0_NS + round(at_s * NS_PER_S)
    fragments = tuple(
        Fragment(
            offset=1000 + index * 500,
            payload_offset=1100 + index * 500,
            size_bytes=500,
            start_wall_ns=start_ns + index * NS_PER_S,
            duration_ns=NS_PER_S,
            frames=25,
            starts_at_idr=index % gop_s == 0,
            decode_time=index * 90_000,
            duration=90_000,
        )
        for index in range(seconds)
    )
    found = SegmentScan(
        init=b"",
        movie=replace(MOVIE, codec_config=config),
        comment=None,
        fragments=fragments,
        intact_bytes=0,
        size_bytes=0,
        is_whole=True,
        delay=0,
    )
    return RecordedSegment(SegmentName("c01", boot, run, n, start_ns // NS_PER_MS), found)


def span(start_s: float, end_s: float) -> WallSpan:
    return WallSpan(T0_NS + round(start_s * NS_PER_S), T0_NS + round(end_s * NS_PER_S))


def plan(segments: list[RecordedSegment], asked: WallSpan, gaps: tuple[Explained, ...] = ()) -> ClipPlan:
    return plan_clip("c01", segments, asked, gaps)


def seconds(spans: tuple[WallSpan, ...]) -> list[tuple[float, float]]:
    return [((each.start_ns - T0_NS) / NS_PER_S, (each.end_ns - T0_NS) / NS_PER_S) for each in spans]


TWO = [segment(at_s=0, seconds=10), segment(at_s=10, seconds=10, n=1)]


@pytest.mark.parametrize(
    ("asked", "delivered"),
    [
        (span(2, 5), [(2, 5)]),
        (span(2.5, 4.5), [(2, 5)]),
        (span(0, 20), [(0, 20)]),
        (span(8.2, 11.9), [(8, 12)]),
        (span(9.999, 10.001), [(9, 11)]),
        (span(3, 3.001), [(3, 4)]),
    ],
)
def test_a_clip_reaches_from_the_idr_before_to_the_fragment_after(
    asked: WallSpan, delivered: list[tuple[float, float]]
) -> None:
    made = plan(TWO, asked)
    assert seconds(made.delivered) == delivered
    assert made.asked == asked and not made.is_partial and len(made.files) == 1


def test_the_pre_roll_goes_back_to_the_idr_and_no_further() -> None:
    made = plan([segment(at_s=0, seconds=12, gop_s=4)], span(6.5, 7.5))
    assert seconds(made.delivered) == [(4, 8)]
    assert made.files[0].pieces[0].fragments[0].starts_at_idr


def test_a_segment_without_an_idr_before_the_asked_start_begins_at_its_next_one() -> None:
    whole = segment(at_s=0, seconds=8, gop_s=4)
    headless = RecordedSegment(whole.name, replace(whole.scan, fragments=whole.scan.fragments[1:]))
    made = plan([headless], span(2, 8), (Explained(T0_NS, T0_NS + 9 * NS_PER_S, "no_keyframe"),))
    assert seconds(made.delivered) == [(4, 8)]
    assert [(seconds((gap.span,)), gap.reason) for gap in made.gaps] == [([(2, 4)], "no_keyframe")]


def test_nothing_recorded_is_an_empty_plan_with_the_whole_span_missing() -> None:
    made = plan([], span(0, 60), (Explained(T0_NS, T0_NS + 60 * NS_PER_S, "agent_down"),))
    assert made.files == () and made.delivered == () and made.is_partial
    assert [gap.reason for gap in made.gaps] == ["agent_down"]


def test_a_gap_jumps_the_time_line_and_is_stated_with_its_reason() -> None:
    segments = [segment(at_s=0, seconds=10), segment(at_s=25, seconds=10, run=2)]
    gap = Explained(T0_NS + 10 * NS_PER_S, T0_NS + 25 * NS_PER_S, "camera_unreachable")
    made = plan(segments, span(5, 30), (gap,))
    assert seconds(made.delivered) == [(5, 10), (25, 30)]
    assert [(seconds((each.span,)), each.reason) for each in made.gaps] == [([(10, 25)], "camera_unreachable")]
    assert len(made.files) == 1
    assert seconds(made.files[0].pauses) == [(10, 25)]
    first, second = place(made.files[0])
    assert (first[0].decode_time, first[-1].decode_time, second[0].decode_time) == (0, 4 * 90_000, 20 * 90_000)


def test_a_hole_with_several_reasons_is_cut_where_they_change_and_the_rest_is_unexplained() -> None:
    gaps = (
        Explained(T0_NS + 12 * NS_PER_S, T0_NS + 15 * NS_PER_S, "disk_full"),
        Explained(T0_NS, T0_NS + 11 * NS_PER_S, "camera_stalled"),
    )
    made = plan([segment(at_s=0, seconds=10)], span(5, 20), gaps)
    assert [(*seconds((gap.span,)), gap.reason) for gap in made.gaps] == [
        ((10, 11), "camera_stalled"),
        ((11, 12), "cause_unknown"),
        ((12, 15), "disk_full"),
        ((15, 20), "cause_unknown"),
    ]


def test_other_codec_parameters_need_another_file() -> None:
    made = plan([segment(at_s=0, seconds=5), segment(at_s=5, seconds=5, run=2, config=b"two")], span(0, 10))
    assert [seconds((file.span,)) for file in made.files] == [[(0, 5)], [(5, 10)]]
    assert not made.is_partial and seconds(made.delivered) == [(0, 10)]


def test_a_clock_that_stepped_back_gives_both_recordings_in_the_order_they_were_made() -> None:
    segments = [segment(at_s=4, seconds=6, run=2), segment(at_s=0, seconds=10, run=1)]
    made = plan(segments, span(3, 9))
    assert [seconds((file.span,)) for file in made.files] == [[(3, 9)], [(4, 9)]]
    assert seconds(made.delivered) == [(3, 9)]


@pytest.mark.parametrize("shift_s", [-0.03, 0.0, 0.2, 3.0])
def test_segments_of_one_run_join_whatever_the_last_frame_was_guessed_to_last(shift_s: float) -> None:
    made = plan([segment(at_s=0, seconds=5), segment(at_s=5 + shift_s, seconds=5, n=1)], span(0, 9.9))
    assert not made.is_partial and len(made.files) == 1
    assert len(made.files[0].pauses) == (1 if shift_s > 0.5 else 0)


@pytest.mark.parametrize(("wait_s", "is_whole"), [(0.0017, True), (0.039, True), (0.041, False)])
def test_less_than_a_frame_between_two_runs_is_no_missing_picture(wait_s: float, is_whole: bool) -> None:
    made = plan([segment(at_s=0, seconds=10), segment(at_s=10 + wait_s, seconds=10, run=2)], span(8, 12))
    assert made.is_partial is not is_whole
    assert len(made.delivered) == (1 if is_whole else 2)


def test_a_clip_that_ends_while_a_run_waited_for_its_next_frame_is_whole() -> None:
    made = plan([segment(at_s=0, seconds=5), segment(at_s=8, seconds=5, n=1)], span(1, 6.5))
    assert not made.is_partial and len(made.files[0].pieces) == 1
    assert seconds(made.files[0].pauses) == [(5, 8)]


def test_a_lost_segment_between_two_of_a_run_is_a_gap() -> None:
    made = plan([segment(at_s=0, seconds=5), segment(at_s=10, seconds=5, n=2)], span(0, 15))
    assert [seconds((gap.span,)) for gap in made.gaps] == [[(5, 10)]]


def test_fragments_that_hold_only_sound_travel_with_their_neighbours() -> None:
    whole = segment(at_s=0, seconds=4)
    fragments = list(whole.scan.fragments)
    sound = replace(fragments[1], frames=0, duration_ns=0, duration=0, starts_at_idr=False, decode_time=0)
    fragments.insert(2, replace(sound, start_wall_ns=fragments[1].end_wall_ns))
    made = plan([RecordedSegment(whole.name, replace(whole.scan, fragments=tuple(fragments)))], span(0, 4))
    assert len(made.files[0].pieces[0].fragments) == 5 and made.files[0].frames == 100
    assert [each.decode_time for each in place(made.files[0])[0]] == [0, 90_000, 180_000, 180_000, 270_000]


recordings = st.lists(
    st.tuples(st.integers(1, 8), st.integers(0, 6), st.booleans(), st.sampled_from([b"one", b"two"])), max_size=8
)


@given(recordings, st.integers(0, 60), st.integers(1, 60), st.integers(1, 4))
def test_what_was_asked_is_delivered_or_missing_and_every_file_opens_at_an_idr(
    parts: list[tuple[int, int, bool, bytes]], start_s: int, length_s: int, gop_s: int
) -> None:
    segments: list[RecordedSegment] = []
    at_s, run, n = 0, 1, 0
    for length, pause, is_new_run, config in parts:
        if pause or is_new_run:
            run, n = run + 1, 0
        at_s += pause
        segments.append(segment(at_s=at_s, seconds=length, run=run, n=n, config=config, gop_s=gop_s))
        at_s, n = at_s + length, n + 1
    asked = span(start_s + 0.25, start_s + length_s)
    made = plan(segments[::-1], asked)
    missing = [gap.span for gap in made.gaps]
    assert union([*missing, *(each for d in made.delivered if (each := d.intersection(asked)))]) == (asked,)
    assert not any(gap.overlaps(each) for gap in missing for each in made.delivered)
    for file in made.files:
        assert file.pieces[0].fragments[0].starts_at_idr
        times = [each.decode_time for piece in place(file) for each in piece]
        assert times[0] == 0 and times == sorted(set(times))
        assert len({piece.path for piece in file.pieces}) == len(file.pieces)
    recorded = [s.scan.span for s in segments if s.scan.span]
    assert union(missing) == subtract(asked, recorded)
