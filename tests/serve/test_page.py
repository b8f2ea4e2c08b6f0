"""The centre's page: what it says, to whom, and how it looks on a phone and on a desk, in both languages."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest

from agent.centre.eventstore import EventStore
from agent.centre.intake import read_message
from agent.centre.overview import roads_of
from agent.centre.page import CentrePage, PageOptions
from agent.centre.pagetexts import TEXTS, age_words, language_of
from agent.contract.commands import AnswerState
from agent.contract.envelope import Stamp, camera_subject, make_envelope
from agent.contract.events import Lane, Level, decode_data
from agent.contract.topics import NodeAddress
from agent.contract.wire import encode
from agent.errors import ServeError
from agent.identity import new_uuid7
from agent.units import NS_PER_S, format_rfc3339
from tests.broker import wait_until
from tests.page.look import faults
from tests.rigs import axe
from tests.rigs.browser import phone
from tests.serve.rig import Serve, make_office
from tests.serve.test_requests import SAMPLES, answer, question

NODE = NodeAddress("o", "s", "n1")
OPENED = "wayside.incident.opened.v1"
ZONE = ZoneInfo("Asia/Bangkok")
TROUBLE = "<script>alert(1)</script>"


def traffic(measured_ns: int, level: str = "free", lasts_s: int = 180) -> bytes:
    sample = SAMPLES["cam.traffic"]
    roads = [{**each, "level": level} for each in sample["approaches"]]
    times = {"measured_at": format_rfc3339(measured_ns), "expires": format_rfc3339(measured_ns + lasts_s * NS_PER_S)}
    return json.dumps({**sample, **times, "approaches": roads}).encode()


def fill(folder: Path, now_ns: int) -> None:
    """A node, a road that is jammed and one that is stale, an incident, and requests of each outcome."""
    other = NodeAddress("o", "s2", "n2")
    heard = [(NODE.camera_traffic("c01"), traffic(now_ns, "jammed"))]
    heard.append((other.camera_traffic("c01"), traffic(now_ns - 3600 * NS_PER_S)))
    for kind in ("state", "info", "health"):
        heard.append((f"{NODE.root}/{kind}", json.dumps(SAMPLES[kind]).encode()))
        heard.append((f"{other.root}/{kind}", json.dumps(SAMPLES[kind]).encode()))
    data = {**SAMPLES[OPENED], "reason_en": TROUBLE, "reason_th": "รถจอดนาน"}
    stamp = Stamp(Lane.A, new_uuid7(), 1, "boot", 1, "synced")
    facts = {"id": new_uuid7(), "source": NODE.urn, "subject": camera_subject("c01"), "wall_ns": now_ns}
    envelope = make_envelope(OPENED, decode_data(OPENED, json.dumps(data).encode()), stamp=stamp, **facts)
    heard.append((NODE.event("c01", "incident"), encode(envelope)))
    for state in AnswerState:
        jti = new_uuid7()
        heard.append((NODE.command("clip.export"), question(jti)))
        heard.append((NODE.response("desk-1"), answer(jti, state, "no_footage" if state == "rejected" else "")))
    heard.append((NODE.command("clip.export"), question(new_uuid7())))
    store = EventStore(folder)
    kept = store.keep([each for topic, payload in heard if (each := read_message(topic, payload))], now_ns)
    store.close()
    assert kept.misfits == ()


@pytest.fixture
def options(tmp_path: Path) -> PageOptions:
    return PageOptions(store=tmp_path, host="127.0.0.1", port=0, zone=ZONE)


@pytest.fixture
def url(options: PageOptions) -> Iterator[str]:
    page = CentrePage(options)
    yield page.start()
    page.close()


def get(url: str, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
    connection = HTTPConnection(urlsplit(url).netloc, timeout=20)
    try:
        connection.request(method, path, headers=headers)
        reply = connection.getresponse()
        return reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize("language", ["th", "en"])
def test_it_can_be_read_on_a_phone_and_on_a_desk(options: PageOptions, url: str, language: str) -> None:
    script = axe.script()
    empty_found: list[str] = []
    with phone(language=language) as held:
        held.open(url)
        held.shoot("centre-empty")
        empty_found += faults(held, script)
        fill(options.store, time.time_ns())
        held.open(url)
        held.shoot("centre")
        found = faults(held, script)
        assert held.page.locator("html").get_attribute("lang") == language
        levels = held.page.locator("[data-level]").all_inner_texts()
        assert levels == [TEXTS[language]["level.jammed"]] * (len(levels) // 2) + [TEXTS[language]["level.unknown"]] * (
            len(levels) // 2
        )
        held.page.set_viewport_size({"width": 1280, "height": 900})
        held.shoot("centre-wide")
        graves = [each.rule for each in axe.findings(held, script) if each.impact in axe.GRAVE]
        assert held.told == []
    assert (empty_found, found, graves) == ([], [], [])


def test_a_page_that_cannot_read_anew_says_so_and_believes_no_level(options: PageOptions) -> None:
    fill(options.store, time.time_ns())
    page = CentrePage(options)
    address = page.start()
    try:
        with phone(language="en") as held:
            held.page.clock.install()
            held.open(address)
            assert held.page.locator("#stale").is_hidden()
            page.close()
            held.page.clock.run_for(21_000)
            held.page.locator("#stale").wait_for(state="visible")
            assert "jammed" in held.page.locator("main").inner_text()
            for _ in range(12):
                held.page.clock.run_for(21_000)
                held.page.wait_for_function("() => !document.hidden")
            held.page.wait_for_function(
                "() => [...document.querySelectorAll('[data-level]')].every((each) => each.textContent === 'unknown')"
            )
    finally:
        page.close()


def test_what_a_node_says_is_text_and_never_markup(options: PageOptions, url: str) -> None:
    fill(options.store, time.time_ns())
    status, headers, text = get(url, "/?lang=en")
    assert (status, TROUBLE in text, "&lt;script&gt;alert(1)" in text) == (200, False, True)
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_the_page_says_how_many_got_what_they_asked_for(options: PageOptions, url: str) -> None:
    fill(options.store, time.time_ns())
    assert "2 of 9 got what they asked for" in get(url, "/?lang=en")[2]


def test_it_changes_nothing_and_has_no_other_address(url: str) -> None:
    assert get(url, "/", "POST")[0] == 405
    assert get(url, "/", "DELETE")[0] == 405
    assert get(url, "/page.html")[0] == 404
    assert get(url, "/../events.sqlite")[0] == 404


def test_a_foreign_pages_name_for_this_machine_is_refused(options: PageOptions, url: str) -> None:
    assert get(url, Host="evil.example")[0] == 400
    page = CentrePage(replace(options, names=("centre.example",)))
    try:
        assert get(page.start(), Host="centre.example")[0] == 200
    finally:
        page.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])
def test_it_listens_on_loopback_only(options: PageOptions, host: str) -> None:
    with pytest.raises(ServeError):
        CentrePage(replace(options, host=host)).start()


@pytest.mark.parametrize(
    ("age_s", "level"), [(0, Level.FREE), (179, Level.FREE), (180, Level.UNKNOWN), (9e6, "unknown")]
)
def test_a_stale_free_is_unknown(age_s: float, level: Level) -> None:
    now_ns = time.time_ns() // NS_PER_S * NS_PER_S
    measured_ns = now_ns - int(age_s) * NS_PER_S
    [road, *_] = roads_of(NODE.camera_traffic("c01"), traffic(measured_ns), now_ns)
    assert (road.level, road.age_s) == (level, age_s)
    assert (road.speed_kmh is None) or level is Level.FREE


def test_a_road_measured_at_no_time_is_unknown() -> None:
    roads = roads_of(NODE.camera_traffic("c01"), traffic(0).replace(b"1970-01-01", b"1970-99-99"), 0)
    assert {(road.level, road.age_s) for road in roads} == {(Level.UNKNOWN, None)}


def test_both_languages_have_every_word() -> None:
    assert TEXTS["th"].keys() == TEXTS["en"].keys()
    assert all(word for texts in TEXTS.values() for word in texts.values())


@pytest.mark.parametrize(
    ("asked", "accepted", "language"),
    [
        ("en", "th", "en"),
        ("", "en-GB,th;q=0.5", "en"),
        ("", "de,th;q=0.5", "th"),
        ("xx", "", "th"),
        ("", "\0" * 999, "th"),
    ],
)
def test_the_language_is_the_one_asked_for_or_the_browsers(asked: str, accepted: str, language: str) -> None:
    assert language_of(asked, accepted) == language


@pytest.mark.parametrize(
    ("age_s", "words"), [(0.2, "0 s ago"), (59, "59 s ago"), (61, "1 min ago"), (7300, "2 h ago"), (None, "unknown")]
)
def test_ages_in_words(age_s: float | None, words: str) -> None:
    assert age_words(age_s, "en") == words


def test_serve_shows_the_page_where_it_is_told_to(tmp_path: Path) -> None:
    make_office(tmp_path / "office")
    serve = Serve(tmp_path / "office", tmp_path / "centre", "--page", "127.0.0.1:0")
    try:
        serve.start()
        wait_until(lambda: serve.of("serve.page") != [], f"no page: {serve.errors()}")
        status, _, text = get(str(serve.of("serve.page")[0]["url"]), "/?lang=en")
        assert (status, TEXTS["en"]["no_nodes"] in text) == (200, True)
        assert serve.stop() == 0
    finally:
        serve.kill()
