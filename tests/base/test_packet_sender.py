"""Packets to vision: nothing blocks the camera, and what arrives can be decoded from its first byte."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.link_frame import Frame, FrameReader
from agent.notices import Hello, Notice, StreamRole, StreamStarted, VideoPacket
from agent.packet_sender import MAX_GOP_BYTES, PacketSender

HELLO = Hello(process="camera", pid=1, session="s1", camera="c01")
STARTED = StreamStarted(
    camera="c01", role=StreamRole.MAIN, boot=1, run=1, codec="h264", width=64, height=64, anchor_wall_ns=0
)
# What a Debian with its stock net.core.wmem_max grants.
_DEBIAN_BUFFER_BYTES = 212_992
_WAIT_S = 20.0


def packet(number: int, *, is_idr: bool = False) -> VideoPacket:
    return VideoPacket(camera="c01", role=StreamRole.MAIN, run=1, media_ns=number, is_idr=is_idr)


def assert_decodable(notices: Sequence[Notice]) -> list[VideoPacket]:
    """The packets, when the first is an IDR and so is each that does not follow the one before it."""
    assert [type(notice) for notice in notices[:2]] == [Hello, StreamStarted]
    packets = [notice for notice in notices if isinstance(notice, VideoPacket)]
    assert not packets or packets[0].is_idr
    assert all(b.is_idr for a, b in itertools.pairwise(packets) if b.media_ns != a.media_ns + 1)
    return packets


class Vision:
    """The listening end, read only when the test says so."""

    def __init__(self, path: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        self._sock: socket.socket | None = None
        self._reader = FrameReader()
        self.notices: list[Notice] = []
        self.payload_bytes = 0

    def read(self, max_bytes: int) -> bool:
        """Whether there was anything to read."""
        if self._sock is None:
            self._sock, _ = self._listener.accept()
            self._sock.setblocking(False)
        try:
            data = self._sock.recv(max_bytes)
        except BlockingIOError:
            return False
        for frame in self._reader.feed(data):
            assert isinstance(frame, Frame)
            self.notices.append(frame.notice)
            self.payload_bytes += len(frame.payload)
        return bool(data)

    def read_all(self) -> None:
        while self.read(1 << 20):
            pass

    def hang_up(self) -> None:
        if self._sock is not None:
            self._sock.close()
        self._sock = None
        self._reader, self.notices = FrameReader(), []

    def close(self) -> None:
        self.hang_up()
        self._listener.close()


@dataclass(frozen=True)
class Offer:
    is_idr: bool
    size_bytes: int


_offers = st.builds(Offer, st.booleans(), st.integers(0, 60_000))
_reads = st.integers(1, 200_000)


@given(st.lists(_offers | _reads, max_size=60))
def test_however_vision_reads_it_gets_whole_gops_and_each_packet_is_got_or_counted(steps: list[Offer | int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vision.sock"
        vision = Vision(path)
        sender = PacketSender(path, HELLO, buffer_bytes=20_000)
        sender.start_stream(STARTED, b"extra")
        offered = 0
        for step in [Offer(True, 10), *steps]:
            if isinstance(step, int):
                vision.read(step)
                continue
            offered += 1
            sender.offer(packet(offered, is_idr=step.is_idr), bytes(step.size_bytes))
        while True:
            vision.read_all()
            if vision.notices and vision.notices[-1] == packet(offered, is_idr=True):
                break
            offered += 1
            sender.offer(packet(offered, is_idr=True), b"")
        packets = assert_decodable(vision.notices)
        assert len(packets) + sender.dropped == offered
        sender.close()
        vision.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vision.sock"


@pytest.fixture
def sender(path: Path) -> Iterator[PacketSender]:
    made = PacketSender(path, HELLO, buffer_bytes=_DEBIAN_BUFFER_BYTES)
    made.start_stream(STARTED, b"extra")
    yield made
    made.close()


def offer_until_connected(sender: PacketSender, first: int) -> int:
    """Packets as time goes by; the number after the last. A connection is tried every quarter of a second."""
    number = first
    while not sender.is_connected:
        sender.offer(packet(number), b"")
        number += 1
        threading.Event().wait(0.01)
    return number


def test_vision_that_comes_late_is_given_the_newest_gop_from_its_idr(path: Path, sender: PacketSender) -> None:
    for number in range(1, 8):
        assert not sender.offer(packet(number, is_idr=number in (1, 5)), bytes([number]))
    assert sender.dropped == 4
    vision = Vision(path)
    end = offer_until_connected(sender, 8)
    vision.read_all()
    assert vision.notices[:2] == [HELLO, STARTED]
    assert [one.media_ns for one in assert_decodable(vision.notices)] == list(range(5, end))
    assert sender.dropped == 4
    vision.close()


def test_a_large_gop_is_replayed_bit_by_bit_without_blocking(path: Path, sender: PacketSender) -> None:
    size = 400_000
    for number in range(1, 30):
        sender.offer(packet(number, is_idr=number == 1), bytes(size))
    vision = Vision(path)
    end = offer_until_connected(sender, 30)
    vision.read_all()
    while vision.notices[-1] != packet(end - 1):
        sender.offer(packet(end), b"")
        end += 1
        vision.read_all()
    assert_decodable(vision.notices)
    assert sender.dropped == 0
    vision.close()


def test_a_gop_too_large_to_keep_is_not_replayed_from_its_middle(path: Path, sender: PacketSender) -> None:
    size = MAX_GOP_BYTES // 4
    for number in range(1, 7):
        sender.offer(packet(number, is_idr=number == 1), bytes(size))
    vision = Vision(path)
    end = offer_until_connected(sender, 7)
    vision.read_all()
    assert assert_decodable(vision.notices) == []
    assert sender.offer(packet(end, is_idr=True), b"")
    vision.read_all()
    assert [one.media_ns for one in assert_decodable(vision.notices)] == [end]
    assert sender.dropped == end - 1
    vision.close()


def test_vision_that_was_restarted_is_given_the_gop_again(path: Path, sender: PacketSender) -> None:
    vision = Vision(path)
    for number in range(1, 5):
        sender.offer(packet(number, is_idr=number == 1), b"")
    vision.read_all()
    assert len(assert_decodable(vision.notices)) == 4
    vision.hang_up()
    while sender.is_connected:
        sender.offer(packet(5), b"")
    end = offer_until_connected(sender, 6)
    vision.read_all()
    media = [one.media_ns for one in assert_decodable(vision.notices)]
    assert media[:4] == [1, 2, 3, 4]
    assert media[-1] == end - 1
    vision.close()


def test_a_new_run_is_announced_and_never_continues_the_last_ones_gop(path: Path, sender: PacketSender) -> None:
    vision = Vision(path)
    sender.offer(packet(1, is_idr=True), b"")
    again = msgspec.structs.replace(STARTED, run=2)
    sender.start_stream(again, b"")
    assert not sender.offer(packet(2), b"")
    assert sender.offer(packet(3, is_idr=True), b"")
    vision.read_all()
    assert vision.notices == [HELLO, STARTED, packet(1, is_idr=True), again, packet(3, is_idr=True)]
    vision.close()


_RECEIVER = """
import sys
from pathlib import Path
from agent.link_server import LinkServer
from agent.notices import VideoPacket
packets = []
def on_notice(peer, notice, payload):
    if isinstance(notice, VideoPacket):
        packets.append((notice.media_ns, notice.is_idr))
