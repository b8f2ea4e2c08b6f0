"""Frames between processes: nothing is lost that must not be, nothing blocks that must not block."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import LinkError
from agent.link import FrameReader, LinkClient, encode_frame
from agent.link_server import LinkServer, Peer
from agent.mailbox import Mailbox
from agent.notices import Hello, Notice, SnapshotTaken, SnapshotWanted, StreamRole, StreamStarted, VideoPacket
from agent.packet_sender import PacketSender

HELLO = Hello(process="camera", pid=1, session="s1", camera="c01")
STARTED = StreamStarted(
    camera="c01", role=StreamRole.MAIN, boot=1, run=1, codec="h264", width=64, height=64, anchor_wall_ns=0
)
_WAIT_S = 10.0


def packet(number: int, *, is_idr: bool = False) -> VideoPacket:
    return VideoPacket(camera="c01", role=StreamRole.MAIN, run=1, media_ns=number, is_idr=is_idr)


class Listener:
    """A server whose notices land in a mailbox."""

    def __init__(self, path: Path) -> None:
        self.heard: Mailbox[tuple[Notice, bytes]] = Mailbox(1_000_000)
        self.peers: Mailbox[Peer] = Mailbox(100)
        self.server = LinkServer(path, on_notice=self._on_notice, on_connect=self._on_connect)

    def _on_notice(self, _peer: Peer, notice: Notice, payload: bytes) -> None:
        self.heard.put((notice, payload))

    def _on_connect(self, peer: Peer) -> None:
        self.peers.put(peer)

    def take(self) -> tuple[Notice, bytes]:
        item = self.heard.take(_WAIT_S)
        assert item is not None, "nothing was heard"
        return item


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node.sock"


@pytest.fixture
def listener(path: Path) -> Iterator[Listener]:
    made = Listener(path)
    yield made
    made.server.close()


@given(st.lists(st.tuples(st.integers(0, 9), st.binary(max_size=300)), max_size=8), st.integers(1, 40))
def test_frames_survive_any_cutting_of_the_stream(items: list[tuple[int, bytes]], piece: int) -> None:
    stream = b"".join(encode_frame(packet(number), data) for number, data in items)
    reader = FrameReader()
    heard = [frame for at in range(0, len(stream), piece) for frame in reader.feed(stream[at : at + piece])]
    assert [(frame.notice, frame.payload) for frame in heard] == [(packet(number), data) for number, data in items]


@given(st.binary(min_size=8, max_size=200))
def test_bytes_that_are_no_frame_raise_a_link_error_or_wait_for_more(data: bytes) -> None:
    try:
        list(FrameReader().feed(data))
    except LinkError:
        return


def test_notices_sent_before_the_other_side_exists_arrive_in_order(path: Path) -> None:
    client = LinkClient(path, HELLO)
    for number in range(100):
        client.send(packet(number), b"x" * number)
    listener = Listener(path)
    assert [listener.take() for _ in range(100)] == [(packet(n), b"x" * n) for n in range(100)]
    client.close()
    listener.server.close()


def test_notices_survive_a_restart_of_the_other_side(path: Path) -> None:
    first = Listener(path)
    client = LinkClient(path, HELLO)
    client.send(packet(1))
    assert first.take()[0] == packet(1)
    first.server.close()
    client.send(packet(2))
    second = Listener(path)
    client.send(packet(3))
    assert [second.take()[0] for _ in range(2)] == [packet(2), packet(3)]
    client.close()
    second.server.close()


def test_the_server_answers_on_the_same_link(path: Path, listener: Listener) -> None:
    answers: Mailbox[Notice] = Mailbox(10)
    client = LinkClient(path, HELLO, on_notice=lambda notice, _: answers.put(notice) and None)
    peer = listener.peers.take(_WAIT_S)
    assert peer is not None
    assert peer.hello == HELLO
    peer.send(SnapshotWanted(request_id="1", camera="c01"))
    assert answers.take(_WAIT_S) == SnapshotWanted(request_id="1", camera="c01")
    client.send(SnapshotTaken(request_id="1", camera="c01", wall_ns=5), b"jpeg")
    assert listener.take() == (SnapshotTaken(request_id="1", camera="c01", wall_ns=5), b"jpeg")
    client.close()


@pytest.mark.parametrize("junk", [b"\xff" * 64, encode_frame(packet(1))])
def test_a_peer_that_does_not_speak_our_frames_is_closed_and_the_others_are_not(
    path: Path, listener: Listener, junk: bytes
) -> None:
    client = LinkClient(path, HELLO)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stranger:
        stranger.settimeout(_WAIT_S)
        stranger.connect(str(path))
        stranger.sendall(junk)
        assert stranger.recv(1) == b""
    client.send(packet(7))
    assert listener.take()[0] == packet(7)
    client.close()


def test_a_second_server_on_a_living_socket_is_refused(path: Path, listener: Listener) -> None:
    with pytest.raises(LinkError, match="runs already"):
        LinkServer(path, on_notice=lambda *_: None)
    assert listener.server is not None


def test_vision_that_comes_late_is_given_the_newest_gop_from_its_idr(path: Path) -> None:
    sender = PacketSender(path, HELLO)
    sender.start_stream(STARTED, b"extra")
    for number in range(1, 8):
        sender.offer(packet(number, is_idr=number in (1, 5)), bytes([number]))
    listener = Listener(path)
    number = 8
    while listener.heard.depth == 0:
        sender.offer(packet(number), bytes([number]))
        number += 1
        threading.Event().wait(0.01)
    assert listener.take() == (STARTED, b"extra")
    media = [listener.take()[0].media_ns for _ in range(4)]  # type: ignore[union-attr]
    assert media == [5, 6, 7, 8]
    sender.close()
    listener.server.close()


def test_a_receiver_that_stops_reading_never_gets_a_gop_with_a_hole(path: Path) -> None:
    """Paused, fed 60 MB, resumed: after each hole the next packet is an IDR, and dropping was counted."""
    listener = Listener(path)
    sender = PacketSender(path, HELLO)
    sender.start_stream(STARTED, b"")
    sender.offer(packet(0, is_idr=True), b"")
    peer = listener.peers.take(_WAIT_S)
    assert peer is not None
    peer.pause()
    size = 20_000
    for number in range(1, 3000):
        sender.offer(packet(number, is_idr=number % 50 == 0), bytes(size))
    assert sender.dropped > 0
    peer.resume()
    number = 3000
    while True:
        sender.offer(packet(number, is_idr=number % 50 == 0), bytes(size))
        number += 1
        if listener.heard.depth and number > 3200:
            break
        threading.Event().wait(0.001)
    listener.server.close()
    sender.close()
    heard = [notice for notice, _ in listener.heard.take_all(0) if isinstance(notice, VideoPacket)]
    assert heard[-1].media_ns > 3000
    holes = [b for a, b in zip(heard, heard[1:], strict=False) if b.media_ns != a.media_ns + 1]
    assert holes
    assert all(after.is_idr for after in holes)
