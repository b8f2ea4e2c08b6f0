"""The work order on the page: believed, shown, worked off with the real office, or refused in words."""

from __future__ import annotations

import html
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.authority.claims import Refusal
from agent.authority.office import Office
from agent.authority.records import SiteRecord
from agent.centre.service import CentreService, ServiceOptions
from agent.contract.commands import base64url
from agent.contract.enrolment import ORDER_PREFIX, WorkOrder
from agent.contract.wire import encode
from agent.enrolment.first_boot import ANCHORS_FILE, prepare
from agent.enrolment.home import NodeHome
from agent.enrolment.nodekey import load_key
from agent.enrolment.standing import Standing
from agent.signing import make_key, spki_sha256
from provisioning.page.enrolling import Turn, begin, is_settled
from provisioning.page.site import PageContext
from provisioning.texts import Language, say
from tests.broker import LOOPBACK, unused_port
from tests.enrolment.papers import Organisation
from tests.page.rig import Node, Visitor, served

ORG, SITE = "songkhla-pao", "hatyai-012"
# Every word by which agent.enrolment refuses an order, a grant or a line (their docstrings).
ORDER_WORDS = [
    "malformed",
    "unknown_key",
    "bad_signature",
    "wrong_type",
    "wrong_org",
    "not_yet",
    "expired",
    "wrong_key",
]
GRANT_WORDS = [
    "malformed_grant",
    "wrong_ca",
    "bad_certificate",
    "old_revision",
    "bad_config",
    "no_anchors",
    "home",
    "damaged",
    "closed",
]
LINE_WORDS = [
    "unknown_host",
    "connection_refused",
    "timeout",
    "network",
    "certificate",
    "tls",
    "http",
    "too_large",
    "not_the_centre",
    "bad_url",
]


@pytest.mark.parametrize("word", [*ORDER_WORDS, *GRANT_WORDS, *LINE_WORDS, *map(str, Refusal), "waiting", "other"])
def test_every_refusal_is_a_sentence_in_both_languages(word: str) -> None:
    for language in Language:
        assert say(language, f"page.claim.{word}", word=word) != f"page.claim.{word}"


def refusals(office: Organisation, node: Node) -> dict[str, str]:
    """An order for each word."""
    now_s = node.context.now_s()
    good = office.order(now_s=now_s)
    stranger = Organisation()
    text = office.order_text(good)
    body = text.rpartition(".")[0]
    other = spki_sha256(make_key().public_key())
    return {
        "malformed": "https://example.net/menu.pdf",
        "unknown_key": stranger.order_text(stranger.order(now_s=now_s)),
        "bad_signature": f"{body}.{base64url(bytes(64))}",
        "wrong_type": ORDER_PREFIX + office.grant_text(office.grant(node.key.private.public_key(), node.key.node)),
        "wrong_org": office.order_text(office.order(now_s=now_s, org="red-cross")),
        "expired": office.order_text(office.order(now_s=now_s - 80 * 3600)),
        "wrong_key": office.order_text(office.order(now_s=now_s, spki_sha256=other)),
    }


def test_each_bad_order_is_refused_with_what_to_do_and_changes_nothing(
    technician: Visitor, node: Node, office: Organisation
) -> None:
    for word, text in refusals(office, node).items():
        answer = technician.post("/order", {"text": text})
        assert answer.status == 409, word
        assert say(Language.THAI, f"page.claim.{word}") in html.unescape(answer.text), word
        assert technician.post("/order/begin", {"order": text}).headers["location"].startswith(f"/order?said={word}")
    assert node.home.load_enrolment().state is Standing.NEW
    assert not node.home.order.exists()


def test_an_order_is_shown_before_anything_is_asked(technician: Visitor, node: Node, office: Organisation) -> None:
    facts = {"site_name": "แยก <b>ตลาด</b>", "district": "หาดใหญ่"}
    answer = technician.post("/order", {"text": office.order_text(office.order(now_s=node.context.now_s(), **facts))})
    assert answer.status == 200
    assert "หาดใหญ่" in answer.text
    assert "<b>ตลาด" not in answer.text
    assert node.home.load_enrolment().state is Standing.NEW