server = LinkServer(Path(sys.argv[1]), on_notice=on_notice)
print("listening", flush=True)
sys.stdin.readline()
server.close()
print(*(f"{number}:{int(is_idr)}" for number, is_idr in packets))
"""


def test_a_stopped_process_that_comes_back_never_gets_a_gop_with_a_hole(path: Path, sender: PacketSender) -> None:
    receiver = subprocess.Popen(
        [sys.executable, "-c", _RECEIVER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert receiver.stdout is not None
    assert receiver.stdout.readline() == "listening\n"
    number = 0

    def offer(count: int, pause_s: float) -> None:
        nonlocal number
        for _ in range(count):
            sender.offer(packet(number, is_idr=number % 50 == 0), bytes(400_000 if number % 50 == 0 else 4_000))
            number += 1
            threading.Event().wait(pause_s)

    offer(200, 0.001)
    os.kill(receiver.pid, signal.SIGSTOP)
    offer(3_000, 0.0)
    assert sender.dropped > 2_000
    os.kill(receiver.pid, signal.SIGCONT)
    offer(400, 0.002)
    out, _ = receiver.communicate("\n", timeout=_WAIT_S)
    assert receiver.returncode == 0
    heard = [packet(int(item.split(":")[0]), is_idr=item.endswith(":1")) for item in out.split()]
    assert_decodable([HELLO, STARTED, *heard])
    # Packets after its return, and a hole where it was stopped.
    assert heard[-1].media_ns > 3_200
    assert any(b.media_ns != a.media_ns + 1 for a, b in itertools.pairwise(heard))
