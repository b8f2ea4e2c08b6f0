"""Work orders read on the node: what is believed, and what anything else is called."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.contract.enrolment import GRANT_TYP, ORDER_PREFIX, ORDER_TYP, EnrolRequest
from agent.contract.wire import decode, encode
from agent.enrolment.nodekey import NodeKey, node_id
from agent.enrolment.orders import check_addressee, order_jws, read_order
from agent.enrolment.papers import read_grant
from agent.enrolment.request import make_request
from agent.errors import ClaimRefused, EnrolmentError
from agent.signing import key_id, make_key, sign_compact, spki_sha256, verify_compact
from tests.enrolment.conftest import Node
from tests.enrolment.papers import NOW_S, Organisation

WORDS = {"malformed", "unknown_key", "bad_signature", "wrong_type", "wrong_org", "not_yet", "expired"}


def refusal(text: str, office: Organisation, now_s: int = NOW_S, *, is_clock_sure: bool = False) -> str:
    with pytest.raises(ClaimRefused) as caught:
        read_order(text, office.anchors, now_s, is_clock_sure=is_clock_sure)
    assert caught.value.remedy
    return str(caught.value.facts["reason"])


def test_an_order_of_the_office_is_read_without_any_line(office: Organisation) -> None:
    order = office.order(site_name="แยกคลองแห", replaces="nold")
    assert read_order(f"  {office.order_text(order)}\n", office.anchors, NOW_S) == order


def test_everything_else_is_refused_by_name(office: Organisation) -> None:
    order = office.order()
    text = office.order_text(order)
    assert refusal(text, office, order.exp) == "expired"
    assert refusal(text, office, order.iat - 3600, is_clock_sure=True) == "not_yet"
    assert refusal(text.removeprefix(ORDER_PREFIX), office) == "malformed"
    assert refusal(text[:-5], office) == "malformed"
    assert refusal(office.order_text(office.order(org="stranger")), office) == "wrong_org"
    assert refusal(Organisation().order_text(order), office) == "unknown_key"
    head, _, tail = text.rpartition(".")
    assert refusal(f"{head}.{'B' if tail[0] == 'A' else 'A'}{tail[1:]}", office) == "bad_signature"
    assert refusal(ORDER_PREFIX + sign_compact(encode(order), office.key, typ=GRANT_TYP), office) == "wrong_type"
    assert refusal(ORDER_PREFIX + sign_compact(b'{"v":2}', office.key, typ=ORDER_TYP), office) == "malformed"
    assert refusal(ORDER_PREFIX + "A" * 70_000, office) == "malformed"


def test_a_clock_that_stands_in_1970_yields_to_the_offices_signed_time(office: Organisation) -> None:
    order = office.order()
    assert read_order(office.order_text(order), office.anchors, 0) == order


def test_a_command_key_signs_no_order(office: Organisation) -> None:

    keys = tuple(msgspec.structs.replace(key, use="command") for key in office.anchors.keys)
    anchors = msgspec.structs.replace(office.anchors, keys=keys)
    with pytest.raises(ClaimRefused, match="unknown_key"):
        read_order(office.order_text(office.order()), anchors, NOW_S)


def test_an_order_for_another_node_is_refused(node: Node, office: Organisation) -> None:
    check_addressee(office.order(), node.key)
    check_addressee(office.order(node=node.key.node, spki_sha256=node.key.spki_sha256), node.key)
    for facts in ({"spki_sha256": "0" * 64}, {"node": "nother"}, {"node": node.key.node, "spki_sha256": "0" * 64}):
        with pytest.raises(ClaimRefused, match="wrong_key"):
            check_addressee(office.order(**facts), node.key)


def test_a_request_is_signed_by_the_nodes_key_and_carries_the_order_as_it_was(node: Node, office: Organisation) -> None:
    text = office.order_text(office.order())
    public = node.key.private.public_key()
    payload = verify_compact(make_request(node.home, text, NOW_S), {key_id(public): public}, typ="wayside-enrol")
    request = decode(payload, EnrolRequest)
    assert (request.node, request.order) == (node.key.node, order_jws(text))


@given(st.text(max_size=300) | st.text(alphabet="WO1|eyJhbGciOi.-_AB{}", max_size=400))
def test_no_scanned_text_crashes_the_node(text: str) -> None:
    office = OFFICE
    for each in (text, ORDER_PREFIX + text):
        with pytest.raises(ClaimRefused) as caught:
            read_order(each, office.anchors, NOW_S)
        assert caught.value.facts["reason"] in WORDS


@given(st.binary(max_size=300))
def test_no_signed_payload_that_is_none_crashes_the_node(payload: bytes) -> None:
    with pytest.raises(ClaimRefused):
        read_order(ORDER_PREFIX + sign_compact(payload, OFFICE.key, typ=ORDER_TYP), OFFICE.anchors, NOW_S)
    with pytest.raises(EnrolmentError):
        read_grant(sign_compact(payload, OFFICE.key, typ=GRANT_TYP), OFFICE.anchors, KEY, NOW_S)


@given(st.data())
def test_no_flipped_letter_of_an_order_is_believed(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(ORDER_TEXT) - 1))
    letter = data.draw(st.characters(codec="utf-8"))
    forged = ORDER_TEXT[:place] + letter + ORDER_TEXT[place + 1 :]
    try:
        order = read_order(forged, OFFICE.anchors, NOW_S)
    except ClaimRefused as exc:
        assert exc.facts["reason"] in WORDS
    else:
        assert order == ORDER


def made_key() -> NodeKey:
    private = make_key()
    fingerprint = spki_sha256(private.public_key())
    return NodeKey(private, node_id(fingerprint), fingerprint)


OFFICE = Organisation()
ORDER = OFFICE.order()
ORDER_TEXT = OFFICE.order_text(ORDER)
KEY = made_key()
