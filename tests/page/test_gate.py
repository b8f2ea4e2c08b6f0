"""What stands before the steps: the words, the PIN and its lockout, sessions, tokens, bounds, and the end of set-up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.enrolment.home import NodeHome
from agent.enrolment.moment import now
from agent.enrolment.papers import enter_service
from agent.enrolment.pin import FREE_FAILURES
from agent.enrolment.setup import Presence, Window
from agent.enrolment.standing import EnrolmentRecord, Standing
from agent.errors import SetupError
from agent.signing import spki_sha256
from provisioning.page.forms import MAX_BODY_BYTES
from provisioning.page.serve import Listen, serve
from provisioning.page.session import ABSOLUTE_S, IDLE_S, Sessions
from tests.broker import wait_until
from tests.enrolment.papers import Organisation
from tests.page.rig import Node, Served, Visitor, make_node, served

INNER_PATHS = ["/order", "/order/request", "/checks", "/cameras", "/aim", "/scene", "/walk", "/accept", "/nowhere"]


def test_the_page_shows_the_certificate_of_the_key_on_the_label(visitor: Visitor, node: Node) -> None:
    certificate = x509.load_der_x509_certificate(visitor.certificate())
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert spki_sha256(key) == node.key.spki_sha256
    first = visitor.get("/").text
    assert [word for word in node.key.words if word not in first] == []
    assert node.key.node in first
    assert node.pin not in first


def test_before_the_pin_every_other_path_leads_back_to_it(visitor: Visitor) -> None:
    for path in INNER_PATHS:
        answer = visitor.get(path)
        assert (answer.status, answer.headers.get("location")) == (303, "/"), path
        assert visitor.get(path, {"Accept": "application/json"}).status == 403, path
        assert visitor.post(path, {"order": "WO1|x"}).status == 403, path


def test_the_right_pin_opens_the_steps_with_a_new_cookie_that_scripts_cannot_read(visitor: Visitor, node: Node) -> None:
    visitor.get("/")
    before = dict(visitor.cookies)
    answer = visitor.post("/pin", {"pin": node.pin})
    assert (answer.status, answer.headers["location"]) == (303, "/order")
    for word in ("HttpOnly", "Secure", "SameSite=Strict", "Path=/"):
        assert word in answer.headers["set-cookie"]
    assert visitor.cookies != before
    assert visitor.get("/order").status == 200


def test_the_sixth_try_is_refused_even_when_it_is_right_and_so_it_is_after_the_page_began_anew(node: Node) -> None:
    with served(node.context) as page:
        visitor = Visitor(page.port)
        for _ in range(FREE_FAILURES):
            assert visitor.enter("00000000" if node.pin != "00000000" else "00000001").status == 403
        sixth = visitor.enter(node.pin)
        assert sixth.status == 403
        assert "15" in sixth.text
    with served(node.context) as page:
        other = Visitor(page.port)
        assert other.enter(node.pin).status == 403
        assert other.get("/order").status == 303


def test_a_form_without_this_visitors_token_does_nothing(technician: Visitor, node: Node) -> None:
    token = technician.token
    for forged in ("", "0" * 64, "ไม่ใช่", token[:-1], token.upper() + "x"):
        assert technician.post("/order", {"csrf": forged, "text": "WO1|x"}).status == 403
    stranger = {"Origin": "https://evil.example"}
    assert technician.post("/order", {"text": "WO1|x"}, stranger).status == 403
    assert technician.post("/order", {"text": "WO1|x"}).status == 409


def test_another_visitors_token_is_no_good(page: Served, technician: Visitor, node: Node) -> None:
    other = Visitor(page.port)
    other.get("/")
    assert technician.post("/order", {"csrf": other.token, "text": "WO1|x"}).status == 403


def test_every_answer_keeps_foreign_scripts_frames_and_caches_out(technician: Visitor) -> None:
    for path in ("/", "/order", "/nowhere", "/static/page.css"):
        headers = technician.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert "strict-transport-security" not in headers
        assert "server" not in headers


def test_unknown_paths_and_methods_are_refused_in_words(technician: Visitor) -> None:
    assert technician.get("/nowhere").status == 404
    assert technician.get("/static/../app.py").status == 404
    assert technician.get("/static/%2e%2e/app.py").status == 404
    assert technician.ask("PUT", "/order", b"x").status == 405
    assert technician.ask("DELETE", "/order").status == 405
    assert technician.ask("POST", "/checks/nothing", b"").status == 403


def test_a_body_that_is_too_large_is_refused_before_it_is_read(visitor: Visitor, technician: Visitor) -> None:
    many = {"Content-Length": str(10 * MAX_BODY_BYTES), "Content-Type": "application/x-www-form-urlencoded"}
    assert technician.ask("POST", "/order", b"text=x", many).status == 413
    assert technician.post("/order", {"text": "x" * MAX_BODY_BYTES}).status == 413


def test_the_language_is_thai_until_english_is_chosen(visitor: Visitor) -> None:
    assert '<html lang="th">' in visitor.get("/").text
    answer = visitor.get("/language?to=en&back=/order")
    assert answer.headers["location"] == "/order"
    assert '<html lang="en">' in visitor.get("/").text
    for elsewhere in ("//evil.example", "https://evil.example", "/%5Cevil.example", "javascript:alert(1)", ""):
        assert visitor.get(f"/language?to=th&back={elsewhere}").headers["location"] == "/"


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Visitor, Node]]:
    """One page for all examples."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("fuzzed")
        patch.setenv("WAYSIDE_DATA", str(folder / "data"))
        node = make_node(folder, Organisation())
        with served(node.context) as page:
            visitor = Visitor(page.port)
            visitor.enter(node.pin)
            yield visitor, node


