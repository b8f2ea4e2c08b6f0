"""A stream opened for some seconds, and what was measured of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import CameraRefused, CameraUnreachable
from provisioning.cameras.probe import probe
from provisioning.cameras.sentences import explain
from provisioning.texts import Language
from tests.rigs.films import FilmSettings, make_film
from tests.rigs.rtsp import RtspCamera


def test_a_stream_is_measured_as_it_is(tmp_path: Path) -> None:
    film = make_film(tmp_path, FilmSettings(name="film.h264", seconds=8, gop=40))
    with RtspCamera(film, auth="digest", user="operator", password="Kor-Hong-7") as camera:
        found = probe(camera.url, "operator", "Kor-Hong-7")
        with pytest.raises(CameraRefused) as refused:
            probe(camera.url, "operator", "another-99")
    assert (found.codec, found.width, found.height, found.gop_frames) == ("h264", 320, 180, 40)
    assert found.fps == pytest.approx(25, abs=0.5) and found.gop_s == pytest.approx(1.6, abs=0.1)
    assert 0 < found.first_idr_s < 3 and found.bitrate_bps > 0 and found.seconds > 1
    assert found.picture.startswith(b"\xff\xd8")
    assert "Kor-Hong-7" not in found.url + repr(found)
    assert explain(Language.ENGLISH, refused.value).startswith("The camera refused to open the stream")


def test_what_is_not_there_is_told() -> None:
    with pytest.raises(CameraUnreachable):
        probe("file:/no/such/film.mp4")
    with pytest.raises(CameraRefused, match="set a password of its own"):
        probe("rtsp://192.0.2.1/cam", "admin", "admin")
