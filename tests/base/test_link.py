"""Notices between processes: none is lost that must not be, and no peer harms the others."""

from __future__ import annotations

import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import LinkError
from agent.link import LinkClient, Pending
from agent.link_frame import FrameReader, Tally, encode_frame, encode_tally
from agent.link_server import LinkServer, Peer, Receipt
from agent.mailbox import Mailbox
from agent.notices import Hello, Notice, Outage, SnapshotTaken, SnapshotWanted
from tests.broker import wait_until

HELLO = Hello(process="vision", pid=1, session="s1")
_WAIT_S = 20.0


def outage(number: int) -> Outage:
    return Outage(camera="c01", boot=1, start_wall_ns=number, end_wall_ns=0, reason="camera_unreachable")


class Listener:
    """A server whose notices land in a mailbox; with `is_deferring` each keeps its receipt open."""

    def __init__(self, path: Path, *, is_deferring: bool = False) -> None:
        self.heard: Mailbox[tuple[Notice, bytes]] = Mailbox(1_000_000)
        self.receipts: list[Receipt] = []
        self.peers: Mailbox[Peer] = Mailbox(100)
        self.gone: Mailbox[Peer] = Mailbox(100)
        self._is_deferring = is_deferring
        self.server = LinkServer(
            path, on_notice=self.on_notice, on_connect=self._on_connect, on_disconnect=self._on_disconnect
        )

    def on_notice(self, peer: Peer, notice: Notice, payload: bytes) -> None:
        if self._is_deferring:
            self.receipts.append(peer.defer())
        self.heard.put((notice, payload))

    def _on_connect(self, peer: Peer) -> None:
        self.peers.put(peer)

    def _on_disconnect(self, peer: Peer) -> None:
        self.gone.put(peer)

    def take(self) -> tuple[Notice, bytes]:
        item = self.heard.take(_WAIT_S)
        assert item is not None, "nothing was heard"
        return item

    def numbers(self, count: int) -> list[int]:
        taken = [self.take()[0] for _ in range(count)]
        return [notice.start_wall_ns for notice in taken if isinstance(notice, Outage)]

    def peer(self) -> Peer:
        peer = self.peers.take(_WAIT_S)
        assert peer is not None, "nobody connected"
        return peer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node.sock"


@pytest.fixture
def listener(path: Path) -> Iterator[Listener]:
    made = Listener(path)
    yield made
    made.server.close()


_frames = st.lists(st.tuples(st.integers(0, 9), st.binary(max_size=300)) | st.integers(0, 2**64 - 1), max_size=8)


@given(_frames, st.integers(1, 40))
def test_frames_survive_any_cutting_of_the_stream(items: list[tuple[int, bytes] | int], piece: int) -> None:
    stream = b"".join(
        encode_tally(item) if isinstance(item, int) else encode_frame(outage(item[0]), item[1]) for item in items
    )
    reader = FrameReader()
    heard = [frame for at in range(0, len(stream), piece) for frame in reader.feed(stream[at : at + piece])]
    flat = [frame.number if isinstance(frame, Tally) else (frame.notice, frame.payload) for frame in heard]
    assert flat == [item if isinstance(item, int) else (outage(item[0]), item[1]) for item in items]


@given(st.binary(min_size=8, max_size=200))
def test_bytes_that_are_no_frame_raise_a_link_error_or_wait_for_more(data: bytes) -> None:
    try:
        list(FrameReader().feed(data))
    except LinkError:
        return


_steps = st.lists(st.sampled_from(["send", "write", "confirm", "break"]), max_size=80)


@given(_steps)
def test_every_notice_is_written_until_it_is_confirmed_and_in_order(steps: list[str]) -> None:
    """However connections break; only what they broke at eight times in a row is given up, and that is said."""
    pending, sent, given_up, confirmed = Pending(), 0, 0, 0
    written: list[int] = []
    for step in [*steps, *["write"] * len(steps)]:
        if step == "send":
            sent += 1
            pending.append(b"%d" % sent)
        elif step == "write":
            frame = pending.begin_next()
            written += [int(frame)] if frame else []
        elif step == "confirm" and written:
            pending.confirm(pending.done + 1)
            written.pop(0)
            confirmed += 1
        elif step == "break":
            given_up += pending.rewind()
            written = []
    assert pending.done == confirmed + given_up
    assert written == list(range(pending.done + 1, sent + 1))


def test_what_the_link_breaks_at_each_time_is_given_up_and_the_rest_goes_on() -> None:
    pending = Pending()
    pending.append(b"poison")
    pending.append(b"good")
    broken = 0
    while not pending.rewind():
        assert pending.begin_next() == b"poison"
        broken += 1
    assert broken == 8
    assert pending.begin_next() == b"good"


@pytest.mark.parametrize("number", [4, 9])
def test_a_tally_of_what_was_never_sent_is_refused(number: int) -> None:
    pending = Pending()
    pending.done = 5
    with pytest.raises(LinkError, match="not sent"):
        pending.confirm(number)


