"""Whatever text arrives as a request, an order, a CSR or a register: an answer or a refusal, never a crash."""

from __future__ import annotations

import base64
import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.authority.certificates import read_csr_of_anybody
from agent.authority.claims import Refusal
from agent.authority.office import Office
from agent.authority.register_file import decode_text, parse_csv, parse_toml
from agent.authority.register_rows import COLUMNS
from agent.authority.requests import MAX_REQUEST_CHARACTERS
from agent.contract.enrolment import ORDER_PREFIX, ORDER_TYP, RENEWAL_TYP, REQUEST_TYP, EnrolRequest, RenewRequest
from agent.contract.wire import encode
from agent.errors import EnrolmentError, RegisterError, SignatureError
from agent.signing import make_key, sign_compact
from tests.authority.applicant import NOW_S, SITE, Applicant, make_office

WORDS = {each.value for each in Refusal}
BOX = Applicant()
# The office is made once: what is refused leaves nothing in it.
once = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    return make_office(tmp_path_factory.mktemp("untrusted") / "office")


def assert_refused(office: Office, text: str) -> None:
    for answer in (office.enrol(text, now_s=NOW_S), office.renew(text, now_s=NOW_S), office.answer(text, now_s=NOW_S)):
        assert answer.state == "refused"
        assert answer.reason in WORDS
        assert answer.message
    assert office.nodes() == []
    assert office.waiting() == []


@once
@given(
    st.text() | st.lists(st.text(string.ascii_letters + string.digits + "-_="), min_size=3, max_size=3).map(".".join)
)
def test_any_text_as_a_request_is_refused(office: Office, text: str) -> None:
    assert_refused(office, text)


@once
@given(payload=st.binary() | st.recursive(st.none() | st.integers(), st.lists).map(repr).map(str.encode))
@pytest.mark.parametrize("typ", [REQUEST_TYP, RENEWAL_TYP, ORDER_TYP])
def test_any_signed_payload_is_refused(office: Office, typ: str, payload: bytes) -> None:
    assert_refused(office, sign_compact(payload, BOX.key, typ=typ))


@once
@given(
    order=st.text(max_size=200),
    csr=st.text(min_size=1, max_size=200),
    node=st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True),
)
def test_any_words_in_a_request_are_refused(office: Office, order: str, csr: str, node: str) -> None:
    request = EnrolRequest(v=1, node=node, order=order, csr=csr, iat=0)
    assert_refused(office, sign_compact(encode(request), BOX.key, typ=REQUEST_TYP))
    own = EnrolRequest(v=1, node=BOX.node, order=order, csr=BOX.csr, iat=0)
    assert_refused(office, sign_compact(encode(own), BOX.key, typ=REQUEST_TYP))
    renewal = RenewRequest(v=1, node=BOX.node, serial="ff", csr=BOX.csr, iat=0)
    assert_refused(office, sign_compact(encode(renewal), BOX.key, typ=RENEWAL_TYP))


def changed(text: str, place: float, letter: str) -> str:
    """The text with another letter at `place` of its length. Signatures differ from run to run, also in length."""
    at = int(place * len(text))
    return text[:at] + (letter if letter != text[at] else "A" if letter != "A" else "B") + text[at + 1 :]


places = st.floats(0, 1, exclude_max=True)
letters = st.sampled_from(string.ascii_letters + string.digits + "-_.")


@once
@given(place=places, letter=letters)
def test_one_changed_character_of_a_request_is_refused(office: Office, place: float, letter: str) -> None:
    # With an order of another office, as the unchanged text would be let in.
    text = BOX.request(ORDER_PREFIX + sign_compact(b"{}", make_key(), typ=ORDER_TYP))
    assert_refused(office, changed(text, place, letter))


@once
@given(place=places, letter=letters)
def test_an_order_changed_in_one_place_is_refused(office: Office, place: float, letter: str) -> None:
    bare = office.make_order(SITE, now_s=NOW_S).text.removeprefix(ORDER_PREFIX)
    assert_refused(office, BOX.request(changed(bare, place, letter)))


def test_a_request_too_long_is_refused_unread(office: Office) -> None:
    assert office.enrol("a" * (MAX_REQUEST_CHARACTERS + 1), now_s=NOW_S).reason == "malformed"


def test_a_request_nested_without_end_is_refused(office: Office) -> None:
    assert_refused(office, sign_compact(b"[" * 50_000, BOX.key, typ=REQUEST_TYP))


@given(st.binary(max_size=400))
def test_any_bytes_as_a_csr_are_refused(raw: bytes) -> None:
    pem = f"-----BEGIN CERTIFICATE REQUEST-----\n{base64.b64encode(raw).decode()}\n-----END CERTIFICATE REQUEST-----\n"
    for text in (pem, raw.decode("latin-1")):
        with pytest.raises(EnrolmentError, match="bad_csr"):
            read_csr_of_anybody(text)


@given(place=places, flip=st.integers(1, 255))
def test_a_csr_with_a_changed_byte_is_refused(place: float, flip: int) -> None:
    raw = bytearray(base64.b64decode("".join(BOX.csr.splitlines()[1:-1])))
    raw[int(place * len(raw))] ^= flip
    pem = f"-----BEGIN CERTIFICATE REQUEST-----\n{base64.b64encode(raw).decode()}\n-----END CERTIFICATE REQUEST-----\n"
    with pytest.raises(EnrolmentError, match="bad_csr"):
        read_csr_of_anybody(pem)


@once
@given(st.text())
def test_any_text_as_an_acceptance_report_is_refused(office: Office, text: str) -> None:
    with pytest.raises(SignatureError):
        office.accept(text, now_s=NOW_S)


cells = st.text(max_size=12) | st.sampled_from(["org", "site-1", "c01", "7.1", "30", "nan", "inf", '"', ",", "๓๐"])


@given(st.lists(st.lists(cells, max_size=12), max_size=6))
def test_any_table_is_a_register_or_a_told_problem(rows: list[list[str]]) -> None:
    text = "\n".join([",".join(COLUMNS), *(",".join(row) for row in rows)])
    try:
        for site in parse_csv(text, name="any.csv").sites:
            assert site.site and site.org
    except RegisterError as exc:
        assert exc.remedy


@given(st.text())
def test_any_text_is_a_register_or_a_told_problem(text: str) -> None:
    for parse in (parse_csv, parse_toml):
        try:
            parse(text, name="any")
        except RegisterError as exc:
            assert exc.remedy


@given(st.binary())
def test_any_bytes_are_text_or_a_told_problem(raw: bytes) -> None:
    try:
        decode_text(raw, name="any")
    except RegisterError as exc:
        assert exc.remedy


def test_a_folder_without_an_office_is_told(tmp_path: Path) -> None:
    with pytest.raises(RegisterError, match="office init"):
        Office.open(tmp_path)
