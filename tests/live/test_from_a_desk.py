"""Looking from a desk: a whole agent with one camera that does not see, a real broker, a real ingest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from tests.broker import MOSQUITTO, Broker
from tests.centre.test_desk import NODE, desk
from tests.faults.rig import AgentUnderTest
from tests.live.side import ingest, probe

CAMERA = ("--node", NODE, "--camera", "c01")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    folder = tmp_path_factory.mktemp("site")
    (folder / "broker").mkdir()
    server = Broker(folder / "broker", "allow_anonymous true")
    server.start()
    try:
        with AgentUnderTest(folder / "agent", broker=server, vision=False, segment_s=2.0) as agent:
            agent.wait_for_footage("c01", 60)
            yield server.url
    finally:
        server.stop()


def test_pictures_come_into_a_file_while_somebody_looks(broker: str, tmp_path: Path) -> None:
    out = tmp_path / "live.jpg"
    said = desk(broker, "live", *CAMERA, "--out", str(out), "--seconds", "1")
    assert said.code == 0, said
    assert "mjpeg" in said.out
    assert cv2.imread(str(out)) is not None


def test_the_stream_comes_to_a_media_server(broker: str, tmp_path: Path, ffmpeg: str) -> None:
    with ingest(ffmpeg, tmp_path) as (url, out):
        said = desk(broker, "live", *CAMERA, "--ingest", url, "--seconds", "1", "--json")
    assert said.code == 0, said
    shown = json.loads(said.out)
    assert (shown["stream"], shown["codec"]) == ("main", "h264")
    assert probe(out)[1] == shown["width"]


def test_a_media_server_that_is_not_allowed_is_refused_in_words(broker: str) -> None:
    said = desk(broker, "live", *CAMERA, "--ingest", "rtsps://elsewhere.example/c01", "--seconds", "1")
    assert said.code == 2
    assert "host_not_allowed" in said.err
    assert "upload_hosts" in said.err