def test_notices_sent_before_the_other_side_exists_arrive_in_order(path: Path) -> None:
    client = LinkClient(path, HELLO)
    for number in range(100):
        client.send(outage(number), b"x" * number)
    listener = Listener(path)
    assert [listener.take() for _ in range(100)] == [(outage(n), b"x" * n) for n in range(100)]
    client.close()
    listener.server.close()


def test_what_was_sent_before_the_end_is_heard(path: Path, listener: Listener) -> None:
    client = LinkClient(path, HELLO)
    for number in range(1000):
        client.send(outage(number), bytes(1000))
    client.close(drain_s=_WAIT_S)
    assert listener.heard.depth == 1000


def test_a_link_that_was_closed_takes_no_more_and_harms_nobody(path: Path) -> None:
    client = LinkClient(path, HELLO)
    client.close()
    client.send(outage(1))


def test_notices_survive_a_restart_of_the_other_side(path: Path) -> None:
    connected = threading.Semaphore(0)
    first = Listener(path)
    client = LinkClient(path, HELLO, on_connect=connected.release)
    client.send(outage(1))
    assert first.numbers(1) == [1]
    first.server.close()
    client.send(outage(2))
    second = Listener(path)
    client.send(outage(3))
    # The first may come again: its confirmation raced with the end of the server.
    numbers = second.numbers(2)
    assert (numbers if numbers[0] == 2 else numbers + second.numbers(1))[-2:] == [2, 3]
    assert all(connected.acquire(timeout=_WAIT_S) for _ in range(2))
    client.close()
    second.server.close()


def test_what_a_server_heard_and_did_not_keep_comes_to_its_next_life_with_the_same_number(path: Path) -> None:
    first = Listener(path, is_deferring=True)
    client = LinkClient(path, HELLO)
    for number in range(1, 6):
        client.send(outage(number))
    assert first.numbers(5) == [1, 2, 3, 4, 5]
    # Confirming out of order keeps only what has no hole before it; the last notice shows that the tally went out.
    for index in (1, 0, 3):
        first.receipts[index].confirm()
    first.server.close()
    second = Listener(path, is_deferring=True)
    heard = second.numbers(3)
    assert heard in ([3, 4, 5], [1, 2, 3])  # [1, 2, 3]: the end came before the tally was written
    assert [receipt.number for receipt in second.receipts[:3]] == heard
    client.close(drain_s=0)
    second.server.close()


def test_a_notice_whose_handling_fails_is_handled_again_and_each_other_once(path: Path) -> None:
    handled: Mailbox[int] = Mailbox(100)
    faults = iter([True, True])

    def on_notice(_peer: Peer, notice: Notice, _payload: bytes) -> None:
        assert isinstance(notice, Outage)
        if notice.start_wall_ns == 3 and next(faults, False):
            raise ValueError("the store is locked")
        handled.put(notice.start_wall_ns)

    server = LinkServer(path, on_notice=on_notice)
    client = LinkClient(path, HELLO)
    for number in range(1, 6):
        client.send(outage(number))
    assert [handled.take(_WAIT_S) for _ in range(5)] == [1, 2, 3, 4, 5]
    client.close(drain_s=_WAIT_S)
    server.close()
    assert handled.depth == 0


def test_the_server_answers_on_the_same_link(path: Path, listener: Listener) -> None:
    answers: Mailbox[Notice] = Mailbox(10)

    def on_notice(notice: Notice, _payload: bytes) -> None:
        answers.put(notice)

    client = LinkClient(path, HELLO, on_notice=on_notice)
    peer = listener.peer()
    assert peer.hello == HELLO
    peer.send(SnapshotWanted(request_id="1", camera="c01"))
    assert answers.take(_WAIT_S) == SnapshotWanted(request_id="1", camera="c01")
    client.send(SnapshotTaken(request_id="1", camera="c01", wall_ns=5), b"jpeg")
    assert listener.take() == (SnapshotTaken(request_id="1", camera="c01", wall_ns=5), b"jpeg")
    client.close()


@pytest.mark.parametrize(
    "junk",
    [b"\xff" * 64, encode_frame(outage(1)), encode_tally(0), encode_frame(HELLO) + encode_tally(0) * 2],
    ids=["noise", "no hello", "tally first", "two tallies"],
)
def test_a_peer_that_does_not_speak_our_frames_is_closed_and_the_others_are_not(
    path: Path, listener: Listener, junk: bytes
) -> None:
    client = LinkClient(path, HELLO)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stranger:
        stranger.settimeout(_WAIT_S)
        stranger.connect(str(path))
        stranger.sendall(junk)
        assert stranger.recv(1) == b""
    client.send(outage(7))
    assert listener.numbers(1) == [7]
    client.close()


