"""A running broker from the shipped kit, with two nodes of one organisation and one of another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioning.broker.acl import Member, Role
from tests.broker import MOSQUITTO
from tests.broker_kit.kit import Row, ShippedBroker

OURS = Row("songkhla-pao", "hatyai-012", "na")
NEIGHBOUR = Row("songkhla-pao", "hatyai-013", "nb")
STRANGER = Row("red-cross", "sadao-001", "nc")
CENTRE = Member("centre", Role.RECEIVER)
DESK = Member("desk-1", Role.DESK)
PARTNER = Member("reader-1", Role.PARTNER, "songkhla-pao", ("hatyai-012",))


@pytest.fixture
def shipped(tmp_path: Path) -> Iterator[ShippedBroker]:
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    broker = ShippedBroker(tmp_path)
    broker.rows = [OURS, NEIGHBOUR, STRANGER]
    broker.members = [CENTRE, DESK, PARTNER]
    broker.start()
    yield broker
    broker.stop()
