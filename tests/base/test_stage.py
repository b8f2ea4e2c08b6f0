"""The loop that every thread runs in, and where threads meet."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import LinkError
from agent.mailbox import Mailbox
from agent.stage import Backoff, Stage

_WAIT_S = 10.0
SOON = Backoff(initial_s=0.001, max_s=0.002)


@pytest.mark.parametrize(
    ("failures", "chance", "delay_s"), [(1, 0.5, 0.5), (2, 0.5, 1.0), (5, 0.5, 8.0), (900, 0.5, 10.0), (1, 0.0, 0.35)]
)
def test_waits_double_up_to_the_longest_and_are_spread(failures: int, chance: float, delay_s: float) -> None:
    assert Backoff(0.5, 10.0, 0.3).delay_s(failures, chance) == pytest.approx(delay_s)


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_no_wait_is_negative_or_beyond_the_spread_of_the_longest(failures: int, chance: float) -> None:
    assert 0 < Backoff(0.5, 10.0, 0.3).delay_s(failures, chance) <= 13.0


@pytest.mark.parametrize(("failures", "lasted_s", "counted"), [(0, 0.1, 1), (6, 0.1, 7), (6, 10.1, 1), (6, 9.9, 7)])
def test_an_attempt_that_went_well_for_long_starts_the_count_anew(failures: int, lasted_s: float, counted: int) -> None:
    assert Backoff(0.5, 10.0).count(failures, lasted_s) == counted


def test_a_stage_goes_on_after_failures_and_tells_of_each() -> None:
    stop, rounds = threading.Event(), iter(range(5))
    told: list[Exception] = []

    def run_once() -> None:
        number = next(rounds)
        if number == 4:
            stop.set()
        elif number % 2:
            raise LinkError(number=number)

    stage = Stage("test", run_once, stop=stop, backoff=SOON, on_failure=told.append)
    stage.start()
    assert stage.join(_WAIT_S)
    assert [getattr(one, "number", None) for one in told] == [1, 3]


def test_an_owner_that_fails_at_the_news_does_not_end_the_stage() -> None:
    stop, seen = threading.Event(), []

    def run_once() -> None:
        seen.append(1)
        if len(seen) == 3:
            stop.set()
        raise LinkError

    def on_failure(_exc: Exception) -> None:
        raise ValueError("cannot take this")

    stage = Stage("test", run_once, stop=stop, backoff=SOON, on_failure=on_failure)
    stage.start()
    assert stage.join(_WAIT_S)
    assert len(seen) == 3


def test_a_waiting_stage_ends_at_once_when_it_is_stopped() -> None:
    stop, failed = threading.Event(), threading.Event()

    def run_once() -> None:
        failed.set()
        raise LinkError

    stage = Stage("test", run_once, stop=stop, backoff=Backoff(3600.0, 3600.0))
    stage.start()
    assert failed.wait(_WAIT_S)
    stop.set()
    assert stage.join(_WAIT_S)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_stage_does_not_swallow_what_ends_a_process() -> None:
    def run_once() -> None:
        raise KeyboardInterrupt

    stage = Stage("test", run_once, stop=threading.Event(), backoff=SOON)
    stage.start()
    assert stage.join(_WAIT_S)


def test_a_full_mailbox_says_no_and_counts_it() -> None:
    mailbox: Mailbox[int] = Mailbox(2)
    assert [mailbox.put(number) for number in range(4)] == [True, True, False, False]
    assert (mailbox.dropped, mailbox.depth) == (2, 2)
    assert mailbox.take_all(0) == [0, 1]
    assert mailbox.put(4)


def test_a_mailbox_is_bounded_by_bytes_but_takes_one_large_item_when_it_is_empty() -> None:
    mailbox: Mailbox[str] = Mailbox(100, max_bytes=10)
    assert mailbox.put("large", 50)
    assert not mailbox.put("small", 1)
    assert mailbox.take(0) == "large"
    assert mailbox.bytes == 0
    assert mailbox.put("a", 6)
    assert not mailbox.put("b", 5)
    assert mailbox.put("c", 4)


def test_a_closed_mailbox_gives_out_what_it_has_and_wakes_who_waits() -> None:
    mailbox: Mailbox[int] = Mailbox(10)
    mailbox.put(1)
    mailbox.close()
    assert not mailbox.put(2)
    assert mailbox.take(_WAIT_S) == 1
    assert mailbox.take(3600) is None
    assert mailbox.take_all(3600) == []


def test_all_that_many_give_is_taken_once_by_many() -> None:
    mailbox: Mailbox[int] = Mailbox(10_000)
    taken: list[int] = []

    def give(start: int) -> None:
        for number in range(start, start + 500):
            mailbox.put(number)

    def take() -> None:
        while (number := mailbox.take(_WAIT_S)) is not None:
            taken.append(number)

    takers = [threading.Thread(target=take) for _ in range(3)]
    givers = [threading.Thread(target=give, args=(start,)) for start in (0, 500, 1000)]
    for thread in takers + givers:
        thread.start()
    for thread in givers:
        thread.join()
    mailbox.close()
    for thread in takers:
        thread.join()
    assert sorted(taken) == list(range(1500))
