"""Drawing with a finger in a real browser: shapes put down, dragged, undone, deleted and saved."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.page.rig import Node, Served, Visitor
from tests.rigs.browser import Phone, phone


@pytest.fixture
def held(page: Served, node: Node) -> Iterator[Phone]:
    with phone() as one:
        one.open(page.url)
        one.type("#pin-field", node.pin)
        one.primary()
        one.page.wait_for_url("**/checks")
        one.open(f"{page.url}/scene/c01")
        one.page.locator('#picture[src^="blob:"]').wait_for()
        yield one


def drag(held: Phone, handle: str, nth: int, dx: float, dy: float) -> None:
    box = held.page.locator(handle).nth(nth).bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    held.page.mouse.move(x, y)
    held.page.mouse.down()
    held.page.mouse.move(x + dx / 2, y + dy / 2)
    held.page.mouse.move(x + dx, y + dy)
    held.page.mouse.up()


def test_shapes_are_put_down_dragged_undone_deleted_and_saved(held: Phone, technician: Visitor) -> None:
    corners = ".handle.corner .seen"
    held.tap("[data-preset=intrusion]")
    assert held.page.locator(corners).count() == 4
    drag(held, corners, 0, -36, 0)
    drag(held, ".handle.add .seen", 0, 0, -27)
    assert held.page.locator(corners).count() == 5
    held.tap("[data-preset=wrong_way]")
    drag(held, ".handle.turn .seen", 0, 90, -70)
    held.tap("[data-add=mask]")
    held.tap("#delete")
    held.tap("[data-add=line]")
    held.tap("#undo")
    held.tap("[data-add=ground]")
    held.type("#width", "6")
    held.shoot("20-scene-all")
    held.primary()
    held.page.wait_for_url("**/walk/c01")
    assert held.told == []

    scene = json.loads(technician.get("/scene/c01/drawing.json").text)["scene"]
    people, way = scene["zone"]
    # 36 of 360 points to the left of where the button put it, and one corner more.
    assert people["polygon"][0] == pytest.approx([0.12, 0.5], abs=0.02)
    assert len(people["polygon"]) == 5
    assert people["polygon"][1][1] == pytest.approx(0.4, abs=0.03)
    # The arrow pointed down and now points to the right.
    heading = way["rules"]["wrong_way"]["heading_deg"]
    assert heading < 30 or heading > 330
    assert (scene["mask"], scene["line"]) == ([], [])
    assert scene["calibration"]["points"][2]["ground_m"] == [6, 8]
