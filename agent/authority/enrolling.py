"""Enrolment and renewal as the register decides them; each decision runs in one transaction of the caller."""

from __future__ import annotations

import sqlite3
from typing import Final

from agent.authority import nodes, orders
from agent.authority.answers import granted, refused, waiting
from agent.authority.claims import Refusal, Ruling, Standing, judge_claim
from agent.authority.granting import Granting, let_in, make_papers
from agent.authority.keys import KeyStore
from agent.authority.records import Applicant, Approval, Settings
from agent.authority.requests import Asking, Renewing
from agent.contract.enrolment import EnrolAnswer

# A node that did not get its answer asks again within minutes and gets the same; a broken one cannot fill the register.
RENEWAL_REST_S: Final = 3600


def decide_enrolment(
    conn: sqlite3.Connection, keys: KeyStore, settings: Settings, asking: Asking, *, now_s: int
) -> EnrolAnswer:
    presented = asking.presented
    order = orders.find_order(conn, presented.order)
    judgement = judge_claim(presented, order, _standing(conn, asking), now_s=now_s)
    if judgement.ruling is Ruling.AGAIN:
        issued = nodes.newest_certificate(conn, presented.node)
        return refused(Refusal.UNKNOWN_ORDER) if issued is None else granted(issued.grant)
    if judgement.ruling is Ruling.GRANT and order is not None:
        return granted(let_in(conn, keys, settings, order, asking.key, node=presented.node, now_s=now_s))
    if judgement.ruling is Ruling.WAIT:
        _note_applicant(conn, asking, now_s=now_s)
        return waiting()
    return refused(judgement.reason or Refusal.MALFORMED)


def decide_renewal(
    conn: sqlite3.Connection, keys: KeyStore, settings: Settings, renewing: Renewing, *, now_s: int
) -> EnrolAnswer:
    """By the certificate on record, run out or not (flow 4). One that was answered within the hour, or that names an
    older certificate because the answer was lost, gets the newest again."""
    node = nodes.find_node(conn, renewing.node)
    if node is None:
        return refused(Refusal.UNKNOWN_KEY)
    if node.is_revoked:
        return refused(Refusal.REVOKED)
    issued = nodes.newest_certificate(conn, node.node)
    if issued is None or not nodes.has_serial(conn, node.node, renewing.serial):
        return refused(Refusal.UNKNOWN_KEY)
    is_fresh = now_s - issued.issued_s < RENEWAL_REST_S
    if is_fresh or (renewing.serial != issued.serial and now_s < issued.not_after_s):
        return granted(issued.grant)
    granting = Granting(issued.order, node.org, node.site, node.node, renewing.key, node.replaces)
    return granted(make_papers(conn, keys, settings, granting, now_s=now_s))


def _standing(conn: sqlite3.Connection, asking: Asking) -> Standing:
    presented = asking.presented
    node = nodes.find_node(conn, presented.node)
    applicants = nodes.applicants_of(conn, presented.order)
    own = [each for each in applicants if each.spki_sha256 == presented.spki_sha256]
    others = [each for each in applicants if each not in own and each.approval is not Approval.DENIED]
    return Standing(
        node_site=node.site if node else None,
        is_revoked=node is not None and node.is_revoked,
        occupant=nodes.occupant(conn, presented.site),
        approval=own[0].approval if own else None,
        applicants=len(others),
    )


def _note_applicant(conn: sqlite3.Connection, asking: Asking, *, now_s: int) -> None:
    presented = asking.presented
    applicant = Applicant(
        order=presented.order,
        org=presented.org,
        site=presented.site,
        node=presented.node,
        spki_sha256=presented.spki_sha256,
        asked_s=now_s,
        hardware=asking.hardware,
        software=asking.software,
        approval=Approval.WAITING,
    )
    nodes.put_applicant(conn, applicant)
