"""Sessions with real cameras: a paced file and an RTSP server on loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.clock import SystemClock
from agent.errors import CameraEnded, CameraError, CameraRefused, CameraStalled, CameraUnreachable
from agent.media.capture import Capture, CapturedPacket, Session
from agent.media.packet import StreamFormat
from agent.media.source import Shape, SourceAddress, open_source, read_password
from agent.units import NS_PER_MS
from tests.rigs.films import FilmSettings, make_film
from tests.rigs.rtsp import RtspCamera

FRAME_NS = 40 * NS_PER_MS


class Collector:
    """A sink that stops its capture, or does something to the camera, once it has enough."""

    def __init__(self, enough: int, then: Callable[[], None]) -> None:
        self.sessions: list[StreamFormat] = []
        self.changes: list[StreamFormat] = []
        self.packets: list[CapturedPacket] = []
        self.ends = 0
        self.failure: CameraError | None = None
        self._enough = enough
        self._then = then

    def begin(self, session: Session) -> None:
        self.sessions.append(session.shape.format)

    def change(self, shape: Shape) -> None:
        self.changes.append(shape.format)

    def take(self, captured: CapturedPacket) -> None:
        self.packets.append(captured)
        if len(self.packets) == self._enough:
            self._then()

    def end(self, failure: CameraError | None = None) -> None:
        self.failure = failure
        self.ends += 1

    @property
    def idrs(self) -> list[int]:
        return [at for at, packet in enumerate(self.packets) if packet.is_idr]


def collect(address: SourceAddress, enough: int) -> Collector:
    """One session until so many packets came."""
    stop = threading.Event()
    collector = Collector(enough, stop.set)
    Capture(address, [collector], SystemClock(), stop).run_once()
    return collector


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_film(tmp_path_factory.mktemp("film"), FilmSettings(name="film.h264", seconds=2, gop=25))


@pytest.fixture
def camera(film: Path) -> RtspCamera:
    return RtspCamera(film)


def test_a_file_loops_as_one_run_under_rising_stamps(tmp_path: Path) -> None:
    film = make_film(tmp_path, FilmSettings(seconds=1, gop=25))
    seen = collect(SourceAddress("c01", f"file:{film}"), 55)
    assert (len(seen.sessions), seen.ends) == (1, 1)
    assert [packet.media_ns for packet in seen.packets] == [at * FRAME_NS for at in range(len(seen.packets))]
    assert seen.idrs == [0, 25, 50]


def test_a_file_that_does_not_loop_ends_as_a_camera_that_hung_up(tmp_path: Path) -> None:
    film = make_film(tmp_path, FilmSettings(seconds=0.4))
    seen = Collector(10_000, lambda: None)
    with pytest.raises(CameraEnded):
        Capture(SourceAddress("c01", f"file:{film}", loops=False), [seen], SystemClock(), threading.Event()).run_once()
    assert len(seen.packets) == 10
    assert seen.ends == 1


def test_the_first_idr_of_an_rtsp_session_is_kept_although_it_has_no_stamps(camera: RtspCamera) -> None:
    with camera:
        seen = collect(SourceAddress("c01", camera.url), 60)
    assert seen.idrs[:3] == [0, 25, 50]
    assert [packet.media_ns for packet in seen.packets[:60]] == [at * FRAME_NS for at in range(60)]


@pytest.mark.parametrize("method", ["basic", "digest"])
def test_a_camera_is_opened_by_its_password_and_by_no_other(film: Path, method: str) -> None:
    with RtspCamera(film, auth=method, password="p@ss/ wörd") as camera:
        with pytest.raises(CameraRefused, match="password") as caught:
            open_source(SourceAddress("c01", camera.url, "admin", "wrong"))
        assert "wrong" not in str(caught.value)
        with pytest.raises(CameraRefused):
            open_source(SourceAddress("c01", camera.url))
        assert collect(SourceAddress("c01", camera.url, "admin", "p@ss/ wörd"), 3).idrs[0] == 0


def test_a_path_that_the_camera_does_not_have_is_named(camera: RtspCamera) -> None:
    with camera, pytest.raises(CameraUnreachable, match="path"):
        open_source(SourceAddress("c01", camera.url + "era"))


def test_a_port_where_nobody_listens_is_unreachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(CameraUnreachable, match="power, cable") as caught:
            open_source(SourceAddress("c01", f"rtsp://127.0.0.1:{taken.getsockname()[1]}/cam"))
    assert caught.value.reason == "camera_unreachable"


def test_a_camera_that_dies_ends_the_session_and_the_next_is_a_new_run(camera: RtspCamera) -> None:
    with camera:
        seen = Collector(10, camera.kill)
        capture = Capture(SourceAddress("c01", camera.url), [seen], SystemClock(), threading.Event())
        with pytest.raises((CameraEnded, CameraUnreachable)) as caught:
            capture.run_once()
        assert caught.value.reason == "camera_unreachable"
        with pytest.raises(CameraUnreachable):
            capture.run_once()
        camera.start()
        again = collect(SourceAddress("c01", camera.url), 3)
    assert again.packets[0].is_idr
    assert again.packets[0].media_ns == 0


def test_a_camera_that_freezes_is_stalled(camera: RtspCamera) -> None:
    with camera:
        seen = Collector(10, camera.freeze)
        with pytest.raises(CameraStalled):
            Capture(SourceAddress("c01", camera.url), [seen], SystemClock(), threading.Event()).run_once()


def test_parameters_that_change_within_a_session_are_told_before_their_idr(tmp_path: Path) -> None:
    both = tmp_path / "both.h264"
    small = make_film(tmp_path, FilmSettings(name="small.h264", seconds=1, gop=25))
    large = make_film(tmp_path, FilmSettings(name="large.h264", seconds=1, gop=25, width=640, height=360))
    both.write_bytes(small.read_bytes() + large.read_bytes())
    with RtspCamera(both) as camera:
        seen = collect(SourceAddress("c01", camera.url), 60)
    assert [(form.width, form.height) for form in seen.sessions] == [(320, 180)]
    assert [(form.width, form.height) for form in seen.changes] == [(640, 360), (320, 180)]


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_password_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "c01.secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CameraRefused, match=r"c01\.secret") as caught:
        read_password(str(path), camera="c01")
    assert caught.value.reason == "camera_refused"


def test_a_camera_that_takes_the_call_and_says_nothing_is_unreachable() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(CameraUnreachable, match="restart the camera"):
            open_source(SourceAddress("c01", f"rtsp://127.0.0.1:{silent.getsockname()[1]}/cam"))


def test_an_address_that_is_none_says_how_to_write_one() -> None:
    with pytest.raises(CameraUnreachable, match="rtsp://"):
        open_source(SourceAddress("c01", "http://camera/cam"))


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://admin:geheim@camera:554/main",
        "rtsp://admin:ge@heim@camera:554/main",
        "rtsp://camera:554/user=admin_password=geheim_channel=1_stream=0.sdp",
        "rtsp://camera:554/live?usr=admin&pwd=geheim&channel=1",
        "rtsp://camera:554/live?PASSWORD=geheim",
    ],
)
def test_no_password_is_shown_wherever_the_camera_wants_it(url: str) -> None:
    shown = SourceAddress("c01", url).shown
    assert "heim" not in shown
    assert shown.startswith("rtsp://camera:554/")
