"""The judgement of a claim: a table of every refusal, and what holds whatever stands in the register."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.authority.claims import (
    CLOCK_TOLERANCE_S,
    MAX_APPLICANTS,
    Judgement,
    Presented,
    Refusal,
    Ruling,
    Standing,
    judge_claim,
)
from agent.authority.records import Approval, OrderRecord

IAT_S, EXP_S = 1_000_000, 1_259_200
BOUND = OrderRecord("o1", "org", "site", "claim", IAT_S, EXP_S, spki_sha256="key")
OPEN = replace(BOUND, spki_sha256=None)
PRESENTED = Presented("o1", "org", "site", "claim", "node", "key")
FREE = Standing()


def judged(
    order: OrderRecord | None = BOUND,
    standing: Standing = FREE,
    presented: Presented = PRESENTED,
    now_s: int = IAT_S + 60,
) -> Judgement:
    return judge_claim(presented, order, standing, now_s=now_s)


def test_the_expected_key_is_let_in() -> None:
    assert judged() == Judgement(Ruling.GRANT)


def test_any_other_order_waits_for_the_offices_approval() -> None:
    assert judged(OPEN) == Judgement(Ruling.WAIT)
    assert judged(OPEN, Standing(approval=Approval.WAITING)) == Judgement(Ruling.WAIT)
    assert judged(OPEN, Standing(approval=Approval.APPROVED)) == Judgement(Ruling.GRANT)


def test_who_asked_in_time_may_be_approved_later() -> None:
    late = EXP_S + 86_400
    assert judged(OPEN, Standing(approval=Approval.APPROVED), now_s=late).ruling is Ruling.GRANT
    assert judged(OPEN, Standing(approval=Approval.WAITING), now_s=late).ruling is Ruling.WAIT
    assert judged(OPEN, now_s=late).reason is Refusal.EXPIRED


def test_the_key_that_used_the_claim_gets_its_papers_again_at_any_time() -> None:
    used = replace(BOUND, used_by="node")
    assert judged(used, Standing(node_site="site", occupant="node"), now_s=EXP_S * 2).ruling is Ruling.AGAIN


@pytest.mark.parametrize(
    ("reason", "order", "standing", "presented", "now_s"),
    [
        (Refusal.UNKNOWN_ORDER, None, FREE, PRESENTED, IAT_S),
        (Refusal.UNKNOWN_ORDER, BOUND, FREE, replace(PRESENTED, claim_sha256="guessed"), IAT_S),
        (Refusal.WRONG_ORG, BOUND, FREE, replace(PRESENTED, org="another"), IAT_S),
        (Refusal.WRONG_SITE, BOUND, FREE, replace(PRESENTED, site="another"), IAT_S),
        (Refusal.WRONG_SITE, BOUND, Standing(node_site="another"), PRESENTED, IAT_S),
        (Refusal.WRONG_KEY, BOUND, FREE, replace(PRESENTED, spki_sha256="stolen label"), IAT_S),
        (Refusal.NOT_YET, BOUND, FREE, PRESENTED, IAT_S - CLOCK_TOLERANCE_S - 1),
        (Refusal.EXPIRED, BOUND, FREE, PRESENTED, EXP_S),
        (Refusal.USED, replace(BOUND, used_by="first"), FREE, PRESENTED, IAT_S),
        (Refusal.WITHDRAWN, replace(BOUND, is_withdrawn=True), FREE, PRESENTED, IAT_S),
        (Refusal.DENIED, OPEN, Standing(approval=Approval.DENIED), PRESENTED, IAT_S),
        (Refusal.REVOKED, BOUND, Standing(node_site="site", is_revoked=True), PRESENTED, IAT_S),
        (Refusal.REVOKED, replace(BOUND, used_by="node"), Standing(is_revoked=True), PRESENTED, IAT_S),
        (Refusal.OCCUPIED, BOUND, Standing(occupant="old"), PRESENTED, IAT_S),
        (Refusal.OCCUPIED, replace(BOUND, replaces="older"), Standing(occupant="old"), PRESENTED, IAT_S),
        (Refusal.TOO_MANY, OPEN, Standing(applicants=MAX_APPLICANTS), PRESENTED, IAT_S),
    ],
)
def test_every_refusal_has_its_word(
    reason: Refusal, order: OrderRecord | None, standing: Standing, presented: Presented, now_s: int
) -> None:
    assert judged(order, standing, presented, now_s) == Judgement(Ruling.REFUSE, reason)


def test_the_last_second_is_still_good() -> None:
    assert judged(now_s=EXP_S - 1).ruling is Ruling.GRANT
    assert judged(now_s=IAT_S - CLOCK_TOLERANCE_S).ruling is Ruling.GRANT


def test_a_swap_takes_the_place_of_the_node_it_names() -> None:
    assert judged(replace(BOUND, replaces="old"), Standing(occupant="old")).ruling is Ruling.GRANT


names = st.sampled_from(["node", "old", "other"])
places = st.sampled_from(["site", "another"])
keys = st.sampled_from(["key", "other key"])
order_records = st.builds(
    OrderRecord,
    id=st.just("o1"),
    org=st.sampled_from(["org", "another"]),
    site=places,
    claim_sha256=st.sampled_from(["claim", "other claim"]),
    iat_s=st.just(IAT_S),
    exp_s=st.integers(IAT_S, EXP_S),
    spki_sha256=st.none() | keys,
    replaces=st.none() | names,
    used_by=st.none() | names,
    is_withdrawn=st.booleans(),
)
standings = st.builds(
    Standing,
    node_site=st.none() | places,
    is_revoked=st.booleans(),
    occupant=st.none() | names,
    approval=st.none() | st.sampled_from(Approval),
    applicants=st.integers(0, 20),
)


@given(st.none() | order_records, standings, st.integers(IAT_S - 1000, EXP_S + 1000))
def test_a_new_grant_is_only_for_an_unused_claim_of_this_site_and_key(
    order: OrderRecord | None, standing: Standing, now_s: int
) -> None:
    judgement = judged(order, standing, now_s=now_s)
    assert (judgement.reason is not None) == (judgement.ruling is Ruling.REFUSE)
    if judgement.ruling is Ruling.GRANT:
        assert order is not None
        assert order.used_by is None
        assert not order.is_withdrawn
        assert not standing.is_revoked
        assert (order.org, order.site, order.claim_sha256) == ("org", "site", "claim")
        assert order.spki_sha256 == "key" or standing.approval is Approval.APPROVED
        assert order.spki_sha256 in (None, "key")
        assert now_s < order.exp_s or standing.approval is Approval.APPROVED
        assert standing.occupant in (None, "node", order.replaces)
    if judgement.ruling is Ruling.AGAIN:
        assert order is not None
        assert order.used_by == "node"
        assert not standing.is_revoked
