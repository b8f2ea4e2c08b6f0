"""Clips that the centre's server takes in for a desk on the same machine: over its own TLS, by one-time addresses."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.authority.office import Office
from agent.centre.received import ServedDoor
from agent.centre.service import CentreService, ReceiveLine, ServiceOptions
from agent.commands.upload import Patience, Upload, UploadPolicy, upload_tus
from agent.commands.upload_line import believing
from agent.errors import StoreError, UploadError
from tests.broker import LOOPBACK, unused_port

QUICK = Patience(attempts=3, first_wait_s=0.05, longest_wait_s=0.1, answer_timeout_s=10.0)
WAIT_S = 20.0


class Centre:
    """A running server of an office that was just founded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        door, inbound = unused_port(), unused_port()
        office = Office.create(
            folder / "office",
            enrol_url=f"https://localhost:{door}",
            broker_url="mqtts://localhost:1",
            now_s=int(time.time()),
        )
        self.authority = folder / "ca.pem"
        self.authority.write_text(office.centre_ca_pem())
        self.options = ServiceOptions(
            office=folder / "office",
            store=folder / "store",
            host=LOOPBACK,
            port=door,
            names=("localhost",),
            receive=ReceiveLine(host=LOOPBACK, port=inbound),
        )
        self.service = CentreService(self.options, lambda _news: None)

    def carry(self, clip: Path, url: str, sha256: str = "") -> None:
        """As a node does that trusts the office and was told this host."""
        policy = UploadPolicy(hosts=("localhost",), tls=believing(str(self.authority)))
        stated = sha256 or hashlib.sha256(clip.read_bytes()).hexdigest()
        upload_tus(Upload(clip, stated, url), policy, stop=threading.Event(), patience=QUICK)


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    made = Centre(tmp_path / "centre")
    made.service.start()
    yield made
    made.service.close()


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(os.urandom(300_000))
    return path


def test_a_desk_gets_the_clip_that_the_server_took_in(centre: Centre, clip: Path, tmp_path: Path) -> None:
    with ServedDoor(centre.options.store) as door:
        expected = door.announce(tmp_path / "out.mp4")
        centre.carry(clip, expected.url)
        received = expected.wait(WAIT_S)
    assert received is not None and received.path == tmp_path / "out.mp4"
    assert received.path.read_bytes() == clip.read_bytes()
    assert list((centre.options.store / "clips").iterdir()) == []


def test_an_address_that_no_desk_announced_or_that_was_left_takes_nothing(
    centre: Centre, clip: Path, tmp_path: Path
) -> None:
    with ServedDoor(centre.options.store) as door:
        left = door.announce(tmp_path / "out.mp4").url
        guessed = left.rpartition("/")[0] + "/guessed"
    for url in (left, guessed):
        with pytest.raises(UploadError):
            centre.carry(clip, url)


def test_of_a_clip_whose_desk_left_nothing_stays(centre: Centre, clip: Path, tmp_path: Path) -> None:
    with ServedDoor(centre.options.store) as door:
        url = door.announce(tmp_path / "out.mp4").url
        # Its bytes are not those that were stated, so that it is begun and never ends.
        with pytest.raises(UploadError):
            centre.carry(clip, url, sha256="0" * 64)
    with pytest.raises(UploadError):
        centre.carry(clip, url)
    assert list((centre.options.store / "clips").iterdir()) == []


def test_more_than_was_announced_is_refused(centre: Centre, clip: Path, tmp_path: Path) -> None:
    with ServedDoor(centre.options.store) as door:
        expected = door.announce(tmp_path / "out.mp4", max_bytes=1000)
        with pytest.raises(UploadError):
            centre.carry(clip, expected.url)
        assert expected.wait(0) is None


def test_without_a_server_a_desk_is_told_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="--receive"):
        ServedDoor(tmp_path / "nowhere")


def test_an_authority_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UploadError) as caught:
        believing(str(tmp_path / "none.pem"))
    assert caught.value.facts["reason"] == "authority_unreadable"
