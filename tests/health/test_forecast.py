"""How long footage is kept: foretold by arithmetic, and told the same by the retention that will do it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.health.endurance import CLASSES, Rating, WearSeen, judge, rate
from agent.health.forecast import CameraRoom, HeldBytes, Written, forecast, least_days, room_bytes
from agent.recording.retention import CameraLimits, RetentionLimits, RingState, plan_deletions
from agent.units import DAY_S, NS_PER_S
from tests.recording.ring import row

GB = 10**9
DAY_NS = DAY_S * NS_PER_S
NOW_NS = 7 * DAY_NS
TODAY = date(2026, 11, 23)


def room(camera: str, gb_per_day: float, *, keep_days: int = 30, own_gb: float | None = None) -> CameraRoom:
    own_bytes = None if own_gb is None else int(own_gb * GB)
    return CameraRoom(camera, Written(int(gb_per_day * 7 * GB), 0), keep_days, own_bytes)


def days(*rooms: CameraRoom, ring_gb: float) -> list[float | None]:
    return [each.days for each in forecast(rooms, int(ring_gb * GB), NOW_NS)]


@pytest.mark.parametrize(
    ("rooms", "ring_gb", "expected"),
    [
        ([room("a", 40)], 400, [10.0]),
        ([room("a", 1)], 400, [30.0]),
        ([room("a", 1, keep_days=7)], 400, [7.0]),
        ([room("a", 10, own_gb=50)], 400, [5.0]),
        ([room("a", 10)], 0, [0.0]),
        # The frugal one keeps all that is promised; the two others reach back equally far over the rest.
        ([room("a", 1), room("b", 10), room("c", 10)], 330, [30.0, 15.0, 15.0]),
        # An equal share is no camera's to lose, whatever the others write.
        ([room("a", 10), room("b", 1000)], 200, [10.0, 0.1]),
    ],
)
def test_each_camera_is_kept_as_long_as_the_ring_has_room(rooms, ring_gb, expected):
    assert days(*rooms, ring_gb=ring_gb) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    "written", [None, Written(0, 0), Written(GB, NOW_NS - 599 * NS_PER_S)], ids=["nothing", "empty", "too short"]
)
def test_of_a_camera_that_recorded_for_less_than_ten_minutes_nothing_is_foretold(written):
    (outlook,) = forecast([CameraRoom("a", written, 30)], 400 * GB, NOW_NS)
    assert (outlook.days, outlook.is_short) == (None, False)
    assert least_days([outlook]) is None


def test_what_is_held_takes_room_only_where_it_is_older_than_what_is_kept():
    old, new = (replace(room("a", 10), held=(HeldBytes(age, 100 * GB),)) for age in (50, 2))
    assert days(old, ring_gb=200) == pytest.approx([10.0], abs=0.01)
    assert days(new, ring_gb=200) == pytest.approx([20.0], abs=0.01)


def test_a_disk_smaller_than_its_configuration_holds_less():
    told = {"max_bytes": 400 * GB, "min_free_bytes": 5 * GB}
    assert room_bytes(**told, footage_bytes=0, free_bytes=1000 * GB) == 400 * GB
    assert room_bytes(**told, footage_bytes=20 * GB, free_bytes=45 * GB) == 60 * GB
    assert room_bytes(**told, footage_bytes=1 * GB, free_bytes=1 * GB) == 0


def test_a_promise_is_short_below_it_by_more_than_a_rates_wandering():
    for kept, is_short, is_below in ((28.5, True, True), (29.5, False, True), (30, False, False)):
        (outlook,) = forecast([room("a", 10)], int(kept * 10 * GB), NOW_NS)
        assert (outlook.is_short, outlook.is_below_promise) == (is_short, is_below)


@settings(max_examples=25, deadline=None)
@given(
    rates=st.lists(st.integers(1, 30), min_size=1, max_size=4),
    keep=st.lists(st.integers(2, 12), min_size=4, max_size=4),
    own=st.lists(st.none() | st.integers(20, 200), min_size=4, max_size=4),
    ring=st.integers(30, 600),
)
@example(rates=[1, 10, 20], keep=[12] * 4, own=[None] * 4, ring=90)
@example(rates=[1, 24, 1, 2], keep=[2, 2, 9, 3], own=[None] * 4, ring=30)
def test_the_forecast_is_what_the_retention_then_does(rates, keep, own, ring):
    """Three weeks of a small ring, swept four times a day; a unit is a gigabyte, a segment a quarter of a day."""
    unit, per_day = 1000, 4
    cameras = [f"c{n}" for n in range(len(rates))]
    limits = RetentionLimits(
        ring * unit,
        0,
        30,
        {camera: CameraLimits(keep[n], own[n] and own[n] * unit) for n, camera in enumerate(cameras)},
    )
    segments = {camera: [] for camera in cameras}
    for step in range(21 * per_day):
        for camera, units in zip(cameras, rates, strict=True):
            made = row(step * DAY_S / per_day, camera=camera, size_bytes=units * unit // per_day, n=step)
            segments[camera].append(replace(made, end_wall_ns=made.start_wall_ns + DAY_NS // per_day))
        now_ns = segments[cameras[0]][-1].end_wall_ns
        state = RingState({each: sum(s.bytes for s in kept) for each, kept in segments.items()}, 1 << 50, now_ns, True)
        gone = {each.path for each in plan_deletions(segments, {}, limits=limits, state=state).doomed}
        segments = {each: [s for s in kept if s.path not in gone] for each, kept in segments.items()}
    rooms = [
        CameraRoom(camera, Written(units * unit * 7, 0), keep[n], own[n] and own[n] * unit)
        for n, (camera, units) in enumerate(zip(cameras, rates, strict=True))
    ]
    for outlook in forecast(rooms, ring * unit, NOW_NS):
        kept = len(segments[outlook.camera]) / per_day
        # A segment is a quarter of a day, and a sweep goes up to one beyond its limit and 0.5 % below it; of the room
        # that all share, one segment of the largest camera is a part of everybody's days.
        largest = max(rates) / per_day / sum(rates)
        assert kept == pytest.approx(outlook.days, abs=0.8 + largest + 0.02 * outlook.days)


@pytest.mark.parametrize(
    ("endurance_bytes", "disk_class", "disk_bytes", "rated"),
    [
        (180 * 10**12, "", 64 * GB, 180 * 10**12),
        (0, "sd_endurance", 64 * GB, 57_600 * GB),
        (0, "sd", 64 * GB, 19_200 * GB),
        (0, "emmc", 32 * GB, 32_000 * GB),
        (0, "ssd", 500 * GB, 125_000 * GB),
        (0, "hdd", 4000 * GB, 540_000 * GB),
        (0, "ssd", None, None),
        (0, "", 500 * GB, None),
    ],
)
def test_a_disk_is_rated_by_its_maker_or_by_its_class(endurance_bytes, disk_class, disk_bytes, rated):
    rating = rate(endurance_bytes, disk_class, disk_bytes)
    assert rating.rated_bytes == rated
    assert rating.source


def test_every_class_that_can_be_configured_is_known():
    from typing import get_args, get_type_hints

    from agent.config import StorageConfig

    assert {each for each in get_args(get_type_hints(StorageConfig)["disk_class"]) if each} == set(CLASSES)


@pytest.mark.parametrize(
    ("seen", "until", "used", "worn_out", "is_short"),
    [
        # 100 GB a day of 100 TB: 1 000 days.
        (WearSeen(footage_bytes_per_day=100 * GB), None, None, date(2029, 8, 19), False),
        (WearSeen(footage_bytes_per_day=100 * GB), date(2031, 1, 1), None, date(2029, 8, 19), True),
        (
            WearSeen(lifetime_written_bytes=95_000 * GB, footage_bytes_per_day=100 * GB),
            None,
            0.95,
            date(2027, 1, 12),
            True,
        ),
        # What the device says of itself comes first.
        (WearSeen(0.5, 99_000 * GB, footage_bytes_per_day=100 * GB), None, 0.5, date(2028, 4, 6), False),
        (WearSeen(1.1, footage_bytes_per_day=100 * GB), None, 1.1, TODAY, True),
        (WearSeen(1.1), None, 1.1, None, True),
        # All writes of the device, once it is up for a day; before, those of footage.
        (
            WearSeen(written_bytes=200 * GB, uptime_s=DAY_S, footage_bytes_per_day=GB),
            None,
            None,
            date(2028, 4, 6),
            False,
        ),
        (
            WearSeen(written_bytes=200 * GB, uptime_s=60, footage_bytes_per_day=100 * GB),
            None,
            None,
            date(2029, 8, 19),
            False,
        ),
        (WearSeen(footage_bytes_per_day=1), date(2031, 1, 1), None, None, False),
        (WearSeen(), date(2031, 1, 1), None, None, False),
    ],
)
def test_a_disk_that_will_not_last_is_told_in_time(seen, until, used, worn_out, is_short):
    found = judge(Rating(100_000 * GB, "rated by its maker"), seen, TODAY, until)
    assert (found.used_ratio, found.worn_out, found.is_short) == (used, worn_out, is_short)


def test_of_a_disk_nobody_knows_anything_of_nothing_is_claimed():
    found = judge(rate(0, "", None), WearSeen(lifetime_written_bytes=GB, footage_bytes_per_day=GB), TODAY, None)
    assert (found.used_ratio, found.worn_out, found.is_short) == (None, None, False)
    assert "storage.endurance" in found.rating.source
