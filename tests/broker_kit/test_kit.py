"""The shipped broker, tried from outside: who gets in, who hears whom, who goes and stays away."""

from __future__ import annotations

from pathlib import Path

import paho.mqtt.client as mqtt
import pytest

from agent.contract.states import NodeState, Presence
from agent.contract.wire import decode, encode
from agent.errors import RegisterError
from agent.identity import new_uuid7
from provisioning.broker.acl import Member, Role, access_list
from provisioning.broker.kit import Papers, check_papers
from provisioning.broker.session import is_running, reload
from tests.broker import wait_until
from tests.broker_kit.conftest import CENTRE, DESK, NEIGHBOUR, OURS, PARTNER, STRANGER
from tests.broker_kit.kit import Caller, Row, ShippedBroker, TlsLine, shake_hands
from tests.enrolment.papers import NOW_S, Authority, pem_of

CMD = OURS.address.command("ping")


def test_a_node_says_what_the_contract_gives_it_and_nothing_else(shipped: ShippedBroker) -> None:
    own, other = OURS.address, NEIGHBOUR.address
    may = (own.state, own.info, own.health, own.reported, own.camera_state("c01"), own.camera_live("c01"))
    may += (own.camera_traffic("c01"), own.alert("disk"), own.event("c01", "incident"), own.response("desk-1"))
    must_not = (CMD, own.ack, own.desired, other.state, other.command("ping"), f"{own.root}/x", "$SYS/x", "x")
    with Caller(shipped, shipped.identity("na"), "na") as node:
        assert {topic: node.may_publish(topic) for topic in may} == dict.fromkeys(may, True)
        assert {topic: node.may_publish(topic) for topic in must_not} == dict.fromkeys(must_not, False)


def test_a_node_hears_its_commands_and_no_neighbour(shipped: ShippedBroker) -> None:
    own, other = OURS.address, NEIGHBOUR.address
    desk = shipped.identity("desk-1", shipped.centre_ca)
    with (
        Caller(shipped, shipped.identity("na"), "na", hears=("#", other.state, own.commands, own.ack)) as node,
        Caller(shipped, shipped.identity("nb"), "nb") as neighbour,
        Caller(shipped, desk, "desk-1") as caller,
        Caller(shipped, shipped.identity("centre", shipped.centre_ca), "centre") as centre,
    ):
        assert node.is_let_in()
        assert neighbour.may_publish(other.state, is_retained=True)
        assert caller.may_publish(other.command("ping"))
        assert caller.may_publish(CMD)
        assert centre.may_publish(own.ack, is_retained=True)
        wait_until(lambda: {CMD, own.ack} <= node.heard(), "the node does not hear its own branch")
        assert node.heard() == {CMD, own.ack}
        # mosquitto grants every subscription and applies the access list to each delivery.
        assert node.connections[0].refused_filters == ()


def test_only_the_receiver_acknowledges_and_only_a_desk_commands(shipped: ShippedBroker) -> None:
    said: dict[tuple[str, str], bool] = {}
    for member in (CENTRE, DESK, PARTNER):
        with Caller(shipped, shipped.identity(member.name, shipped.centre_ca), member.name) as caller:
            for topic in (OURS.address.ack, CMD, OURS.address.desired, OURS.address.state):
                said[member.name, topic] = caller.may_publish(topic)
    allowed = {key for key, is_allowed in said.items() if is_allowed}
    assert allowed == {("centre", OURS.address.ack), ("desk-1", CMD), ("desk-1", OURS.address.desired)}


def test_a_partner_hears_its_own_sites_and_never_a_command(shipped: ShippedBroker) -> None:
    own = OURS.address
    gets = {own.state, own.info, own.health, own.camera_state("c01"), own.camera_traffic("c01"), own.alert("disk")}
    gets |= {own.event("c01", "incident")}
    others = (own.reported, own.response("desk-1"))
    reader = shipped.identity("reader-1", shipped.centre_ca)
    with (
        Caller(shipped, reader, "reader-1", hears=("#",)) as partner,
        Caller(shipped, shipped.identity("na"), "na") as node,
        Caller(shipped, shipped.identity("nb"), "nb") as neighbour,
        Caller(shipped, shipped.identity("nc"), "nc") as stranger,
        Caller(shipped, shipped.identity("desk-1", shipped.centre_ca), "desk-1") as desk,
    ):
        assert partner.is_let_in()
        assert neighbour.may_publish(NEIGHBOUR.address.state)
        assert stranger.may_publish(STRANGER.address.state)
        assert desk.may_publish(CMD)
        assert all(node.may_publish(topic) for topic in (*others, *gets))
        wait_until(lambda: gets <= partner.heard(), "the partner does not hear its site")
        assert partner.heard() == gets