class Bench:
    """An office, its centre's door, and a node whose page is open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = unused_port()
        self.office = Office.create(
            folder / "office",
            enrol_url=f"https://localhost:{self.port}",
            broker_url="mqtts://localhost:1",
            now_s=now_s(),
        )
        self.office.add_organisation(ORG, now_s=now_s())
        for site in (SITE, "sadao-001"):
            self.office.add_site(SiteRecord(site, ORG), now_s=now_s())
        self.service: CentreService | None = None

    def boot(self, name: str) -> tuple[PageContext, str]:
        boot = self.folder / name / "boot"
        boot.mkdir(parents=True)
        (boot / ANCHORS_FILE).write_bytes(self.office.anchors_path(ORG).read_bytes())
        home = NodeHome(self.folder / name / "home")
        label = prepare(home, boot).label
        assert label is not None
        return PageContext(home, boot_dir=boot), label.pin

    def order(self, site: str = SITE, **facts: object) -> str:
        made, text = self.office.make_order(site, now_s=now_s(), **facts)  # type: ignore[arg-type]
        assert isinstance(made, WorkOrder)
        return text

    def open_door(self) -> None:
        options = ServiceOptions(
            office=self.folder / "office",
            store=self.folder / "store",
            host=LOOPBACK,
            port=self.port,
            names=("localhost",),
        )
        self.service = CentreService(options, lambda _news: None)
        self.service.start()

    def close(self) -> None:
        if self.service is not None:
            self.service.close()


def now_s() -> int:
    return int(time.time())


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("WAYSIDE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("WAYSIDE_RUNTIME", str(tmp_path / "run"))
    made = Bench(tmp_path)
    yield made
    made.close()


def test_a_node_waits_for_the_office_and_is_let_in_when_it_asks_again(bench: Bench) -> None:
    bench.open_door()
    context, pin = bench.boot("node")
    order = bench.order()
    with served(context) as page:
        visitor = Visitor(page.port)
        visitor.enter(pin)
        assert visitor.post("/order/begin", {"order": order}).headers["location"] == "/order?said=waiting"
        waiting = visitor.get("/order")
        assert 'data-again="' in waiting.text
        assert context.home.load_enrolment().state is Standing.WAITING
        bench.office.approve(bench.office.waiting()[0].node, now_s=now_s())
        assert visitor.post("/order/ask", {}).headers["location"] == "/checks"
    assert is_settled(context)


def test_without_a_line_the_request_is_carried_as_a_file_and_so_is_the_answer(bench: Bench) -> None:
    context, pin = bench.boot("node")
    order = bench.order()
    with served(context) as page:
        visitor = Visitor(page.port)
        visitor.enter(pin)
        assert visitor.post("/order/begin", {"order": order}).headers["location"] == "/order?said=connection_refused"
        saved = visitor.get("/order/request")
        assert "attachment" in saved.headers["content-disposition"]
        assert bench.office.enrol(saved.text, now_s=now_s()).state == "waiting"
        bench.office.approve(bench.office.waiting()[0].node, now_s=now_s())
        answer = bench.office.enrol(saved.text, now_s=now_s())
        refused = visitor.post("/order/grant", {"text": order})
        assert refused.headers["location"].startswith("/order?said=malformed_grant")
        assert visitor.post("/order/grant", {"text": encode(answer).decode()}).headers["location"] == "/checks"
    assert is_settled(context)


def test_a_claim_that_another_node_used_is_refused_by_name(bench: Bench) -> None:
    bench.open_door()
    first, _ = bench.boot("first")
    second, _ = bench.boot("second")
    order = bench.order()
    for context in (first, second):
        begin(context, order, peer="")
    approved = bench.office.waiting()[0].node
    bench.office.approve(approved, now_s=now_s())
    chosen, other = (first, second) if load_key(first.home).node == approved else (second, first)
    assert begin(chosen, order, peer="").turn is Turn.ENROLLED
    refused = begin(other, order, peer="")
    assert (refused.turn, refused.word) == (Turn.REFUSED, "used")


def test_the_order_of_another_site_does_not_move_a_node_that_has_its_place(bench: Bench) -> None:
    bench.open_door()
    context, _ = bench.boot("node")
    order = bench.order()
    begin(context, order, peer="")
    bench.office.approve(bench.office.waiting()[0].node, now_s=now_s())
    assert begin(context, order, peer="").turn is Turn.ENROLLED
    assert context.home.load_enrolment().site == SITE
    assert begin(context, bench.order("sadao-001"), peer="").turn is not Turn.ENROLLED
    assert context.home.load_enrolment().site == SITE
