"""When a process is started again, and when it is taken for hung."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.processes.restarts import (
    FIRST_DELAY_S,
    LAST_DELAY_S,
    READY_LIMIT_S,
    STOP_LIMIT_S,
    Life,
    died,
    heard,
    is_hung,
    started,
)

LIFE = Life(watchdog_s=2.0, started_s=100.0, fed_s=100.0)


@pytest.mark.parametrize(
    ("words", "limit_s"),
    [
        ([], READY_LIMIT_S),
        ([b"STATUS=opening models"], READY_LIMIT_S),
        ([b"READY=1"], 2.0),
        ([b"STATUS=up\nREADY=1"], 2.0),
        ([b"STATUS=not READY=1"], READY_LIMIT_S),
        ([b"READY=1", b"WATCHDOG=1"], 2.0),
        ([b"READY=1", b"STOPPING=1"], STOP_LIMIT_S),
        ([b"\xff\x00", b""], READY_LIMIT_S),
    ],
)
def test_a_process_hangs_when_it_is_silent_longer_than_its_state_allows(words: list[bytes], limit_s: float) -> None:
    life = LIFE
    for word in words:
        life = heard(life, 100.0, word)
    assert not is_hung(life, 100.0 + limit_s)
    assert is_hung(life, 100.1 + limit_s)


@pytest.mark.parametrize(
    ("message", "is_fed"),
    [(b"WATCHDOG=1", True), (b"READY=1", True), (b"STOPPING=1", True), (b"STATUS=stuck: recorder", False)],
)
def test_a_status_line_alone_is_no_sign_of_life(message: bytes, is_fed: bool) -> None:
    life = heard(heard(LIFE, 100.0, b"READY=1"), 101.5, message)
    assert is_hung(life, 102.5) is not is_fed


def test_the_first_death_costs_a_tenth_of_a_second_and_quick_ones_more_and_more() -> None:
    life, now_s, delays = LIFE, 101.0, []
    for _ in range(9):
        life, delay_s = died(life, now_s, is_misconfigured=False)
        delays.append(delay_s)
        now_s += delay_s
        life = started(life, now_s)
        now_s += 1.0
    assert delays[0] == pytest.approx(FIRST_DELAY_S)
    assert delays == sorted(delays)
    assert delays[-1] == LAST_DELAY_S


@given(st.integers(0, 100_000), st.floats(0, 1e6), st.booleans())
def test_however_often_it_died_it_is_back_within_the_longest_delay(deaths: int, lasted_s: float, bad: bool) -> None:
    _, delay_s = died(Life(2.0, 100.0, 100.0, quick_deaths=deaths), 100.0 + lasted_s, is_misconfigured=bad)
    assert FIRST_DELAY_S <= delay_s <= LAST_DELAY_S


def test_a_process_that_lived_long_is_back_at_once_however_often_it_died_before() -> None:
    life, delay_s = died(Life(2.0, 100.0, 100.0, is_ready=True, quick_deaths=7), 111.0, is_misconfigured=False)
    assert delay_s == pytest.approx(FIRST_DELAY_S)
    assert life.quick_deaths == 0


def test_a_new_life_begins_with_nothing_said() -> None:
    former = heard(heard(LIFE, 101.0, b"READY=1"), 102.0, b"STOPPING=1")
    assert started(former, 110.0) == Life(watchdog_s=2.0, started_s=110.0, fed_s=110.0)


def test_a_wrong_configuration_is_not_retried_in_haste() -> None:
    assert died(LIFE, 100.5, is_misconfigured=True)[1] == LAST_DELAY_S