def test_without_a_certificate_of_ours_nobody_gets_in(shipped: ShippedBroker) -> None:
    stranger = Authority.make("nodes", now_s=shipped.now_s)
    known = shipped.identity("na")
    assert shake_hands(shipped, known)[:1] == b"\x20"
    assert shake_hands(shipped, None) == b""
    assert shake_hands(shipped, shipped.identity("na", stranger)) == b""
    assert shake_hands(shipped, shipped.identity("na", life_s=-60)) == b""
    # One that is ours and that nobody has enrolled comes in, and may do nothing.
    with Caller(shipped, shipped.identity("nz"), "nz", hears=("#",)) as unknown:
        assert not unknown.may_publish(Row("songkhla-pao", "hatyai-012", "nz").address.state)
        assert unknown.heard() == set()


def test_a_client_id_that_is_not_the_certificates_is_impossible(shipped: ShippedBroker) -> None:
    own = OURS.address
    with (
        Caller(shipped, shipped.identity("na"), "na", hears=(own.commands,)) as node,
        Caller(shipped, shipped.identity("nb"), "na", hears=(own.commands,)) as thief,
        Caller(shipped, shipped.identity("desk-1", shipped.centre_ca), "desk-1") as desk,
    ):
        assert node.is_let_in()
        assert not thief.may_publish(own.state)
        assert thief.may_publish(NEIGHBOUR.address.state)
        assert desk.may_publish(CMD)
        wait_until(lambda: CMD in node.heard(), "the node was thrown out by the other one's client id")
        assert (thief.heard(), node.ends) == (set(), [])


def test_a_revoked_node_is_thrown_out_is_lost_and_stays_out(shipped: ShippedBroker) -> None:
    own = OURS.address
    identity = shipped.identity("na")
    online = NodeState(state=Presence.ONLINE, session=7, epoch=new_uuid7(), at="2026-11-23T03:00:00Z")
    with (
        Caller(shipped, shipped.identity("centre", shipped.centre_ca), "centre", hears=(own.state,)) as centre,
        Caller(shipped, shipped.identity("nb"), "nb") as neighbour,
        Caller(shipped, identity, "na") as node,
    ):
        assert node.may_publish(own.state, encode(online), is_retained=True)
        assert neighbour.is_let_in() and centre.is_let_in()
        done = shipped.revoke(OURS, identity)
        assert (done.banished, done.is_running, done.needs_restart) == ({own}, True, False)
        wait_until(lambda: len(node.ends) >= 2, "the revoked node's session goes on")
        assert len(node.connections) == 1
        wait_until(lambda: len(centre.messages) == 2, "nobody says that it is lost")
        lost = decode(centre.messages[-1].payload, NodeState)
        assert (lost.state, lost.session, lost.epoch, lost.reason) == (Presence.LOST, 7, online.epoch, "revoked")
        assert neighbour.ends == []
        assert shake_hands(shipped, identity) == b""
        assert shipped.synchronise().files == frozenset()


def test_a_tls_session_from_before_does_not_outlive_the_revocation(shipped: ShippedBroker) -> None:
    # A resumed handshake proves no certificate again (RFC 8446, 2.2).
    identity = shipped.identity("na")
    line = TlsLine(shipped, identity)
    assert line.connect()[:1] == b"\x20"
    assert line.connect()[:1] == b"\x20"
    assert line.was_resumed
    shipped.revoke(OURS, identity)
    assert line.connect() == b""


def test_a_new_node_is_heard_without_a_restart(shipped: ShippedBroker) -> None:
    fresh = Row("songkhla-pao", "hatyai-014", "nd")
    with Caller(shipped, shipped.identity("na"), "na") as node:
        assert node.is_let_in()
        shipped.rows.append(fresh)
        done = shipped.synchronise()
        assert (done.files, done.needs_restart) == ({"acl"}, False)
        with Caller(shipped, shipped.identity("nd"), "nd") as caller:
            wait_until(lambda: caller.may_publish(fresh.address.state), "its lines are not read")
        assert node.ends == []


