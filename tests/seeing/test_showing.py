"""Which of a camera's streams vision is shown."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.config import CameraConfig
from agent.link_frame import Frame, FrameReader
from agent.notices import Hello, StreamRole, StreamStarted, VideoPacket
from agent.packet_sender import PacketSender
from agent.processes.showing import Showing
from agent.units import NS_PER_S
from tests.recorder.playback import HandClock

SUB, MAIN = StreamRole.SUB, StreamRole.MAIN


class Camera:
    """Its two streams, an IDR a second each, and what arrives at vision's socket."""

    def __init__(self, folder: Path, *, sub: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(folder / "vision.sock"))
        self._listener.listen()
        self._clock = HandClock()
        sender = PacketSender(folder / "vision.sock", Hello(process="camera", pid=1, session="s1", camera="c01"))
        self.showing = Showing(CameraConfig(id="c01", main="rtsp://c/main", sub=sub), sender, self._clock)
        self._reader = FrameReader()
        self._sock: socket.socket | None = None

    def start(self, role: StreamRole, run: int = 1) -> None:
        self.showing.start(StreamStarted("c01", role, 1, run, "h264", 320, 240, 0), role.value.encode())

    def second(self, *roles: StreamRole) -> None:
        """An IDR and four more packets of each stream."""
        for number in range(5):
            for role in roles:
                packet = VideoPacket("c01", role, 1, self._clock.past_ns, is_idr=number == 0)
                self.showing.offer(packet, b"x")
            self._clock.past_ns += NS_PER_S // 5

    def arrived(self) -> list[str]:
        """Since the last call: "start sub", "SUB" for an IDR, "sub" for another packet."""
        if self._sock is None:
            self._sock, _ = self._listener.accept()
            self._sock.setblocking(False)
        told: list[str] = []
        while True:
            try:
                data = self._sock.recv(1 << 20)
            except BlockingIOError:
                return told
            for frame in self._reader.feed(data):
                assert isinstance(frame, Frame)
                notice = frame.notice
                if isinstance(notice, StreamStarted):
                    told.append(f"start {notice.role.value}")
                elif isinstance(notice, VideoPacket):
                    told.append(notice.role.value.upper() if notice.is_idr else notice.role.value)

    def close(self) -> None:
        self.showing.close()
        if self._sock is not None:
            self._sock.close()
        self._listener.close()


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[Camera]:
    made = Camera(tmp_path, sub="rtsp://c/sub")
    yield made
    made.close()


def test_the_sub_stream_is_shown_while_it_flows(camera: Camera) -> None:
    camera.start(MAIN)
    camera.start(SUB)
    camera.second(MAIN, SUB)
    assert camera.arrived() == ["start sub", "SUB", *["sub"] * 4]


def test_when_the_sub_stream_has_been_silent_for_ten_seconds_the_main_one_takes_over_at_an_idr(camera: Camera) -> None:
    camera.start(MAIN)
    camera.start(SUB)
    camera.second(MAIN, SUB)
    camera.arrived()
    for _ in range(10):
        camera.second(MAIN)
    assert camera.arrived() == []
    camera.second(MAIN)
    assert camera.arrived() == ["start main", "MAIN", *["main"] * 4]


def test_the_sub_stream_takes_its_place_back_with_its_new_run(camera: Camera) -> None:
    camera.start(MAIN)
    camera.start(SUB)
    for _ in range(12):
        camera.second(MAIN)
    assert camera.arrived()[0] == "start main"
    camera.start(SUB, run=2)
    camera.second(SUB, MAIN)
    camera.second(SUB, MAIN)
    assert camera.arrived() == ["start sub", "SUB", *["sub"] * 4, "SUB", *["sub"] * 4]


def test_a_sub_stream_that_never_came_costs_ten_seconds_of_seeing(camera: Camera) -> None:
    camera.start(MAIN)
    for _ in range(12):
        camera.second(MAIN)
    assert camera.arrived() == ["start main", "MAIN", *["main"] * 4]


def test_without_a_sub_stream_the_main_one_is_shown_at_once(tmp_path: Path) -> None:
    camera = Camera(tmp_path, sub="")
    camera.start(MAIN)
    camera.second(MAIN)
    assert camera.arrived() == ["start main", "MAIN", *["main"] * 4]
    camera.close()
