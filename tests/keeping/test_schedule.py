"""Hours of the week mean what a clock on the site's wall says, over midnight and over every change of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.recording.schedule import WEEKDAYS, Hours, Schedule
from agent.units import DAY_S, NS_PER_S, WallSpan, day_span, parse_rfc3339, subtract

S = NS_PER_S
BANGKOK, NEW_YORK, LORD_HOWE = (ZoneInfo(name) for name in ("Asia/Bangkok", "America/New_York", "Australia/Lord_Howe"))


def told(hours: Hours, zone: ZoneInfo, day: date) -> list[tuple[str, str]]:
    """The windows of a civil day, as its clock shows them."""

    def shown(wall_ns: int) -> str:
        return datetime.fromtimestamp(wall_ns // S, UTC).astimezone(zone).strftime("%d %H:%M")

    return [(shown(each.start_ns), shown(each.end_ns)) for each in Schedule([hours], zone).windows(day_span(day, zone))]


@pytest.mark.parametrize(
    ("hours", "zone", "day", "expected"),
    [
        pytest.param(
            Hours(("mon",), "08:00", "18:00"), BANGKOK, date(2026, 11, 23), [("23 08:00", "23 18:00")], id="a day"
        ),
        pytest.param(Hours(("mon",), "08:00", "18:00"), BANGKOK, date(2026, 11, 24), [], id="not on a Tuesday"),
        pytest.param(
            Hours(("mon",), "18:00", "06:00"), BANGKOK, date(2026, 11, 24), [("24 00:00", "24 06:00")], id="its morning"
        ),
        pytest.param(
            Hours(WEEKDAYS, "18:00", "06:00"),
            BANGKOK,
            date(2026, 11, 24),
            [("24 00:00", "24 06:00"), ("24 18:00", "25 00:00")],
            id="every night",
        ),
        pytest.param(
            Hours(WEEKDAYS, "00:00", "24:00"), BANGKOK, date(2026, 11, 24), [("24 00:00", "25 00:00")], id="all day"
        ),
        pytest.param(
            Hours(("sun",), "01:30", "03:30"),
            NEW_YORK,
            date(2026, 3, 8),
            [("08 01:30", "08 03:30")],
            id="an hour that is left out",
        ),
        pytest.param(
            Hours(("sun",), "01:30", "03:00"),
            NEW_YORK,
            date(2026, 11, 1),
            [("01 01:30", "01 03:00")],
            id="an hour that comes twice",
        ),
    ],
)
def test_windows_are_civil_time(hours: Hours, zone: ZoneInfo, day: date, expected: list[tuple[str, str]]) -> None:
    assert told(hours, zone, day) == expected


def test_a_night_with_an_hour_more_is_recorded_an_hour_longer() -> None:
    night = Schedule([Hours(("sat",), "22:00", "06:00")], NEW_YORK)
    span = WallSpan(parse_rfc3339("2026-10-31T12:00:00-04:00"), parse_rfc3339("2026-11-01T12:00:00-05:00"))
    (window,) = night.windows(span)
    assert window.duration_s == 9 * 3600


def test_a_moment_is_told_its_window_and_when_that_changes() -> None:
    schedule = Schedule([Hours(("mon", "tue"), "18:00", "06:00")], BANGKOK)
    monday = parse_rfc3339("2026-11-23T19:00:00+07:00")
    on = schedule.standing(monday)
    assert on.window == WallSpan(monday - 3600 * S, monday + 11 * 3600 * S)
    assert on.until_ns == monday + 11 * 3600 * S
    off = schedule.standing(on.until_ns)
    assert (off.window, off.until_ns) == (None, parse_rfc3339("2026-11-24T18:00:00+07:00"))
    assert schedule.standing(parse_rfc3339("2026-11-25T07:00:00+07:00")).until_ns == monday + 7 * DAY_S * S - 3600 * S


minutes = st.integers(0, 23 * 60 + 59).map(lambda minute: f"{minute // 60:02d}:{minute % 60:02d}")
windows = st.builds(
    lambda days, start, end: Hours(tuple(sorted(days)), start, end if end != start else "24:00"),
    st.sets(st.sampled_from(WEEKDAYS), min_size=1),
    minutes,
    minutes,
)
# Around the changes of 2026 in zones that shift by an hour and by half an hour, and in one that never does.
moments = st.one_of(
    st.integers(parse_rfc3339("2026-03-07T00:00:00Z") // S, parse_rfc3339("2026-03-10T00:00:00Z") // S),
    st.integers(parse_rfc3339("2026-10-30T00:00:00Z") // S, parse_rfc3339("2026-11-03T00:00:00Z") // S),
    st.integers(parse_rfc3339("2026-04-03T00:00:00Z") // S, parse_rfc3339("2026-04-06T00:00:00Z") // S),
)
zones = st.sampled_from([BANGKOK, NEW_YORK, LORD_HOWE])


def is_within(hours: Hours, zone: ZoneInfo, second: int) -> bool:
    """As a person reads it off the wall, second by second."""
    shown = datetime.fromtimestamp(second, UTC).astimezone(zone)
    clock, yesterday = shown.strftime("%H:%M"), shown.date() - timedelta(days=1)
    today_is_named = WEEKDAYS[shown.weekday()] in hours.days
    if hours.end > hours.start:
        return today_is_named and hours.start <= clock < hours.end
    return (today_is_named and clock >= hours.start) or (
        WEEKDAYS[yesterday.weekday()] in hours.days and clock < hours.end
    )


@given(st.lists(windows, min_size=1, max_size=3), zones, moments)
def test_whoever_reads_a_time_within_the_window_off_the_wall_is_recorded(
    hours: list[Hours], zone: ZoneInfo, second: int
) -> None:
    on = Schedule(hours, zone).standing(second * S).window is not None
    wanted = any(is_within(each, zone, second) for each in hours)
    assert on or not wanted
    # And nobody else, but where the clock is changed.
    near = [datetime.fromtimestamp(second + shift, UTC).astimezone(zone).utcoffset() for shift in (-7 * 3600, 7 * 3600)]
    if near[0] == near[1]:
        assert on == wanted


@given(st.lists(windows, min_size=1, max_size=3), zones, moments, st.integers(1, 4 * DAY_S))
def test_what_a_span_is_told_agrees_with_every_moment_of_it(
    hours: list[Hours], zone: ZoneInfo, second: int, length_s: int
) -> None:
    schedule, span = Schedule(hours, zone), WallSpan(second * S, (second + length_s) * S)
    on = schedule.windows(span)
    for each in on:
        assert schedule.standing(each.start_ns).window is not None
        assert schedule.standing(each.end_ns - 1).window is not None
    for each in subtract(span, on):
        assert schedule.standing(each.start_ns).window is None
        assert schedule.standing(each.end_ns - 1).window is None
        assert schedule.standing(each.start_ns).until_ns >= each.end_ns