KINDS = st.sampled_from(
    [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "multipart/form-data",
        "multipart/form-data; boundary=" + "y" * 300,
        "application/x-www-form-urlencoded; charset=klingon",
        "multipart/form-data; charset=klingon; boundary=x",
        "application/json",
        "",
    ]
)
PARTS = st.lists(
    st.sampled_from(
        [
            b"--x\r\n",
            b"--x--\r\n",
            b"Content-Disposition: form-data; name=",
            b'"file"; filename="a"',
            b"\r\n\r\n",
            b"\xff\xfe",
        ]
    )
    | st.binary(max_size=40),
    max_size=12,
).map(b"".join)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=KINDS, body=PARTS | st.binary(max_size=400), path=st.sampled_from(["/order", "/order/begin", "/order/grant"])
)
def test_forged_bodies_are_refused_without_a_crash(
    fuzzed: tuple[Visitor, Node], kind: str, body: bytes, path: str
) -> None:
    visitor, node = fuzzed
    answer = visitor.ask("POST", path, body, {"Content-Type": kind, "X-Csrf": visitor.token})
    assert answer.status in (303, 400, 403, 409, 413)
    assert "Traceback" not in answer.text
    assert node.home.load_enrolment().state is Standing.NEW


@settings(max_examples=60)
@given(
    order=st.text(max_size=200) | st.text(max_size=80).map(lambda text: "WO1|" + text),
    path=st.sampled_from(["/order", "/order/begin"]),
)
def test_forged_orders_are_refused_without_a_crash(fuzzed: tuple[Visitor, Node], order: str, path: str) -> None:
    visitor, node = fuzzed
    fields = {"text": order.encode("utf-8", "replace").decode(), "order": order.encode("utf-8", "replace").decode()}
    answer = visitor.post(path, fields)
    assert answer.status in (303, 409)
    assert "Traceback" not in answer.text
    assert node.home.load_enrolment().state is Standing.NEW


