"""How a camera gets into the node's configuration: whole, private, and never one that the agent would refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config import BrokerConfig, CameraConfig, Config, NodeConfig
from agent.enrolment.configuration import to_toml
from agent.enrolment.home import NodeHome
from agent.errors import CameraUnreachable, ConfigError, DiscoveryError, SetupError
from provisioning.cameras.camera import (
    CameraDescription,
    CameraStream,
    DiscoveredCamera,
    LocalCamera,
    LocalCameras,
    Login,
    ProbedStream,
)
from provisioning.cameras.suggestion import Advice
from provisioning.page.steps.camera_trial import Choice, Finder, try_camera
from provisioning.page.steps.site_cameras import (
    camera_ids,
    load,
    put_camera,
    remove_camera,
    shown,
    slots,
    split_login,
    with_camera,
    without_camera,
)

CONFIG = Config("/d", "/r", NodeConfig("o", "s", "n"), broker=BrokerConfig("mqtts://b:8883"))
NORTH = CameraConfig("c01", "rtsp://192.0.2.7/main", username="wayside", password_file="")


@pytest.fixture
def home(tmp_path: Path) -> NodeHome:
    made = NodeHome(tmp_path / "home")
    made.ensure_folders()
    made.write(made.config, to_toml(CONFIG).encode())
    return made


def secured(home: NodeHome) -> CameraConfig:
    return CameraConfig("c01", "rtsp://192.0.2.7/main", username="w", password_file=str(home.secret("c01")))


def test_a_camera_and_its_password_are_kept_apart_and_from_others(home: NodeHome) -> None:
    put_camera(home, secured(home), "Kx7-stairs")
    assert load(home) == with_camera(CONFIG, secured(home))
    assert home.secret("c01").read_bytes() == b"Kx7-stairs\n"
    for path in (home.secret("c01"), home.config):
        assert path.stat().st_mode & 0o777 == 0o640
    assert "Kx7-stairs" not in home.config.read_text()


def test_the_same_camera_again_changes_no_file(home: NodeHome) -> None:
    put_camera(home, secured(home), "Kx7-stairs")
    before = {path: path.stat().st_mtime_ns for path in (home.secret("c01"), home.config)}
    put_camera(home, secured(home), "Kx7-stairs")
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_camera_that_needs_no_password_any_more_keeps_none(home: NodeHome) -> None:
    put_camera(home, secured(home), "Kx7-stairs")
    put_camera(home, NORTH, "")
    assert not home.secret("c01").exists()
    remove_camera(home, "c01")
    assert load(home) == CONFIG
    assert camera_ids(home) == ()


def test_a_node_without_papers_gets_no_camera(tmp_path: Path) -> None:
    with pytest.raises(SetupError):
        put_camera(NodeHome(tmp_path / "home"), NORTH, "")


def test_what_the_agent_would_refuse_is_not_written(home: NodeHome) -> None:
    before = home.config.read_bytes()
    with pytest.raises(ConfigError):
        put_camera(home, CameraConfig("North Mast", "rtsp://192.0.2.7/main"), "")
    assert home.config.read_bytes() == before


def test_the_next_free_place_follows_those_that_are_taken(home: NodeHome) -> None:
    assert [slot.id for slot in slots(home, load(home))] == ["c01"]
    put_camera(home, NORTH, "")
    assert [(slot.id, slot.is_set_up) for slot in slots(home, load(home))] == [("c01", True), ("c02", False)]


identifiers = st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True).filter(lambda name: name != "node")


@given(st.lists(identifiers, unique=True, max_size=8), identifiers)
def test_a_camera_keeps_its_place_and_goes_without_a_trace(names: list[str], changed: str) -> None:
    config = CONFIG
    for name in names:
        config = with_camera(config, CameraConfig(name, "rtsp://a"))
    later = with_camera(config, CameraConfig(changed, "rtsp://b"))
    expected = names if changed in names else [*names, changed]
    assert [camera.id for camera in later.cameras] == expected
    found = later.camera(changed)
    assert found is not None
    assert found.main == "rtsp://b"
    assert without_camera(later, changed).camera(changed) is None


@pytest.mark.parametrize(
    ("url", "login", "bare", "found"),
    [
        ("rtsp://192.0.2.7/main", Login(), "rtsp://192.0.2.7/main", Login()),
        (" rtsp://u:p%40w@192.0.2.7:554/a?b=1 ", Login(), "rtsp://192.0.2.7:554/a?b=1", Login("u", "p@w")),
        ("rtsp://u:old@192.0.2.7/a", Login("u", "new"), "rtsp://192.0.2.7/a", Login("u", "new")),
        ("rtsp://[::1", Login(), "rtsp://[::1", Login()),
    ],
)
def test_a_login_pasted_into_the_address_is_taken_out_of_it(url: str, login: Login, bare: str, found: Login) -> None:
    assert split_login(url, login) == (bare, found)


def test_no_password_is_shown_wherever_the_maker_put_it() -> None:
    assert "s3cret" not in shown("rtsp://192.0.2.7/user=admin_password=s3cret_channel=1.sdp")
    assert "s3cret" not in shown("rtsp://admin:s3cret@192.0.2.7/main")


MAIN = CameraStream("m", "main", "h264", 1920, 1080, 25, 50, 0, "rtsp://192.0.2.7/main")
SUB = CameraStream("s", "sub", "h264", 640, 360, 15, 30, 0, "rtsp://192.0.2.7/sub")
FOUND = DiscoveredCamera("e", "192.0.2.7", "http://192.0.2.7/onvif/device_service", "Cam", "X", "eth1")
USB = LocalCamera("v4l2:/dev/video0", "USB", "usb", ("H264",), is_recordable=True)


class Room:
    """Cameras as a test wants them: the one fake that the house allows."""

    def __init__(self, streams: tuple[CameraStream, ...] = (MAIN, SUB), dead: frozenset[str] = frozenset()) -> None:
        self._streams = streams
        self._dead = dead

    def discover(self) -> tuple[DiscoveredCamera, ...]:
        return (FOUND,)

    def local(self) -> tuple[LocalCameras, LocalCameras]:
        return LocalCameras((USB,)), LocalCameras((), "no_sensor")

    def describe(self, device_url: str, login: Login) -> CameraDescription:
        return CameraDescription(device_url, "Maker", "M1", "1", "2", 0.5, is_open=False, streams=self._streams)

    def probe(self, url: str, login: Login, *, longest_s: float = 10.0) -> ProbedStream:
        if url in self._dead:
            raise CameraUnreachable(camera="probe", source=url, remedy="")
        return ProbedStream(url, "h264", 1920, 1080, 25.0, 50, 2.0, 0, 0.1, 75, 3.0)


def test_only_what_was_found_can_be_chosen() -> None:
    finder = Finder(Room())
    with pytest.raises(SetupError):
        finder.choose(FOUND.device_url, "", Login())
    finder.look()
    assert finder.choose(FOUND.device_url, "", Login("a", "b")) == Choice("onvif", FOUND.device_url, Login("a", "b"))
    assert finder.choose(USB.url, "", Login("a", "b")) == Choice("v4l2", USB.url, Login())
    for chosen, url in (("http://10.0.0.1/", ""), ("hand", "http://a"), ("hand", "file:/etc/passwd"), ("", "")):
        with pytest.raises(SetupError):
            finder.choose(chosen, url, Login())


def test_an_onvif_camera_brings_its_two_streams() -> None:
    trial = try_camera(Room(), Choice("onvif", FOUND.device_url, Login("a", "b")))
    assert (trial.main, trial.sub) == (MAIN.url, SUB.url)


def test_a_small_stream_that_is_declared_and_not_served_is_left_out() -> None:
    trial = try_camera(Room(dead=frozenset({SUB.url})), Choice("onvif", FOUND.device_url, Login()))
    assert (trial.main, trial.sub) == (MAIN.url, "")
    assert Advice.NO_SUB in trial.advice


def test_a_camera_without_a_stream_to_record_is_refused_with_a_word() -> None:
    jpeg = CameraStream("j", "jpeg", "jpeg", 640, 480, 5, 0, 0, "rtsp://192.0.2.7/jpeg")
    with pytest.raises(DiscoveryError) as caught:
        try_camera(Room((jpeg,)), Choice("onvif", FOUND.device_url, Login()))
    assert caught.value.facts["reason"] == "no_main"