def test_last_words_are_heard_though_the_peer_hung_up_before_it_was_spoken_to(path: Path, listener: Listener) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as speaker:
        speaker.connect(str(path))
        speaker.sendall(encode_frame(HELLO))
        peer = listener.peer()
        peer.pause()
        speaker.sendall(b"".join(encode_frame(outage(number)) for number in range(50)))
    peer.send(SnapshotWanted(request_id="1", camera="c01"))
    peer.resume()
    assert listener.numbers(50) == list(range(50))
    assert listener.gone.take(_WAIT_S) is peer
    peer.send(SnapshotWanted(request_id="2", camera="c01"))


def test_a_peer_that_does_not_read_is_closed_rather_than_waited_for(path: Path, listener: Listener) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as deaf:
        deaf.connect(str(path))
        deaf.sendall(encode_frame(HELLO))
        peer = listener.peer()
        for _ in range(30):
            peer.send(SnapshotTaken(request_id="1", camera="c01", wall_ns=1), bytes(1_000_000))
        assert listener.gone.take(_WAIT_S) is peer


def test_a_paused_peer_waits_and_the_others_do_not(path: Path, listener: Listener) -> None:
    slow = LinkClient(path, HELLO)
    paused = listener.peer()
    paused.pause()
    # Once the server has heard somebody new, it has also heard of the pause.
    quick = LinkClient(path, Hello(process="camera", pid=2, session="s2", camera="c02"))
    listener.peer()
    slow.send(outage(1))
    quick.send(outage(2))
    assert listener.numbers(1) == [2]
    assert listener.heard.depth == 0
    paused.resume()
    assert listener.numbers(1) == [1]
    quick.close()
    slow.close()


def test_a_notice_too_large_for_any_reader_is_refused_at_once(path: Path) -> None:
    client = LinkClient(path, HELLO)
    with pytest.raises(LinkError):
        client.send(Outage("c01", 1, 0, 0, "camera_unreachable", "x" * 70_000))
    client.close()


def test_a_second_server_on_a_living_socket_is_refused(path: Path, listener: Listener) -> None:
    with pytest.raises(LinkError, match="runs already"):
        LinkServer(path, on_notice=listener.on_notice)


def test_a_socket_that_a_dead_server_left_is_taken_over_and_open_to_the_group_only(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    listener = Listener(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    client = LinkClient(path, HELLO)
    client.send(outage(1))
    assert listener.numbers(1) == [1]
    client.close()
    listener.server.close()
    assert not path.exists()


def test_a_path_too_long_for_a_socket_is_refused_with_advice(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 120)
    with pytest.raises(LinkError, match="runtime_dir"):
        LinkClient(path, HELLO)
    with pytest.raises(LinkError, match="runtime_dir"):
        LinkServer(path, on_notice=lambda *_: None)


_KEEPER = """
import os, sys, threading
from pathlib import Path
from agent.link_server import LinkServer
book = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def on_notice(peer, notice, payload):
    receipt = peer.defer()
    os.write(book, f"{receipt.number} {notice.start_wall_ns}\\n".encode())
    receipt.confirm()
server = LinkServer(Path(sys.argv[1]), on_notice=on_notice)
sys.stdin.readline()
server.close()
"""


def test_no_notice_is_lost_though_the_keeping_process_is_killed_again_and_again(path: Path, tmp_path: Path) -> None:
    book = tmp_path / "book"

    def start_keeper() -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-c", _KEEPER, str(path), str(book)]
        return subprocess.Popen(argv, stdin=subprocess.PIPE, cwd=Path(__file__).parents[2])

    client = LinkClient(path, HELLO)
    sent = 0

    def speak(count: int) -> None:
        nonlocal sent
        for _ in range(count):
            sent += 1
            client.send(outage(sent), bytes(500))

    def kept() -> list[tuple[int, int]]:
        lines = book.read_text().splitlines() if book.exists() else []
        return [(int(number), int(name)) for number, name in (line.split() for line in lines)]

    def is_kept_beyond(count: int) -> bool:
        return len(kept()) > count

    for _ in range(3):
        keeper = start_keeper()
        before = len(kept())
        # Killed with notices in its socket, in its hands and on their way back.
        while len(kept()) < before + 200:
            speak(20)
            wait_until(partial(is_kept_beyond, before), "the keeper does not keep")
        keeper.kill()
        keeper.wait()
        speak(50)
    keeper = start_keeper()
    wait_until(lambda: {name for _, name in kept()} == set(range(1, sent + 1)), "a notice is lost")
    # Its number is the notice's own, so one that came twice is known for the same.
    assert all(number == name for number, name in kept())
    client.close()
    keeper.communicate(b"\n", timeout=_WAIT_S)


def test_many_threads_share_a_link_and_each_keeps_its_order(path: Path, listener: Listener) -> None:
    client = LinkClient(path, HELLO)

    def speak(start: int) -> None:
        for number in range(start, start + 300):
            client.send(outage(number))

    speakers = [threading.Thread(target=speak, args=(start,)) for start in (0, 1000, 2000)]
    for speaker in speakers:
        speaker.start()
    heard = listener.numbers(900)
    for start in (0, 1000, 2000):
        assert [number for number in heard if start <= number < start + 300] == list(range(start, start + 300))
    client.close()
