"""Enrolment, renewal, swap and revocation against a real register."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509

from agent.authority.office import Office
from agent.authority.orders import OrderWish
from agent.authority.records import AclNode, SiteRecord
from agent.contract.enrolment import EnrolAnswer
from agent.errors import RegisterError
from tests.authority.applicant import DAY_S, HOUR_S, NOW_S, ORG, OTHER_SITE, SITE, Applicant, grant_of, make_office


def enrolled(office: Office, box: Applicant, site: str = SITE, *, now_s: int = NOW_S) -> EnrolAnswer:
    made = office.make_order(site, now_s=now_s, label=box.label())
    answer = office.enrol(box.request(made), now_s=now_s + 60)
    assert answer.state == "granted", answer
    return answer


def test_an_order_for_a_known_box_enrols_it_at_once(office: Office) -> None:
    box = Applicant()
    grant = grant_of(office, enrolled(office, box))
    assert (grant.org, grant.site, grant.node, grant.revision) == (ORG, SITE, box.node, 1)
    assert grant.anchors == office.anchors(ORG)
    assert [each.node for each in office.nodes()] == [box.node]


def test_a_lost_answer_is_given_again_and_nothing_new_is_made(office: Office) -> None:
    box = Applicant()
    made = office.make_order(SITE, now_s=NOW_S, label=box.label())
    first = office.enrol(box.request(made), now_s=NOW_S)
    assert office.enrol(box.request(made), now_s=NOW_S + 10 * DAY_S) == first
    assert len(office.nodes()) == 1


def test_a_claim_is_good_once(office: Office) -> None:
    made = office.make_order(SITE, now_s=NOW_S)
    first, second = Applicant(), Applicant()
    for box in (first, second):
        assert office.enrol(box.request(made), now_s=NOW_S).state == "waiting"
        office.approve(box.node, now_s=NOW_S)
    assert office.enrol(first.request(made), now_s=NOW_S).state == "granted"
    assert office.enrol(second.request(made), now_s=NOW_S).reason == "used"


def test_a_claim_is_good_for_its_time(office: Office) -> None:
    box = Applicant()
    made = office.make_order(SITE, now_s=NOW_S, label=box.label())
    assert office.enrol(box.request(made), now_s=NOW_S - HOUR_S).reason == "not_yet"
    assert office.enrol(box.request(made), now_s=NOW_S + 72 * HOUR_S).reason == "expired"
    assert office.enrol(box.request(made), now_s=NOW_S + 72 * HOUR_S - 1).state == "granted"


def test_a_box_of_one_site_is_refused_at_another(office: Office) -> None:
    box = Applicant()
    enrolled(office, box)
    made = office.make_order(OTHER_SITE, now_s=NOW_S, label=box.label())
    assert office.enrol(box.request(made), now_s=NOW_S).reason == "wrong_site"


def test_an_order_signed_by_another_office_is_refused(office: Office, tmp_path: Path) -> None:
    stranger = make_office(tmp_path / "stranger").make_order(SITE, now_s=NOW_S)
    assert office.enrol(Applicant().request(stranger), now_s=NOW_S).reason == "unknown_key"


def test_an_order_the_register_lost_is_refused(office: Office) -> None:
    made = office.make_order(SITE, now_s=NOW_S)
    restored = office.folder / "office.sqlite"
    for name in ("office.sqlite", "office.sqlite-wal", "office.sqlite-shm"):
        restored.with_name(name).unlink(missing_ok=True)
    office = make_office(office.folder)
    assert office.enrol(Applicant().request(made), now_s=NOW_S).reason == "unknown_order"


def test_another_box_than_the_labels_is_refused(office: Office) -> None:
    made = office.make_order(SITE, now_s=NOW_S, label=Applicant().label())
    assert office.enrol(Applicant().request(made), now_s=NOW_S).reason == "wrong_key"


def test_a_csr_of_another_key_or_name_is_refused(office: Office) -> None:
    box, other = Applicant(), Applicant()
    made = office.make_order(SITE, now_s=NOW_S)
    assert office.enrol(box.request(made, csr=other.csr), now_s=NOW_S).reason == "bad_csr"
    assert office.enrol(box.request(made, csr=other.csr, node=other.node), now_s=NOW_S).reason == "wrong_key"
    assert office.enrol(box.request(made, csr="no csr"), now_s=NOW_S).reason == "bad_csr"


def test_a_withdrawn_order_is_refused(office: Office) -> None:
    made = office.make_order(SITE, now_s=NOW_S)
    office.revoke(made.order.order, "lost on the road", NOW_S)
    assert office.enrol(Applicant().request(made), now_s=NOW_S).reason == "withdrawn"


def test_a_box_nobody_recognised_is_denied(office: Office) -> None:
    box = Applicant()
    made = office.make_order(SITE, now_s=NOW_S)
    office.enrol(box.request(made), now_s=NOW_S)
    office.revoke(box.node, "not ours", NOW_S)
    assert office.enrol(box.request(made), now_s=NOW_S).reason == "denied"
    assert office.waiting() == []


def test_the_waiting_are_bounded(office: Office) -> None:
    made = office.make_order(SITE, now_s=NOW_S)
    states = [office.enrol(Applicant().request(made), now_s=NOW_S) for _ in range(10)]
    assert [each.reason for each in states] == [""] * 8 + ["too_many"] * 2
    for stranger in office.waiting():
        office.revoke(stranger.node, "not ours", NOW_S)
    assert office.enrol(Applicant().request(made), now_s=NOW_S).state == "waiting"


def test_a_certificate_is_renewed_after_its_time_but_not_after_revocation(office: Office) -> None:
    box = Applicant()
    first = grant_of(office, enrolled(office, box))
    serial = office.nodes()[0].serial
    late = NOW_S + 200 * DAY_S
    second = grant_of(office, office.renew(box.renewal(serial), now_s=late))
    assert second.revision == first.revision + 1
    assert second.certificate != first.certificate
    assert office.nodes()[0].not_after_s == late + 90 * DAY_S
    office.revoke(box.node, "stolen", late)
    assert office.renew(box.renewal(office.nodes()[0].serial), now_s=late).reason == "revoked"


def test_a_renewal_asked_twice_is_made_once(office: Office) -> None:
    box = Applicant()
    enrolled(office, box)
    old = office.nodes()[0].serial
    at = NOW_S + 60 * DAY_S
    first = office.renew(box.renewal(old), now_s=at)
    assert office.renew(box.renewal(old), now_s=at + 30 * DAY_S) == first
    assert office.renew(box.renewal(office.nodes()[0].serial), now_s=at + 60) == first


def test_a_renewal_by_somebody_else_is_refused(office: Office) -> None:
    box, stranger = Applicant(), Applicant()
    enrolled(office, box)
    assert office.renew(stranger.renewal(office.nodes()[0].serial), now_s=NOW_S).reason == "unknown_key"
    assert office.renew(box.renewal("abc"), now_s=NOW_S).reason == "unknown_key"


def test_a_swap_revokes_the_old_box_and_announces_it(office: Office) -> None:
    old, new = Applicant(), Applicant()
    enrolled(office, old)
    with pytest.raises(RegisterError, match=f"--replaces {old.node}"):
        office.make_order(SITE, now_s=NOW_S + DAY_S)
    made = office.make_order(SITE, now_s=NOW_S + DAY_S, label=new.label(), replaces=old.node)
    assert office.nodes()[0].is_revoked is False
    grant = grant_of(office, office.enrol(new.request(made), now_s=NOW_S + DAY_S))
    assert (grant.site, grant.replaces, grant.revision) == (SITE, old.node, 2)
    assert office.acl_nodes() == [AclNode(ORG, SITE, old.node, True), AclNode(ORG, SITE, new.node, False)]
    crl = x509.load_pem_x509_crl(office.crl_pem(ORG, now_s=NOW_S + DAY_S).encode())
    assert [f"{each.serial_number:x}" for each in crl] == [office.nodes()[0].serial]


def test_the_successor_of_a_revoked_box_names_it_by_itself(office: Office) -> None:
    old, new = Applicant(), Applicant()
    enrolled(office, old)
    office.revoke(old.node, "stolen", NOW_S)
    assert office.make_order(SITE, now_s=NOW_S, label=new.label()).order.replaces == old.node
    made = office.make_order(SITE, now_s=NOW_S)
    assert office.enrol(old.request(made), now_s=NOW_S).reason == "revoked"


def test_two_orders_for_one_site_let_one_box_in(office: Office) -> None:
    first, second = Applicant(), Applicant()
    orders = [office.make_order(SITE, now_s=NOW_S, label=box.label()) for box in (first, second)]
    assert office.enrol(first.request(orders[0]), now_s=NOW_S).state == "granted"
    assert office.enrol(second.request(orders[1]), now_s=NOW_S).reason == "occupied"


def test_papers_made_in_advance_lie_in_the_order(office: Office) -> None:
    box = Applicant()
    made = office.make_order(SITE, now_s=NOW_S, label=box.label(), csr=box.csr)
    assert made.order.grant is not None
    assert office.enrol(box.request(made), now_s=NOW_S).grant == made.order.grant
    assert office.enrol(Applicant().request(made), now_s=NOW_S).reason == "used"
    with pytest.raises(RegisterError, match="wrong_key"):
        office.make_order(OTHER_SITE, now_s=NOW_S, label=box.label(), csr=Applicant().csr)
    with pytest.raises(RegisterError, match="wrong_site"):
        office.make_order(OTHER_SITE, now_s=NOW_S, csr=box.csr)


def test_a_qr_carries_the_order_without_its_papers(office: Office) -> None:
    box = Applicant()
    made = office.make_order(SITE, now_s=NOW_S, label=box.label(), csr=box.csr)
    text = office.qr_text(made.order)
    assert len(text) <= 1800 < len(made.text)
    assert office.enrol(box.request(text), now_s=NOW_S).grant == made.order.grant


def test_orders_are_made_all_or_none(office: Office) -> None:
    with pytest.raises(RegisterError, match="unknown_site"):
        office.make_orders([OrderWish(SITE), OrderWish("nowhere")], now_s=NOW_S)
    assert office.orders() == []


def test_a_claim_stands_nowhere_in_the_register(office: Office) -> None:
    made = office.make_order(SITE, now_s=NOW_S)
    held = b"".join(path.read_bytes() for path in office.folder.glob("office.sqlite*"))
    assert made.order.order.encode() in held
    assert made.order.claim.encode() not in held


def _race(folder: str, request: str) -> EnrolAnswer:
    return Office.open(Path(folder)).enrol(request, now_s=NOW_S)


def test_two_processes_racing_for_one_claim_grant_it_once(office: Office) -> None:
    made = office.make_order(SITE, now_s=NOW_S)
    boxes = [Applicant() for _ in range(6)]
    for box in boxes:
        office.enrol(box.request(made), now_s=NOW_S)
        office.approve(box.node, now_s=NOW_S)
    requests = [box.request(made) for box in boxes]
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        answers = list(pool.map(_race, [str(office.folder)] * len(requests), requests))
    assert sorted(each.state for each in answers) == ["granted"] + ["refused"] * 5
    assert {each.reason for each in answers if each.state == "refused"} == {"used"}
    assert len(office.nodes()) == 1


def test_an_office_opened_twice_shares_one_register(office: Office) -> None:
    again = Office.create(
        office.folder, enrol_url="https://new.example/", broker_url="mqtts://new.example:8883", now_s=NOW_S + DAY_S
    )
    again.add_organisation(ORG)
    again.add_site(SiteRecord("late", ORG))
    assert again.anchors(ORG).ca == office.anchors(ORG).ca
    assert {each.site for each in office.sites()} == {"late", SITE, OTHER_SITE}
    assert office.settings().enrol_url == "https://new.example"
