"""The CSI camera as a source, with picamera2 played: what is passed on, what stalls, what hangs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.clock import SystemClock
from agent.errors import CameraEnded, CameraError, CameraHung, CameraStalled, CameraUnreachable, StreamUnsupported
from agent.media import csi_source
from agent.media.capture import Capture, CapturedPacket, Session
from agent.media.frame import CapturedFrame
from agent.media.gop import is_idr
from agent.media.opening import open_camera
from agent.media.packet import Codec
from agent.media.source import Shape, SourceAddress
from agent.units import NS_PER_MS
from tests.media.picamera2_play import Play
from tests.rigs.films import FilmSettings, make_film, packets_of

PLAYED = Path(__file__).with_name("picamera2_played")
ADDRESS = SourceAddress("c01", "picamera:0?size=320x180&fps=25", frames_fps=10.0)
NAMES = ("picamera2", "picamera2.encoders", "picamera2.outputs")


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[bytes, bool]]:
    film = make_film(tmp_path_factory.mktemp("film"), FilmSettings(name="film.h264", seconds=4, gop=25))
    return [(data, is_idr(Codec.H264, data)) for data in packets_of(film)]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, units: list[tuple[bytes, bool]]) -> Iterator[Play]:
    """What the played camera does; the module is gone with the test."""
    for name in NAMES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(PLAYED))
    import picamera2

    picamera2.Picamera2.play = playing = Play(units=units)
    yield playing
    for name in NAMES:
        sys.modules.pop(name, None)


class Seen:
    """Everything a capture gave, until it has so many packets."""

    def __init__(self, packets: int) -> None:
        self.stop = threading.Event()
        self.packets: list[CapturedPacket] = []
        self.frames: list[CapturedFrame] = []
        self.session: Session | None = None
        self.failure: CameraError | None = None
        self._wanted = packets

    def begin(self, session: Session) -> None:
        self.session = session

    def change(self, shape: Shape) -> None:
        raise AssertionError("nothing changed")

    def take(self, captured: CapturedPacket) -> None:
        self.packets.append(captured)
        if len(self.packets) >= self._wanted:
            self.stop.set()

    def show(self, captured: CapturedFrame) -> None:
        self.frames.append(captured)

    def end(self, failure: CameraError | None = None) -> None:
        self.failure = failure


def watch(seen: Seen, address: SourceAddress = ADDRESS) -> Seen:
    Capture(address, [seen], SystemClock(), seen.stop, viewer=seen).run_once()
    return seen


def test_packets_and_small_pictures_lie_on_one_line_of_time(play: Play) -> None:
    # Slower than what a capture takes for the burst of a buffer.
    play.pace_s = 0.008
    seen = watch(Seen(100))
    assert seen.session is not None and seen.session.shape.format.extradata
    assert [at for at, one in enumerate(seen.packets) if one.is_idr] == [0, 25, 50, 75]
    assert [one.media_ns for one in seen.packets] == [number * 40 * NS_PER_MS for number in range(100)]
    # Each picture shows the number of its frame, so its time can be checked against the packets'.
    assert len(seen.frames) > 10
    assert all(one.media_ns == one.frame.planes[0] * 40 * NS_PER_MS for one in seen.frames)
    gaps = {after.media_ns - before.media_ns for before, after in zip(seen.frames, seen.frames[1:], strict=False)}
    assert min(gaps) >= 80 * NS_PER_MS
    assert {len(one.frame.planes) for one in seen.frames} == {640 * 360 * 3 // 2}


def test_frames_that_stop_are_a_stall(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csi_source, "STALL_LIMIT_S", 0.4)
    play.sends = 30
    seen = Seen(1000)
    with pytest.raises(CameraStalled):
        watch(seen)
    assert len(seen.packets) == 30 and seen.failure is not None and seen.failure.reason == "camera_stalled"
    # The same process opens it again.
    play.sends = 10**9
    assert len(watch(Seen(30)).packets) >= 30


def test_a_camera_that_never_starts_is_a_stall(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csi_source, "_OPEN_LIMIT_S", 0.4)
    play.sends = 0
    with pytest.raises(CameraStalled):
        open_camera(ADDRESS)


def test_a_driver_that_does_not_return_is_told_apart_from_a_stall(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csi_source, "STALL_LIMIT_S", 0.4)
    monkeypatch.setattr(csi_source, "_CLOSE_LIMIT_S", 0.4)
    play.sends, play.hangs_at_close = 30, threading.Event()
    seen = Seen(1000)
    with pytest.raises(CameraHung):
        watch(seen)
    # The gap began with the stall, and has its reason.
    assert isinstance(seen.failure, CameraStalled)
    play.hangs_at_close.set()


def test_a_late_capture_loses_whole_gops_and_the_encoder_waits_for_nobody(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csi_source, "_MAX_UNITS", 10)
    play.sends = 110
    source = open_camera(ADDRESS)
    stop, numbers = threading.Event(), []
    packets = source.packets(stop)
    numbers.append(round((next(packets).pts or 0) / 3600))
    # The camera sends all it has meanwhile.
    stop.wait(0.6)
    for packet in packets:
        numbers.append(round((packet.pts or 0) / 3600))
        if numbers[-1] == 109 or len(numbers) >= 11:
            break
    source.close()
    assert numbers == list(range(11))


@pytest.mark.parametrize(
    ("change", "failure", "remedy"),
    [
        ({"sensors": 0}, CameraUnreachable, "no such sensor"),
        ({"size": (1536, 864)}, StreamUnsupported, "1536x864"),
        ({"fails_at_start": "Device or resource busy"}, CameraUnreachable, "no other program uses it"),
    ],
)
def test_a_camera_that_cannot_be_had_says_why(
    play: Play, change: dict[str, object], failure: type[CameraError], remedy: str
) -> None:
    for name, value in change.items():
        setattr(play, name, value)
    with pytest.raises(failure, match=remedy):
        open_camera(ADDRESS)


def test_a_library_built_for_another_numpy_says_which_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in NAMES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    # What simplejpeg of bookworm says within `import picamera2`.
    (tmp_path / "picamera2.py").write_text(
        "raise ValueError('numpy.dtype size changed, may indicate binary incompatibility')"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(CameraUnreachable, match="numpy<2"):
        open_camera(ADDRESS)


def test_a_camera_that_was_closed_ends(play: Play) -> None:
    source = open_camera(ADDRESS)
    source.close()
    with pytest.raises(CameraEnded):
        list(source.packets(threading.Event()))
