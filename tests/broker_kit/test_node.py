"""A node from its first boot to the shipped broker, with the real office, the real door and the real node process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.contract.states import Info, NodeState, Presence
from agent.contract.wire import decode
from agent.enrolment.certificate import CertificateFacts, read_certificate
from agent.errors import BrokerRefused
from agent.messaging.broker import BrokerOptions
from agent.messaging.handshake import try_certificate
from agent.units import NS_PER_S, format_rfc3339
from tests.broker import MOSQUITTO, wait_until
from tests.broker_kit.kit import Caller
from tests.broker_kit.province import EnrolledNode, Province


@pytest.fixture
def province(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Province]:
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    monkeypatch.setenv("WAYSIDE_DATA", "")
    monkeypatch.setenv("WAYSIDE_RUNTIME", "")
    made = Province(tmp_path)
    made.start()
    yield made
    made.close()


@pytest.fixture
def centre(province: Province) -> Iterator[Caller]:
    identity = province.broker.member("centre")
    with Caller(province.broker, identity, "centre", hears=("wayside/v1/#",)) as caller:
        assert caller.is_let_in()
        yield caller


def states(centre: Caller, node: EnrolledNode) -> list[Presence]:
    return [decode(m.payload, NodeState).state for m in centre.messages if m.topic == node.address.state]


def infos(centre: Caller, node: EnrolledNode) -> list[Info]:
    return [decode(m.payload, Info) for m in centre.messages if m.topic == node.address.info]


def test_an_enrolled_node_speaks_by_its_certificate_and_is_lost_when_killed(province: Province, centre: Caller) -> None:
    node = province.boot("first")
    province.enrol(node)
    # Under 3.1.1 the will is said at once, under MQTT 5 after 30 s.
    node.adjust(protocol='"3.1.1"')
    node.start()
    try:
        wait_until(lambda: bool(infos(centre, node)), "the node does not come", limit_s=30)
        told, facts = infos(centre, node)[0], certificate(node)
        end = format_rfc3339(facts.not_after_s * NS_PER_S)
        assert (told.key_fingerprint, told.certificate_end, told.replaces) == (node.key.spki_sha256, end, None)
        # A second MQTT connection under its name would throw it out.
        assert "takes this node's certificate" in node.check()
        assert states(centre, node) == [Presence.ONLINE]
        node.kill()
        wait_until(lambda: states(centre, node)[-1] is Presence.LOST, "its will is not said")
    finally:
        node.stop()


def test_a_certificate_that_is_due_is_renewed_without_anybody_and_used(province: Province, centre: Caller) -> None:
    node = province.boot("first")
    province.enrol_ago(node, 64)
    before = certificate(node)
    node.start()
    try:
        wait_until(lambda: certificate(node).serial != before.serial, "it does not renew", limit_s=30)
        end = format_rfc3339(certificate(node).not_after_s * NS_PER_S)
        wait_until(lambda: end in [i.certificate_end for i in infos(centre, node)], "it is not used", limit_s=30)
        assert Presence.LOST not in states(centre, node)
        assert certificate(node).spki_sha256 == before.spki_sha256
    finally:
        node.stop()


def test_an_expired_certificate_renews_and_does_nothing_else(province: Province, centre: Caller) -> None:
    node = province.boot("first")
    province.enrol_ago(node, 100)
    with pytest.raises(BrokerRefused, match="certificate_expired"):
        try_certificate(options(province, node))
    node.start()
    try:
        wait_until(lambda: Presence.ONLINE in states(centre, node), "it does not come back", limit_s=30)
        try_certificate(options(province, node), silence_s=0.2)
    finally:
        node.stop()


def test_a_swapped_node_takes_the_site_over_and_says_whom_it_replaces(province: Province, centre: Caller) -> None:
    dead, fresh = province.boot("dead"), province.boot("fresh")
    province.enrol(dead)
    province.enrol(fresh, replaces=dead.key.node)
    assert fresh.home.load_enrolment().replaces == dead.key.node
    fresh.start()
    try:
        wait_until(lambda: bool(infos(centre, fresh)), "the new node does not come", limit_s=30)
        assert infos(centre, fresh)[0].replaces == dead.key.node
    finally:
        fresh.stop()


def test_a_revoked_node_is_told_so_within_the_next_synchronisation(province: Province, centre: Caller) -> None:
    node = province.boot("first")
    province.enrol(node)
    node.start()
    try:
        wait_until(lambda: bool(infos(centre, node)), "the node does not come", limit_s=30)
        province.office.revoke(node.key.node, "stolen", int(time.time()))
        province.broker.synchronise()
        wait_until(lambda: states(centre, node)[-1] is Presence.LOST, "its session goes on")
        wait_until(lambda: "certificate_revoked" in node.log(), "it does not know why", limit_s=30)
    finally:
        node.stop()


def test_an_order_made_for_a_label_enrols_where_there_is_no_line(province: Province, centre: Caller) -> None:
    node = province.boot("first")
    province.service.close()
    province.enrol_offline(node)
    node.start()
    try:
        wait_until(lambda: bool(infos(centre, node)), "the node does not come", limit_s=30)
    finally:
        node.stop()


def certificate(node: EnrolledNode) -> CertificateFacts:
    return read_certificate(node.home.certificate.read_bytes())


def options(province: Province, node: EnrolledNode) -> BrokerOptions:
    home = node.home
    return BrokerOptions(
        province.broker.url, node.key.node, str(home.ca), certificate=str(home.certificate), key=str(home.key)
    )
