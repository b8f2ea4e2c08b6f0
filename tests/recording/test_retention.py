"""What the ring deletes: the oldest, fairly, never what is held, never by age while the clock is unsure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.recording.holds import HeldSegment, Hold, plan_lapses
from agent.recording.index import SegmentRow
from agent.recording.janitor import coalesce
from agent.recording.records import HoldKind
from agent.recording.retention import CameraLimits, DeletionPlan, RetentionLimits, RingState, plan_deletions
from agent.units import DAY_S, WallSpan
from tests.clip.footage import START_NS
from tests.recording.ring import S, paths, row

Held = Mapping[str, Sequence[WallSpan]]


def limits(max_bytes: int = 10**9, min_free_bytes: int = 0, keep_days: int = 30) -> RetentionLimits:
    return RetentionLimits(max_bytes, min_free_bytes, keep_days)


def plan(
    rows: Sequence[SegmentRow],
    limit: RetentionLimits,
    *,
    held: Held | None = None,
    free_bytes: int = 10**12,
    now_s: float = 10_000,
    is_clock_trusted: bool = True,
    is_sorted: bool = False,
) -> DeletionPlan:
    by_camera: dict[str, list[SegmentRow]] = {}
    for each in rows if is_sorted else sorted(rows, key=lambda one: one.start_wall_ns):
        by_camera.setdefault(each.camera, []).append(each)
    return plan_deletions(
        by_camera,
        held or {},
        limits=limit,
        state=RingState(
            bytes_by_camera={camera: sum(each.bytes for each in rows) for camera, rows in by_camera.items()},
            free_bytes=free_bytes,
            now_wall_ns=START_NS + int(now_s * S),
            is_clock_trusted=is_clock_trusted,
        ),
    )


def minutes(count: int, camera: str = "c01", size_bytes: int = 100, first: int = 0) -> list[SegmentRow]:
    return [row(60 * (first + n), camera=camera, n=n, size_bytes=size_bytes) for n in range(count)]


def test_a_ring_within_its_limits_loses_nothing() -> None:
    assert plan(minutes(10), limits(1000)) == DeletionPlan((), 0, 0)


def test_the_oldest_go_until_the_bytes_fit() -> None:
    rows = minutes(10)
    assert paths(plan(rows, limits(750)).doomed) == paths(rows[:3])


def test_a_disk_that_fills_up_takes_from_the_ring_even_below_its_bytes() -> None:
    rows = minutes(10)
    assert paths(plan(rows, limits(10_000, min_free_bytes=500), free_bytes=350).doomed) == paths(rows[:2])


def test_a_ring_over_its_limit_goes_a_little_below_so_that_it_need_not_delete_each_minute() -> None:
    rows = minutes(3000, size_bytes=1000)
    doomed = plan(rows, limits(2_999_000)).doomed
    # 1 000 bytes too many, and 0.5 % of the limit.
    assert len(doomed) == 16


def test_a_greedy_camera_does_not_push_the_others_out() -> None:
    old_and_small = minutes(10, "c01", 10)
    greedy = minutes(10, "c02", 1000, first=5)
    assert {each.camera for each in plan([*old_and_small, *greedy], limits(5000)).doomed} == {"c02"}


def test_a_camera_of_fewer_days_loses_what_the_others_keep() -> None:
    rows = [*minutes(3, "c01"), *minutes(3, "c02")]
    own = replace(limits(keep_days=30), by_camera={"c02": CameraLimits(keep_days=2)})
    assert paths(plan(rows, own, now_s=3 * DAY_S).doomed) == paths(rows[3:])
    assert plan(rows, own, now_s=3 * DAY_S, is_clock_trusted=False).doomed == ()


def test_a_camera_of_more_days_keeps_what_the_others_lose() -> None:
    rows = [*minutes(3, "c01"), *minutes(3, "c02")]
    own = replace(limits(keep_days=2), by_camera={"c02": CameraLimits(keep_days=30)})
    assert paths(plan(rows, own, now_s=3 * DAY_S).doomed) == paths(rows[:3])


def test_a_cameras_own_bytes_take_its_oldest_though_the_ring_has_room() -> None:
    rows = [*minutes(10, "c01"), *minutes(10, "c02")]
    own = replace(limits(), by_camera={"c02": CameraLimits(max_bytes=750)})
    assert paths(plan(rows, own).doomed) == paths(rows[10:13])


def test_a_hold_outlives_its_cameras_own_bytes_and_the_shortage_is_told() -> None:
    rows = minutes(4)
    own = replace(limits(), by_camera={"c01": CameraLimits(max_bytes=100)})
    held = {"c01": [WallSpan(START_NS, START_NS + 179 * S)]}
    assert plan(rows, own, held=held) == DeletionPlan((rows[3],), 100, 200)


def test_equal_cameras_lose_their_oldest_in_turn() -> None:
    doomed = plan([*minutes(10, "c01"), *minutes(10, "c02")], limits(1600)).doomed
    assert sorted(each.camera for each in doomed) == ["c01", "c01", "c01", "c02", "c02"]


def test_a_held_segment_outlives_newer_unheld_ones() -> None:
    rows = minutes(5)
    held = {"c01": [WallSpan(rows[1].start_wall_ns + 59 * S, rows[2].start_wall_ns + S)]}
    assert paths(plan(rows, limits(300), held=held).doomed) == paths([rows[0], rows[3], rows[4]])


def test_what_holds_keep_from_being_freed_is_told() -> None:
    rows = minutes(5)
    everything = {"c01": [WallSpan(START_NS, START_NS + 3600 * S)]}
    assert plan(rows, limits(300), held=everything) == DeletionPlan((), 0, 200)


def test_old_footage_goes_by_age_unless_the_clock_is_unsure() -> None:
    rows = [row(0), row(60, n=1)]
    now_s = DAY_S + 90
    assert paths(plan(rows, limits(keep_days=1), now_s=now_s).doomed) == paths(rows[:1])
    assert plan(rows, limits(keep_days=1), now_s=now_s, is_clock_trusted=False).doomed == ()


def test_footage_of_an_unsure_clock_goes_by_age_only_with_what_was_recorded_after_it() -> None:
    in_1970 = [replace(row(-56 * 365 * DAY_S + 60 * n, n=n, run=2), is_time_sure=False) for n in range(2)]
    before, after = row(0), row(DAY_S, run=3)
    rows = [before, *in_1970, after]
    for now_s, gone in ((DAY_S + 90, rows[:1]), (2 * DAY_S + 30, rows[:1]), (2 * DAY_S + 90, rows)):
        made = plan(rows, limits(keep_days=1), now_s=now_s, is_sorted=True)
        assert paths(made.doomed) == paths(gone), now_s
    assert plan([before, *in_1970], limits(keep_days=1), now_s=9 * DAY_S, is_sorted=True).doomed == (before,)


def test_for_space_what_was_recorded_first_goes_first_whatever_its_clock_said() -> None:
    unsure = [replace(row(-9 * DAY_S + 60 * n, n=n, run=2), boot=2, is_time_sure=False) for n in range(2)]
    assert paths(plan([row(0), *unsure], limits(299), is_sorted=True).doomed) == paths([row(0)])
    others = [replace(each, camera="c02") for each in unsure]
    assert paths(plan([row(0), row(60, n=1), *others], limits(399), is_sorted=True).doomed) == paths([row(0)])


@given(
    st.lists(st.tuples(st.sampled_from(["c01", "c02", "c03"]), st.integers(0, 50), st.integers(0, 1000)), max_size=40),
    st.lists(st.tuples(st.sampled_from(["c01", "c02"]), st.integers(0, 3000), st.integers(1, 600)), max_size=3),
    st.integers(0, 20_000),
    st.integers(0, 20_000),
    st.booleans(),
)
def test_no_plan_touches_a_hold_or_stops_short_while_anything_may_go(
    sizes: list[tuple[str, int, int]],
    holds: list[tuple[str, int, int]],
    max_bytes: int,
    free_bytes: int,
    is_clock_trusted: bool,
) -> None:
    rows = [row(60 * at, camera=camera, n=n, size_bytes=size) for n, (camera, at, size) in enumerate(sizes)]
    held: dict[str, list[WallSpan]] = {}
    for camera, at_s, length_s in holds:
        held.setdefault(camera, []).append(WallSpan(START_NS + at_s * S, START_NS + (at_s + length_s) * S))
    made = plan(
        rows,
        limits(max_bytes, min_free_bytes=10_000),
        held=held,
        free_bytes=free_bytes,
        is_clock_trusted=is_clock_trusted,
    )
    assert not any(each.span.overlaps(span) for each in made.doomed for span in held.get(each.camera, ()))
    assert len(set(paths(made.doomed))) == len(made.doomed)
    assert made.freed_bytes == sum(each.bytes for each in made.doomed)
    over_bytes = max(sum(each.bytes for each in rows) - max_bytes, 10_000 - free_bytes, 0)
    assert made.freed_bytes + made.short_bytes >= over_bytes
    if made.short_bytes:
        spared = [each for each in rows if each not in made.doomed]
        assert all(any(each.span.overlaps(span) for span in held.get(each.camera, ())) for each in spared)
    for camera in {each.camera for each in rows}:
        free = [each for each in rows if each.camera == camera and each not in made.doomed]
        free = [each for each in free if not any(each.span.overlaps(span) for span in held.get(camera, ()))]
        gone = [each.start_wall_ns for each in made.doomed if each.camera == camera]
        assert max(gone, default=0) <= min((each.start_wall_ns for each in free), default=1 << 62)


def hold(name: str, made_s: float, *, expires_s: float = 10**6, kind: HoldKind = HoldKind.INCIDENT) -> Hold:
    return Hold(name, kind, "c01", WallSpan(0, 1), int(made_s * S), int(expires_s * S), "")


@pytest.mark.parametrize(
    ("quota_bytes", "now_s", "is_clock_trusted", "expected"),
    [
        pytest.param(300, 0, True, [], id="all fits"),
        pytest.param(299, 0, True, [("b", "quota")], id="the oldest frees what it alone holds"),
        pytest.param(200, 0, True, [("b", "quota")], id="shared segments stay with the younger hold"),
        pytest.param(100, 0, True, [("b", "quota"), ("a", "quota")], id="then the next"),
        pytest.param(0, 0, True, [("b", "quota"), ("a", "quota"), ("c", "quota")], id="nothing may be held"),
        pytest.param(300, 60, True, [("a", "expired")], id="one is past its time"),
        pytest.param(300, 60, False, [], id="but the clock is unsure"),
    ],
)
def test_incident_holds_lapse_oldest_first(
    quota_bytes: int, now_s: int, is_clock_trusted: bool, expected: list[tuple[str, str]]
) -> None:
    holds = [hold("a", 2, expires_s=50), hold("b", 1), hold("c", 3), hold("s", 0, kind=HoldKind.STAFF)]
    held = [
        HeldSegment("b", "p1", 100),
        HeldSegment("b", "p2", 100),
        HeldSegment("a", "p2", 100),
        HeldSegment("c", "p3", 100),
        HeldSegment("s", "p4", 10_000),
    ]
    lapses = plan_lapses(holds, held, quota_bytes=quota_bytes, now_wall_ns=now_s * S, is_clock_trusted=is_clock_trusted)
    assert [(lapse.hold.hold_id, lapse.cause) for lapse in lapses] == expected


def test_deleted_segments_of_one_run_are_told_as_one_span() -> None:
    rows = [
        row(0, n=0, length_s=59.96),
        row(60, n=1),
        row(200, n=0, run=2),
        row(0, camera="c02"),
    ]
    told = [
        (each.camera, each.start_wall_ns - START_NS, each.end_wall_ns - START_NS, each.segments)
        for each in coalesce(rows)
    ]
    assert told == [("c01", 0, 120 * S, 2), ("c01", 200 * S, 260 * S, 1), ("c02", 0, 60 * S, 1)]
