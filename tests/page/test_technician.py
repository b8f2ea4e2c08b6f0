"""Tried as a new technician would: from empty folders to a signed acceptance report, on a phone, in at most 25 taps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.enrolment.nodekey import load_key
from agent.enrolment.standing import Standing
from provisioning.acceptance.seal import newest, verify_acceptance
from tests.page.fieldwork import PASSWORD, Field, why_not
from tests.page.look import faults
from tests.page_steps import way
from tests.rigs import axe
from tests.rigs.browser import Phone, phone

# Issue 3: at most 25 taps.
MOST_TAPS = 25
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Field]:
    if why_not():
        pytest.skip(why_not())
    made = Field(tmp_path)
    yield made
    made.close()
    # Shown with a failure.
    print(made.logs())


@pytest.mark.parametrize("language", ["th", "en"])
def test_a_technician_sets_a_node_up_with_a_phone(site: Field, street_clip: Path, ffmpeg: str, language: str) -> None:
    is_offline = language == "en"
    site.make_office()
    label = site.first_boot()
    order = site.order(is_offline=is_offline)
    if not is_offline:
        site.start_centre()
    camera = site.start_camera(street_clip, ffmpeg)
    site.start_node()
    found: list[str] = []
    script = axe.script()
    with phone(language=language) as held:
        held.examine = lambda one: found.extend(faults(one, script))
        held.open(site.page_url + ("/language?to=en&back=/" if language == "en" else ""))
        enter(held, label.pin, label.words)
        enrol(held, order)
        site.let_in()
        check(held)
        connect_camera(held, camera)
        assert site.home.load_enrolment().state is Standing.ENROLLED
        way.aim(held)
        way.draw(held)
        way.walk(held, reaches_centre=not is_offline)
        way.sign(held, reaches_centre=not is_offline)
        assert held.told == []
        assert found == []
        assert held.taps <= MOST_TAPS
        print(f"taps: {held.taps}")
    folder = newest(site.home)
    assert folder is not None
    report = verify_acceptance(folder, load_key(site.home).private.public_key())
    assert report.technician == way.NAME
    assert site.home.load_enrolment().state is Standing.IN_SERVICE
    if not is_offline:
        assert report.waivers == ()


def enter(held: Phone, pin: str, words: tuple[str, ...]) -> None:
    shown = held.page.locator(".words li").all_inner_texts()
    assert tuple(shown) == words
    held.shoot("01-words-and-pin")
    held.type("#pin-field", pin)
    held.primary()
    held.page.wait_for_url("**/order")


def enrol(held: Phone, order: Path) -> None:
    held.shoot("02-order")
    held.choose_file("#choose-button", order)
    held.page.locator("#begin").wait_for(state="attached")
    held.shoot("03-right-place")
    held.primary()
    held.page.wait_for_url("**/checks")


def check(held: Phone) -> None:
    held.page.locator("[aria-disabled]").wait_for(state="detached", timeout=60_000)
    held.shoot("04-checks")
    if held.page.locator(".notice.failed").count():
        held.tap(".action .secondary")
    else:
        held.primary()
    held.page.wait_for_url("**/cameras")


def connect_camera(held: Phone, url: str) -> None:
    held.page.locator(".looking").wait_for(state="detached", timeout=30_000)
    if not held.page.locator("#hand").is_checked():
        held.tap("#hand")
    held.type("#url", url)
    held.type("#password", PASSWORD)
    held.shoot("05-camera")
    held.primary()
    held.page.wait_for_url("**/cameras/c01", timeout=60_000)
    held.shoot("06-camera-answers")
    held.primary()
    held.page.wait_for_url("**/aim**")
