"""How aim, scene, walk and acceptance look to a thumb, to eyes in the sun and to a screen reader."""

from __future__ import annotations

import pytest

from tests.page.look import faults
from tests.page.rig import Node, Served
from tests.rigs import axe
from tests.rigs.browser import phone


@pytest.mark.parametrize("language", ["th", pytest.param("en", marks=pytest.mark.slow)])
def test_every_step_can_be_read_and_touched(page: Served, node: Node, language: str) -> None:
    script = axe.script()
    found: list[str] = []
    with phone(language=language) as held:
        held.open(f"{page.url}/language?to={language}&back=/")
        held.type("#pin-field", node.pin)
        held.primary()
        held.page.wait_for_url("**/checks")

        def look(name: str) -> None:
            held.shoot(name)
            found.extend(f"{name}: {fault}" for fault in faults(held, script))

        held.open(f"{page.url}/aim/c01")
        held.page.locator("#focus:not([hidden])").wait_for()
        look("30-aim")
        held.open(f"{page.url}/scene/c01")
        held.page.locator('#picture[src^="blob:"]').wait_for()
        look("31-scene")
        for kind in ("[data-preset=intrusion]", "[data-preset=wrong_way]", "[data-add=line]", "[data-add=ground]"):
            held.tap(kind)
            look("32-scene-drawn")
        held.primary()
        held.page.wait_for_url("**/walk/c01")
        look("33-walk")
        held.primary()
        held.page.locator("p[data-in=waiting]").wait_for()
        look("34-walk-waiting")
        held.open(f"{page.url}/accept?now=1")
        look("35-accept")
        held.tap(".more summary")
        look("36-accept-all")
        held.type("#technician", "สมชาย ใจดี")
        held.tap(held.page.locator("[data-reason]").first)
        held.primary()
        held.page.locator(".stamp").wait_for()
        look("37-signed")
        held.open(f"{page.url}/accept/report.html")
        held.shoot("38-report")
        assert found == []
        assert held.told == []