def test_the_largest_message_of_the_contract_goes_through(shipped: ShippedBroker) -> None:
    with Caller(shipped, shipped.identity("na"), "na") as node:
        assert node.may_publish(OURS.address.event("c01", "incident"), bytes(65_536))
        assert node.connections[0].max_packet_bytes == 65_536 + 4096
        assert node.connections[0].window == 100


def test_by_the_door_one_hears_and_says_states_and_nothing_else(shipped: ShippedBroker) -> None:
    assert is_running(shipped.paths)
    heard: list[str] = []
    guest = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "guest", protocol=mqtt.MQTTv5, transport="unix")
    codes: list[int] = []
    guest.on_message = lambda _c, _u, message: heard.append(message.topic)
    guest.on_publish = lambda _c, _u, _mid, code, _props: codes.append(code.value)
    guest.connect(str(shipped.paths.door))
    guest.loop_start()
    guest.subscribe("#", 1)
    guest.publish(CMD, b"x", 1)
    wait_until(lambda: bool(codes), "no PUBACK")
    with Caller(shipped, shipped.identity("na"), "na") as node:
        assert node.may_publish(OURS.address.info) and node.may_publish(OURS.address.state)
        wait_until(lambda: bool(heard), "the door hears no state")
    guest.disconnect()
    guest.loop_stop()
    assert (codes, heard) == ([0x87], [OURS.address.state])


def test_a_broker_that_was_killed_starts_again_from_its_folder(shipped: ShippedBroker) -> None:
    shipped.kill()
    assert not is_running(shipped.paths)
    shipped.start()
    assert is_running(shipped.paths)
    identity = shipped.identity("na")
    with Caller(shipped, identity, "na") as node:
        assert node.is_let_in()
        shipped.revoke(OURS, identity)
        wait_until(lambda: bool(node.ends), "the door is shut")


def test_a_damaged_list_never_reaches_the_broker_for_it_would_open_to_all(shipped: ShippedBroker) -> None:
    identity = shipped.identity("na")
    shipped.revoke(OURS, identity)
    with pytest.raises(RegisterError, match="bad_papers"):
        shipped.synchronise(crls="-----BEGIN X509 CRL-----\ncut")
    assert shake_hands(shipped, identity) == b""
    # What mosquitto 2.0.11 does with such a file, by which this rule is argued (ADR on the broker).
    shipped.paths.crl.write_text("-----BEGIN X509 CRL-----\ncut")
    assert reload(shipped.paths)
    wait_until(lambda: shake_hands(shipped, identity)[:1] == b"\x20", "this mosquitto does not fail open any more")


def test_files_of_the_kit_are_their_owners_alone(shipped: ShippedBroker) -> None:
    modes = {path.name: path.stat().st_mode & 0o077 for path in (shipped.paths.key, shipped.paths.acl)}
    assert modes == {"broker.key": 0, "acl": 0}
    assert shipped.paths.folder.stat().st_mode & 0o077 == 0


def papers_of(ca: Authority, crls: str) -> Papers:
    from agent.signing import key_to_pem, make_key

    key = make_key()
    server = ca.issue("localhost", key.public_key(), is_server=True)
    return Papers(ca.pem, crls, pem_of(server), key_to_pem(key).decode())


def test_papers_that_would_open_or_shut_the_broker_are_refused() -> None:
    ca, other = Authority.make("nodes"), Authority.make("nodes")
    check_papers(papers_of(ca, ca.crl()), now_s=NOW_S)
    for crls in ("", "garbage", other.crl(), ca.crl(now_s=NOW_S - 40 * 86_400), ca.crl()[:-40]):
        with pytest.raises(RegisterError):
            check_papers(papers_of(ca, crls), now_s=NOW_S)


def test_names_that_would_forge_a_line_are_refused() -> None:
    with pytest.raises(RegisterError, match="same_name"):
        access_list([Row("o", "s", "centre")], [CENTRE])
    for name in ("a\ntopic write #", "", "a b", "#"):
        with pytest.raises(RegisterError, match="bad_name"):
            access_list([], [Member(name, Role.DESK)])
        with pytest.raises(RegisterError, match="bad_name"):
            access_list([], [Member("x", Role.PARTNER, org=name)])


def test_the_same_register_gives_the_same_file(tmp_path: Path) -> None:
    rows = [OURS, NEIGHBOUR, STRANGER]
    assert access_list(rows, [CENTRE]) == access_list(rows[::-1], [CENTRE])
