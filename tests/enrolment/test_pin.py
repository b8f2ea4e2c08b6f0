"""The PIN: what a wrong try costs, and that neither a power cycle nor a wrong clock changes the price."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from agent.enrolment.pin import (
    FIRST_LOCK_S,
    FREE_FAILURES,
    MAX_LOCK_S,
    PinVerdict,
    SetupRecord,
    begin_try,
    hash_pin,
    is_pin,
    judge_pin,
    lock_s,
    new_pin,
    wait_s,
)

FRESH = SetupRecord(salt="", hash="")


def after(failures: int, *, boot: str = "b1", mono_s: float = 100.0) -> SetupRecord:
    return msgspec.structs.replace(FRESH, failures=failures, failed_boot_id=boot, failed_mono_s=mono_s)


def test_five_wrong_tries_lock_and_the_sixth_is_refused_even_when_right() -> None:
    record, verdicts = FRESH, []
    for second in range(5):
        judged = judge_pin(record, "b1", second, is_right=False)
        record = judged.record
        verdicts.append((judged.verdict, judged.tries_left))
    assert verdicts == [(PinVerdict.WRONG, left) for left in (4, 3, 2, 1, 0)]
    sixth = judge_pin(record, "b1", 5, is_right=True)
    assert (sixth.verdict, sixth.record) == (PinVerdict.LOCKED, record)
    assert sixth.wait_s == FIRST_LOCK_S - 1


def test_the_wait_doubles_up_to_a_day() -> None:
    assert [lock_s(n) / 60 for n in (4, 5, 6, 7, 8)] == [0, 15, 30, 60, 120]
    assert lock_s(10_000) == MAX_LOCK_S


def test_after_the_wait_the_right_pin_opens_and_clears_the_count() -> None:
    judged = judge_pin(after(5), "b1", 100 + FIRST_LOCK_S, is_right=True)
    assert (judged.verdict, judged.record.failures) == (PinVerdict.RIGHT, 0)


def test_a_power_cycle_neither_shortens_nor_ends_the_wait() -> None:
    # The boot's clock begins at 0: the whole wait passes again.
    assert wait_s(after(5), "b2", 10) == FIRST_LOCK_S - 10
    assert wait_s(after(5), "b2", FIRST_LOCK_S) == 0


def test_a_try_counts_before_it_is_judged() -> None:
    begun = begin_try(after(3), "b1", 200)
    assert begun is not None
    # The plug is pulled here; what is on disk is a failure.
    assert (begun.failures, begin_try(after(5), "b1", 200)) == (4, None)


@given(failures=st.integers(0, 10**9), boot=st.text(), failed=st.floats(), now=st.floats(0, 1e9), right=st.booleans())
def test_no_record_locks_for_ever_or_opens_while_locked(
    failures: int, boot: str, failed: float, now: float, right: bool
) -> None:
    record = after(failures, boot=boot, mono_s=failed)
    left_s = wait_s(record, "b1", now)
    assert 0 <= left_s <= MAX_LOCK_S
    judged = judge_pin(record, "b1", now, is_right=right)
    assert (judged.verdict is PinVerdict.LOCKED) == (left_s > 0)
    if judged.verdict is PinVerdict.WRONG:
        assert judged.record.failures == failures + 1
        assert (judged.wait_s > 0) == (failures + 1 >= FREE_FAILURES)


def test_pins_are_eight_digits_and_only_their_own_hash_knows_them() -> None:
    pin = new_pin()
    assert (len(pin), pin.isascii(), pin.isdecimal()) == (8, True, True)
    record = hash_pin(pin)
    assert is_pin(pin, record)
    assert not is_pin(f"{(int(pin) + 1) % 10**8:08d}", record)
    assert not is_pin(pin, msgspec.structs.replace(record, hash="?"))
    assert not is_pin("", FRESH)
