"""What mosquitto itself does, good or bad, on which the kit is built (ADR 13). A newer one may do better."""

from __future__ import annotations

import threading
import time

from agent.messaging.broker import Publication, Will
from provisioning.broker.kit import write_gate
from provisioning.broker.session import end_session, reload
from tests.broker import wait_until
from tests.broker_kit.conftest import NEIGHBOUR, OURS
from tests.broker_kit.kit import Caller, Identity, ShippedBroker, refusal, shake_hands
from tests.enrolment.papers import DAY_S, Authority


def revoke_without_ending(shipped: ShippedBroker, identity: Identity) -> None:
    assert identity.issued is not None
    crls = shipped.node_ca.crl(identity.issued, now_s=time.time()) + shipped.centre_ca.crl(now_s=time.time())
    write_gate(shipped.paths, shipped.papers(crls), shipped.listening, now_s=time.time())
    assert reload(shipped.paths)


def test_a_reload_refuses_a_revoked_certificate_and_leaves_its_session_alone(shipped: ShippedBroker) -> None:
    identity = shipped.identity("na")
    with Caller(shipped, identity, "na") as node:
        assert node.is_let_in()
        revoke_without_ending(shipped, identity)
        wait_until(lambda: refusal(shipped, identity) == "certificate_revoked", "the list is not read")
        assert node.may_publish(OURS.address.state)
        assert node.ends == []


def test_a_reload_takes_on_a_new_authority_with_its_revocation_list(shipped: ShippedBroker) -> None:
    added = Authority.make("nodes of a second organisation", now_s=time.time())
    identity, papers = shipped.identity("nc", added), shipped.papers()
    assert refusal(shipped, identity) == "certificate_unknown"
    shipped.paths.ca.write_text(papers.client_cas + added.pem)
    shipped.paths.crl.write_text(papers.crls + added.crl(now_s=time.time()))
    assert reload(shipped.paths)
    wait_until(lambda: refusal(shipped, identity) == "", "the authority is not known")


def test_an_access_list_that_cannot_be_read_opens_everything(shipped: ShippedBroker) -> None:
    with Caller(shipped, shipped.identity("na"), "na") as node:
        assert not node.may_publish(NEIGHBOUR.address.state)
        shipped.paths.acl.write_text("nonsense\n")
        assert reload(shipped.paths)
        wait_until(lambda: node.may_publish(NEIGHBOUR.address.state), "this mosquitto fails shut")


def test_a_revocation_list_that_has_run_out_shuts_everybody_out(shipped: ShippedBroker) -> None:
    identity = shipped.identity("na")
    assert shake_hands(shipped, identity)[:1] == b"\x20"
    late = shipped.node_ca.crl(now_s=time.time() - 2 * DAY_S, life_s=DAY_S)
    shipped.paths.crl.write_text(late + shipped.centre_ca.crl(now_s=time.time()))
    assert reload(shipped.paths)
    wait_until(lambda: shake_hands(shipped, identity) == b"", "a list that has run out is believed")


def test_a_certificate_that_runs_out_ends_no_session(shipped: ShippedBroker) -> None:
    shipped.now_s = time.time()
    identity = shipped.identity("na", life_s=2)
    with Caller(shipped, identity, "na") as node:
        assert node.is_let_in()
        wait_until(lambda: refusal(shipped, identity) == "certificate_expired", "it is good for longer than it says")
        assert node.may_publish(OURS.address.state)
        assert node.ends == []


def test_a_delayed_will_is_forgotten_when_a_session_is_taken_over(shipped: ShippedBroker) -> None:
    own, identity = OURS.address, shipped.identity("na")
    will = Will(Publication(own.alert("will"), b"{}"), delay_s=1)
    centre = shipped.identity("centre", shipped.centre_ca)
    with (
        Caller(shipped, centre, "centre", hears=(own.alert("will"),)) as caller,
        Caller(shipped, identity, "na", will=lambda _: will) as node,
    ):
        assert node.is_let_in() and caller.is_let_in()
        revoke_without_ending(shipped, identity)
        end_session(shipped.paths, own)
        wait_until(lambda: len(node.ends) >= 1, "its session goes on")
        # Nothing can be waited for here but the time in which it does not come.
        threading.Event().wait(1.5)
        assert caller.messages == []
