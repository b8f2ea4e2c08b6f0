"""The order's QR read by the phone's camera, where the browser can read codes by itself."""

from __future__ import annotations

import json

from tests.enrolment.papers import Organisation
from tests.page.rig import Node, Served
from tests.rigs.browser import phone

# Chromium's own moving test picture as the camera, and nobody asked for permission.
FAKE_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
# Desktop Chromium has no BarcodeDetector, Android's has: first it sees somebody else's code, then the order.
DETECTOR = """
window.looks = 0;
window.BarcodeDetector = class {
  async detect(video) {
    if (!video.videoWidth) return [];
    window.looks += 1;
    return window.looks < 3 ? [{ rawValue: "https://example.net/menu" }] : [{ rawValue: %s }];
  }
};
"""


def test_an_orders_code_is_scanned_with_one_tap_and_strange_codes_are_passed_over(
    page: Served, node: Node, office: Organisation
) -> None:
    order = office.order_text(office.order(now_s=node.context.now_s(), site_name="แยกตลาดใหม่"))
    with phone(arguments=FAKE_CAMERA) as held:
        held.page.add_init_script(DETECTOR % json.dumps(order))
        held.open(page.url)
        held.type("#pin-field", node.pin)
        held.primary()
        held.page.wait_for_url("**/order")
        held.shoot("order-scan")
        held.primary()
        held.page.locator("#begin").wait_for(state="attached")
        assert "แยกตลาดใหม่" in held.page.inner_text("main")
        assert held.told == []
        assert held.taps == 3


def test_a_phone_that_gives_no_camera_is_told_the_other_ways(page: Served, node: Node) -> None:
    with phone() as held:
        held.page.add_init_script(DETECTOR % '""')
        held.open(page.url)
        held.type("#pin-field", node.pin)
        held.primary()
        held.page.wait_for_url("**/order")
        held.primary()
        held.page.locator("#no-camera:not([hidden])").wait_for()
        assert held.page.locator("#choose-button").is_visible()
