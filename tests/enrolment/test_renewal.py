"""Renewal: when it is due, and what happens when the centre does not give it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import ClockQuality, ClockStatus
from agent.contract.enrolment import EnrolAnswer
from agent.contract.wire import encode
from agent.enrolment.papers import install_grant
from agent.enrolment.renewal import chance_of, renewal_due_s
from agent.enrolment.renewer import Renewer
from agent.errors import CentreUnreachable, ClaimRefused, EnrolmentError
from agent.units import NS_PER_S
from tests.enrolment.conftest import Node
from tests.enrolment.papers import DAY_S, Authority, Organisation


@dataclass
class SetClock:
    """A clock at a moment of the test's choice."""

    wall_s: float

    def wall_ns(self) -> int:
        return int(self.wall_s * NS_PER_S)

    def mono_ns(self) -> int:
        return 0

    def status(self) -> ClockStatus:
        return ClockStatus(ClockQuality.SYNCED, 0.0)


def test_it_is_due_at_two_thirds_and_spread_over_three_days() -> None:
    assert renewal_due_s(0, 90 * DAY_S, 0.0) == 60 * DAY_S
    assert renewal_due_s(0, 90 * DAY_S, 0.999) < 63 * DAY_S


@given(st.integers(-(2**40), 2**40), st.integers(-(2**40), 2**40), st.integers(0, 2**256 - 1))
def test_it_is_due_within_the_life_whatever_that_is(begin: int, end: int, fingerprint: int) -> None:
    due_s = renewal_due_s(begin, end, chance_of(f"{fingerprint:064x}"))
    assert begin <= due_s <= max(begin, end)


class Centre:
    """A node whose centre says what a test wants."""

    def __init__(self, node: Node, office: Organisation, url: str, *, age_days: float) -> None:
        now_s = time.time() - age_days * DAY_S
        self.node, self.office = node, office
        grant = office.grant(node.key.private.public_key(), node.key.node, now_s=now_s, enrol_url=url)
        self.text = office.grant_text(grant)
        install_grant(node.home, self.text, int(now_s))
        self.renewed: list[bool] = []
        self.stop = threading.Event()

    def renewer(self) -> Renewer:
        return Renewer(self.node.home, SetClock(time.time()), self.stop, lambda: self.renewed.append(True), look_s=0.01)

    def look(self) -> None:
        self.renewer().run_once()


@pytest.fixture(scope="module")
def office() -> Organisation:
    """Of the machine's own time, because its TLS is real."""
    now_s = time.time()
    return Organisation(
        ca=Authority.make("nodes of a test", now_s=now_s), centre_ca=Authority.make("centre of a test", now_s=now_s)
    )


@pytest.fixture
def ca(office: Organisation) -> Authority:
    return office.centre_ca


def test_before_it_is_due_nobody_is_asked(node: Node, office: Organisation, answering) -> None:
    with answering(200, b"") as stranger:
        centre = Centre(node, office, stranger.url, age_days=59)
        centre.look()
    assert (stranger.asked, centre.renewed) == ([], [])


def test_somebody_who_may_ask_has_it_renewed_before_it_is_due(node: Node, office: Organisation, answering) -> None:
    fresh = office.grant(node.key.private.public_key(), node.key.node, now_s=time.time(), revision=2)
    with answering(200, encode(EnrolAnswer(v=1, state="waiting", retry_s=0))) as stranger:
        centre = Centre(node, office, stranger.url, age_days=1)
        assert centre.renewer().renew_now() > 0
        stranger.body = encode(EnrolAnswer(v=1, state="granted", grant=office.grant_text(fresh)))
        assert centre.renewer().renew_now() == 0
    assert centre.renewed == [True]
    assert node.home.certificate.read_text() == fresh.certificate


def test_a_refusal_is_an_error_for_the_back_off_and_the_old_certificate_stays(
    node: Node, office: Organisation, answering
) -> None:
    with answering(403, encode(EnrolAnswer(v=1, state="refused", reason="revoked"))) as stranger:
        centre = Centre(node, office, stranger.url, age_days=70)
        before = node.home.certificate.read_bytes()
        with pytest.raises(ClaimRefused, match="revoked"):
            centre.look()
    assert [path for path, _, _ in stranger.asked] == ["/v1/renew"]
    assert (node.home.certificate.read_bytes(), centre.renewed) == (before, [])


def test_the_certificate_in_force_granted_again_is_no_renewal(node: Node, office: Organisation, answering) -> None:
    with answering(202, b"{}") as stranger:
        centre = Centre(node, office, stranger.url, age_days=70)
        with pytest.raises(CentreUnreachable, match="not_the_centre"):
            centre.look()
        stranger.body = encode(EnrolAnswer(v=1, state="granted", grant=centre.text))
        with pytest.raises(EnrolmentError, match="not_renewed"):
            centre.look()
        stranger.body = encode(EnrolAnswer(v=1, state="waiting", retry_s=0))
        centre.look()
        fresh = office.grant(node.key.private.public_key(), node.key.node, now_s=time.time(), revision=2)
        stranger.body = encode(EnrolAnswer(v=1, state="granted", grant=office.grant_text(fresh)))
        centre.look()
    assert centre.renewed == [True]
    assert node.home.certificate.read_text() == fresh.certificate
