"""Times and sizes as people write them."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import TimeError, UnitError
from agent.units import (
    DAY_S,
    NS_PER_S,
    WallSpan,
    day_of,
    day_span,
    format_rfc3339,
    parse_bytes,
    parse_rfc3339,
    parse_span,
    subtract,
    union,
)

BANGKOK = ZoneInfo("Asia/Bangkok")


@pytest.mark.parametrize(
    ("text", "wall_ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T07:00:00+07:00", 0),
        ("1970-01-01 07:00:00.25+07:00", 250_000_000),
        ("2026-11-22T14:03:00.123456789Z", 1_795_356_180_123_456_789),
    ],
)
def test_an_instant_with_an_offset_is_read_to_the_nanosecond(text: str, wall_ns: int) -> None:
    assert parse_rfc3339(text) == wall_ns


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("2026-11-22T14:03:00", "add the offset"),
        ("2569-11-22T14:03:00+07:00", "write 2026-11-22T14:03:00+07:00"),
        ("2026-02-30T14:03:00Z", "no such day"),
        ("yesterday", "RFC 3339"),
        ("1969-12-31T23:59:59Z", "no footage is from that year"),
        ("2262-01-01T00:00:00Z", "no footage is from that year"),
        ("2026-11-22T25:00:00Z", "no such day or time"),
    ],
)
def test_a_time_that_would_have_to_be_guessed_is_refused_with_advice(text: str, advice: str) -> None:
    with pytest.raises(TimeError, match=advice.replace("+", r"\+")):
        parse_rfc3339(text)


def test_a_span_whose_ends_are_swapped_is_refused() -> None:
    with pytest.raises(TimeError, match="swapped"):
        parse_span("2026-11-22T14:05:00Z", "2026-11-22T14:03:00Z")


@given(st.integers(0, 4_000_000_000_000).map(lambda ms: ms * 1_000_000))
def test_formatting_and_reading_an_instant_returns_it(wall_ns: int) -> None:
    assert parse_rfc3339(format_rfc3339(wall_ns)) == wall_ns
    assert parse_rfc3339(format_rfc3339(wall_ns, BANGKOK)) == wall_ns


def test_people_see_the_sites_zone_with_its_offset() -> None:
    assert format_rfc3339(0, BANGKOK) == "1970-01-01T07:00:00.000+07:00"


spans = st.lists(
    st.tuples(st.integers(0, 200), st.integers(0, 60)).map(lambda t: WallSpan(t[0], t[0] + t[1])), max_size=20
)


@given(spans)
def test_covered_and_uncovered_time_add_up_to_the_whole(covered: list[WallSpan]) -> None:
    whole = WallSpan(20, 180)
    inside = [part for span in union(covered) if (part := span.intersection(whole))]
    holes = subtract(whole, covered)
    assert sum(s.duration_ns for s in inside) + sum(h.duration_ns for h in holes) == whole.duration_ns
    assert not any(hole.overlaps(span) for hole in holes for span in covered if not span.is_empty)


def test_a_civil_day_in_thailand_has_86_400_seconds_and_starts_at_five_in_the_afternoon_utc() -> None:
    span = day_span(date(2026, 11, 22), BANGKOK)
    assert span.duration_ns == DAY_S * NS_PER_S
    assert format_rfc3339(span.start_ns) == "2026-11-21T17:00:00.000Z"
    assert day_of(span.start_ns, BANGKOK) == date(2026, 11, 22)
    assert day_of(span.start_ns - 1_000, BANGKOK) == date(2026, 11, 21)


@pytest.mark.parametrize(
    ("text", "size"), [("400GB", 400 * 10**9), ("64 MiB", 64 * 2**20), ("1500", 1500), ("1.5kB", 1500)]
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "lots", "-5GB", "5 GBB"])
def test_a_size_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(UnitError, match="400GB"):
        parse_bytes(text)
