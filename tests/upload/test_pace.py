"""How fast a clip leaves: under a ceiling, and yielding to what else is on the line."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from agent.commands.pace import Pace, Precedence, queued_s, yielding_s


class PlayedStop:
    """Waits for nobody; adds up how long it was asked to."""

    def __init__(self) -> None:
        self.waited_s = 0.0

    def is_set(self) -> bool:
        return False

    def wait(self, timeout_s: float, /) -> bool:
        self.waited_s += timeout_s
        return False


@pytest.fixture
def sock() -> Iterator[socket.socket]:
    """One end of a connection over loopback."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
        with closing(near), closing(far):
            yield near


def test_all_blocks_leave_in_their_order(sock: socket.socket) -> None:
    blocks = [b"one", b"two", b"three"]
    assert list(Pace(0, PlayedStop()).paced(iter(blocks), sock)) == blocks


def test_under_a_ceiling_a_megabyte_takes_its_seconds(sock: socket.socket) -> None:
    stop = PlayedStop()
    block = bytes(1 << 14)
    list(Pace(1 << 17, stop).paced(iter([block] * 64), sock))
    # Time passes while they are made, too: each wait is asked for from where the clock stands.
    assert stop.waited_s >= 8.0


@pytest.mark.parametrize(("queue_s", "held_back_s"), [(0.0, 0.0), (0.1, 0.0), (0.3, 0.2), (9.0, 1.0)])
def test_what_queues_holds_the_sender_back(queue_s: float, held_back_s: float) -> None:
    assert yielding_s(queue_s) == pytest.approx(held_back_s)


def test_a_clip_stands_still_while_a_sheet_is_sent_and_goes_on_after_it(sock: socket.socket) -> None:
    precedence = Precedence()
    sheet = ExitStack()
    sheet.enter_context(precedence.first())

    class Impatient(PlayedStop):
        """The sheet has gone after a second."""

        def wait(self, timeout_s: float, /) -> bool:
            super().wait(timeout_s)
            if self.waited_s >= 1.0:
                sheet.close()
            return False

    stop = Impatient()
    blocks = [b"one", b"two", b"three"]
    assert list(Pace(0, stop, behind=precedence).paced(iter(blocks), sock)) == blocks
    assert 1.0 <= stop.waited_s < 1.3
    assert not precedence.is_taken


def test_a_sheet_whose_receiver_is_away_holds_a_clip_up_for_a_while_only(sock: socket.socket) -> None:
    precedence = Precedence(limit_s=0.3)
    with precedence.first():
        assert list(Pace(0, threading.Event(), behind=precedence).paced(iter([b"one"]), sock)) == [b"one"]
        assert not precedence.is_taken


def test_an_idle_line_has_no_queue_to_speak_of(sock: socket.socket) -> None:
    assert 0 <= queued_s(sock) < 0.1


def test_what_is_no_tcp_is_sent_without_a_measure() -> None:
    near, far = socket.socketpair()
    with closing(near), closing(far):
        assert queued_s(near) == 0.0
        assert list(Pace(0, PlayedStop()).paced(iter([b"all"]), near)) == [b"all"]
