"""How the pages look to a thumb, to eyes in the sun and to a screen reader, in both languages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.contract.enrolment import OrderedCamera
from tests.enrolment.papers import Organisation
from tests.page.look import faults
from tests.page.rig import Node, Served
from tests.rigs import axe
from tests.rigs.browser import Phone, phone


@pytest.fixture(scope="module")
def axe_script() -> str:
    return axe.script()


@pytest.fixture(params=["th", "en"])
def held(request: pytest.FixtureRequest, page: Served) -> Iterator[Phone]:
    with phone(language=request.param) as one:
        one.open(f"{page.url}/language?to={request.param}&back=/")
        yield one


def test_every_page_can_be_read_and_touched(
    held: Phone, page: Served, node: Node, office: Organisation, axe_script: str, tmp_path: Path
) -> None:
    found: list[str] = []

    def look(name: str) -> None:
        held.shoot(name)
        found.extend(faults(held, axe_script))

    look("welcome")
    held.type("#pin-field", "00000000" if node.pin != "00000000" else "00000001")
    held.primary()
    held.page.locator(".notice.failed").wait_for()
    look("wrong-pin")
    held.type("#pin-field", node.pin)
    held.primary()
    held.page.wait_for_url("**/order")
    look("order")
    held.tap(".way summary")
    look("steps")
    held.open(page.url + "/order")
    held.tap("#paste summary")
    look("order-paste")
    held.tap("#paste summary")
    order = tmp_path / "order.txt"
    cameras = (OrderedCamera(id="c01", name="เสาทิศเหนือ", purpose="จราจร"), OrderedCamera(id="c02"))
    # Nothing listens at port 9 (discard): the centre is not reached.
    facts = {"site_name": "แยกตลาดใหม่", "cameras": cameras, "enrol_url": "https://127.0.0.1:9"}
    order.write_text(office.order_text(office.order(now_s=node.context.now_s(), **facts)))
    held.choose_file("#choose-button", order)
    held.page.locator("#begin").wait_for(state="attached")
    look("right-place")
    held.primary()
    held.page.wait_for_url("**/order?said**")
    look("centre-not-reached")
    held.open(page.url + "/order")
    look("waiting")
    held.open(page.url + "/order?new&said=expired")
    look("refused")
    # Aim, scene and walk want a camera: test_technician looks at them.
    for step in ("checks", "cameras", "accept", "welcome", "nowhere"):
        held.open(f"{page.url}/{step}")
        if step == "checks":
            held.page.locator("[aria-disabled]").wait_for(state="detached")
        look(step)
    assert found == []
    # The wrong PIN and the page that is none; nothing of ours was refused by our own policy.
    assert [told for told in held.told if "status of 40" not in told] == []
