"""What is heard while cameras are looked for: each once, and a bounded number of them."""

from __future__ import annotations

import socket

import pytest

from agent.errors import DiscoveryError
from provisioning.cameras.discovery import Hearing, discover, interfaces
from tests.cameras.test_probe_match import ASKED, SENDER, answer


def test_a_camera_that_answers_each_question_is_found_once() -> None:
    hearing = Hearing({ASKED})
    for _ in range(4):
        hearing.take(answer(), SENDER, "eth0")
    assert len(hearing.found) == 1 and hearing.refused == 0


def test_a_flood_of_answers_is_bounded() -> None:
    hearing = Hearing({ASKED})
    for number in range(5_000):
        hearing.take(answer().replace(b"cea94000", f"{number:08x}".encode()), SENDER, "eth0")
    assert len(hearing.found) == 256 and hearing.is_flooded


def test_what_is_no_answer_is_counted_and_left() -> None:
    hearing = Hearing({ASKED})
    for datagram in (b"", b"\x00" * 100, answer(relates="uuid:another"), b"<Envelope/>"):
        hearing.take(datagram, SENDER, "eth0")
    assert not hearing.found and hearing.refused == 4


def test_the_loopback_is_nowhere_to_look_for_cameras() -> None:
    assert "lo" not in [one.name for one in interfaces()]
    assert {one.name for one in interfaces()} <= {name for _, name in socket.if_nameindex()}


def test_without_such_an_interface_there_is_nowhere_to_ask() -> None:
    with pytest.raises(DiscoveryError) as refused:
        discover(["no-such-interface"])
    assert refused.value.facts["reason"] == "no_interface"
