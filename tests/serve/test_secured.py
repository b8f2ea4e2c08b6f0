"""The server at the shipped broker: papers from the office, mutual TLS, an access list; a node enrolled at its door."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.contract.states import Ack
from agent.contract.topics import FleetFilter
from agent.contract.wire import decode
from provisioning.broker.acl import Member, Role
from tests.broker import MOSQUITTO, wait_until
from tests.broker_kit.kit import Caller, Identity
from tests.broker_kit.province import Province
from tests.serve.rig import Serve
from tests.serve.test_eventstore import message


@pytest.fixture
def province(tmp_path: Path) -> Iterator[Province]:
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    province = Province(tmp_path)
    province.broker.members = [Member("wayside-centre", Role.RECEIVER)]
    try:
        province.start()
        yield province
    finally:
        province.close()


def test_with_papers_of_the_office_it_stores_and_acknowledges_over_mutual_tls(
    province: Province, tmp_path: Path
) -> None:
    node = province.boot("node")
    province.enrol(node)
    serve = Serve(tmp_path / "office", tmp_path / "centre", "--broker", province.broker.url)
    papers = Identity(str(node.home.certificate), str(node.home.key))
    try:
        serve.start()
        wait_until(lambda: b'"broker":true' in serve.request("GET", "/v1/health")[2], f"not let in: {serve.errors()}")
        with Caller(province.broker, papers, node.key.node, hears=[node.address.ack]) as caller:
            for sequence in (1, 2, 4):
                topic, payload = message(sequence, address=node.address)
                assert caller.may_publish(topic, payload)
            wait_until(lambda: serve.count() == 3, "not everything is stored")
            wait_until(
                lambda: bool(caller.messages) and int(decode(caller.messages[-1].payload, Ack).a) == 2,
                "what stands before the hole is not acknowledged",
            )
            topic, payload = message(3, address=node.address)
            assert caller.may_publish(topic, payload)
            wait_until(lambda: int(decode(caller.messages[-1].payload, Ack).a) == 4, "the hole is not closed")
        for file in (tmp_path / "centre/broker").iterdir():
            assert file.stat().st_mode & 0o077 == 0, file
        assert serve.stop() == 0
    finally:
        serve.kill()


def test_the_broker_lets_the_receiver_say_nothing_but_acks(province: Province) -> None:
    centre = province.broker.member("wayside-centre")
    with Caller(province.broker, centre, "wayside-centre", hears=[FleetFilter().of("evt/#")]) as caller:
        assert not caller.may_publish("wayside/v1/songkhla-pao/hatyai-012/nx/cmd/ping")
        assert caller.may_publish("wayside/v1/songkhla-pao/hatyai-012/nx/ack")