@settings(max_examples=40)
@given(tail=st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), max_size=60))
def test_no_path_crashes_the_page(fuzzed: tuple[Visitor, Node], tail: str) -> None:
    visitor, _ = fuzzed
    answer = visitor.get("/" + tail.lstrip("/"))
    assert answer.status in (200, 303, 307, 400, 404)


class Hand:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.mono_s = 0

    def mono_ns(self) -> int:
        return self.mono_s * 1_000_000_000

    def wall_ns(self) -> int:
        return 0

    def status(self) -> object:
        raise NotImplementedError


def test_a_session_ends_when_it_is_left_alone_and_after_a_day_of_work() -> None:
    clock = Hand()
    sessions = Sessions(clock)  # type: ignore[arg-type]
    left, used = sessions.begin(), sessions.begin()
    clock.mono_s = IDLE_S - 1
    assert sessions.is_open(used)
    clock.mono_s = IDLE_S + 1
    assert not sessions.is_open(left)
    while clock.mono_s < ABSOLUTE_S:
        assert sessions.is_open(used)
        clock.mono_s += IDLE_S - 1
    assert not sessions.is_open(used)


def test_an_id_that_nobody_gave_out_opens_nothing() -> None:
    assert not Sessions(Hand()).is_open("x" * 43)  # type: ignore[arg-type]


def enrolled(home: NodeHome) -> None:
    home.save_enrolment(EnrolmentRecord(state=Standing.ENROLLED, node="n", org="songkhla-pao", site="hatyai-012"))


def test_the_page_ends_by_itself_when_the_node_is_accepted_and_does_not_begin_again(node: Node) -> None:
    with served(node.context) as page:
        enrolled(node.home)
        enter_service(node.home, by="somchai")
        wait_until(lambda: page.ended == ["closed"], "the page still listens")
    with pytest.raises(SetupError):
        serve(node.context, Listen("127.0.0.1", 0), page.stop)
    told = node.home.audit.read_text()
    assert "page_opened" in told
    assert "page_ended" in told


def test_the_signed_report_can_still_be_read_and_sent_and_nothing_else(node: Node) -> None:
    with served(node.context, farewell_s=60) as page:
        visitor = Visitor(page.port)
        visitor.enter(node.pin)
        enrolled(node.home)
        enter_service(node.home, by="somchai")
        assert visitor.get("/accept").status == 200
        assert visitor.post("/accept/send", {}).status != 403
        for path in ("/accept", "/order/begin", "/pin"):
            assert visitor.post(path, {"technician": "somchai", "pin": node.pin}).status == 403
        for path in ("/", "/order", "/scene"):
            assert visitor.get(path).status == 403
        assert Visitor(page.port).get("/accept").status == 303


def test_who_stands_beside_a_node_in_service_must_show_an_order_before_anything_else(
    node: Node, office: Organisation
) -> None:
    enrolled(node.home)
    enter_service(node.home, by="somchai")
    moment = now()
    window = Window(boot_id=moment.boot_id, knocked_mono_s=moment.mono_s, presence=Presence.BUTTON)
    node.home.save(node.home.window, window)
    with served(node.context) as page:
        visitor = Visitor(page.port)
        assert visitor.enter(node.pin).headers["location"] == "/order"
        assert visitor.get("/scene").headers["location"] == "/order"
        assert visitor.post("/scene", {}).status == 403
        text = office.order_text(office.order(now_s=node.context.now_s()))
        assert visitor.post("/order", {"text": text}).status == 200
        assert visitor.post("/order/begin", {"order": text}).status == 303
        assert visitor.get("/checks").status == 200
    assert "setup_opened" in node.home.audit.read_text()


def test_a_node_without_first_boot_has_no_page(tmp_path: Path, page: Served) -> None:
    from agent.errors import EnrolmentError
    from provisioning.page.site import PageContext

    with pytest.raises(EnrolmentError):
        serve(PageContext(NodeHome(tmp_path / "empty")), Listen("127.0.0.1", 0), page.stop)
