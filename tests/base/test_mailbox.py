"""What has no room is told and counted; what must not be lost always has room."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.mailbox import Mailbox


def test_a_full_mailbox_refuses_counts_and_still_takes_what_is_forced() -> None:
    mailbox: Mailbox[str] = Mailbox(2)
    assert [mailbox.put(item) for item in "abc"] == [True, True, False]
    assert mailbox.force("d")
    assert (mailbox.dropped, mailbox.take_all(0)) == (1, ["a", "b", "d"])


def test_a_closed_mailbox_takes_nothing_and_gives_out_what_it_has() -> None:
    mailbox: Mailbox[str] = Mailbox(2)
    mailbox.put("a")
    mailbox.close()
    assert not mailbox.put("b")
    assert not mailbox.force("c")
    assert mailbox.take_all(0) == ["a"]
    assert mailbox.take(0) is None


@given(st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=40))
def test_what_is_taken_in_comes_out_in_order_within_the_bounds(steps: list[tuple[int, bool]]) -> None:
    mailbox: Mailbox[int] = Mailbox(5, 100)
    inside: list[tuple[int, int]] = []
    for number, (size_bytes, is_put) in enumerate(steps):
        if is_put:
            has_room = len(inside) < 5 and (not inside or sum(size for _, size in inside) + size_bytes <= 100)
            assert mailbox.put(number, size_bytes) is has_room
            if has_room:
                inside.append((number, size_bytes))
        else:
            assert mailbox.take(0) == (inside.pop(0)[0] if inside else None)
        assert mailbox.bytes == sum(size for _, size in inside)
