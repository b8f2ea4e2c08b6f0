"""What counts as a fleet that came back well."""

from __future__ import annotations

import msgspec
import pytest

from agent.sim.report import Report, busiest_second, most_in_a_second, percentile

GOOD = Report(
    nodes=5000,
    connected=5000,
    incidents_made=15_000,
    incidents_received=15_000,
    incidents_lost=0,
    duplicates=3,
    reconnect_p99_s=29.7,
    busiest_second_ratio=0.042,
    born=5000,
    born_s=31.0,
    reconnected=5000,
    reconnect_max_s=30.1,
    settled_s=31.0,
    spread_s=30.0,
    outage_s=20.0,
    simulator_late_s=0.05,
    peak_rss_mb=1400,
)


@pytest.mark.parametrize(
    ("change", "is_good"),
    [
        ({}, True),
        ({"incidents_lost": 1}, False),
        ({"connected": 4999}, False),
        ({"reconnected": 4999}, False),
        ({"born": 4999}, False),
        ({"reconnect_max_s": 120.1}, False),
        ({"reconnect_max_s": None, "reconnected": 0}, False),
        ({"busiest_second_ratio": 0.051}, False),
        ({"duplicates": 5000}, True),
    ],
)
def test_a_fleet_is_well_when_all_are_back_in_time_nothing_is_lost_and_no_second_was_crowded(
    change: dict[str, object], is_good: bool
) -> None:
    assert msgspec.structs.replace(GOOD, **change).is_good is is_good


def test_the_busiest_second_begins_anywhere() -> None:
    assert busiest_second([]) == 0
    assert busiest_second([0.0, 0.9, 1.1, 1.5, 1.8, 2.05]) == 4
    assert busiest_second([0.0, 1.0, 2.0]) == 1


def test_chance_is_allowed_to_a_small_fleet_and_nothing_to_a_large_one() -> None:
    assert most_in_a_second(5000, 30.0) == 0.05
    assert 0.05 < most_in_a_second(1000, 30.0) < 0.07
    assert most_in_a_second(20, 1.0) > 1


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentile([], 0.99) is None
    assert percentile([1.0, 2.0, 3.0], 0.99) == 3.0
    assert percentile([float(n) for n in range(1, 201)], 0.99) == 198.0
