"""When a process is started again, and when it is taken for hung."""

from __future__ import annotations

import pytest

from agent.processes.restarts import LAST_DELAY_S, READY_LIMIT_S, Life, died, fed, is_hung, started

LIFE = Life(watchdog_s=2.0, started_s=100.0, fed_s=100.0)


@pytest.mark.parametrize(
    ("life", "now_s", "expected"),
    [
        (LIFE, 100.0 + READY_LIMIT_S, False),
        (LIFE, 100.1 + READY_LIMIT_S, True),
        (fed(LIFE, 110.0, is_ready=True), 112.0, False),
        (fed(LIFE, 110.0, is_ready=True), 112.1, True),
        (fed(fed(LIFE, 110.0, is_ready=True), 111.0, is_ready=False), 112.9, False),
    ],
)
def test_a_process_hangs_when_it_is_silent_longer_than_its_watchdog_once_it_was_ready(
    life: Life, now_s: float, expected: bool
) -> None:
    assert is_hung(life, now_s) is expected


def test_the_first_death_costs_a_tenth_of_a_second_and_quick_ones_more_and_more() -> None:
    life, now_s, delays = LIFE, 101.0, []
    for _ in range(9):
        life, delay_s = died(life, now_s, is_misconfigured=False)
        delays.append(delay_s)
        now_s += delay_s
        life = started(life, now_s)
        now_s += 1.0
    assert delays[0] == pytest.approx(0.1)
    assert delays == sorted(delays)
    assert delays[-1] == LAST_DELAY_S


def test_a_process_that_lived_long_is_back_at_once_however_often_it_died_before() -> None:
    life, delay_s = died(Life(2.0, 100.0, 100.0, is_ready=True, quick_deaths=7), 111.0, is_misconfigured=False)
    assert delay_s == pytest.approx(0.1)
    assert life.quick_deaths == 0


def test_a_wrong_configuration_is_not_retried_in_haste() -> None:
    assert died(LIFE, 100.5, is_misconfigured=True)[1] == LAST_DELAY_S
