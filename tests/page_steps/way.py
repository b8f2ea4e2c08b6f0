"""The second half of a technician's way, from the aimed camera to the signed report, as taps on a phone."""

from __future__ import annotations

from tests.rigs.browser import Phone

NAME = "สมชาย ใจดี"
# The clip's people are on the road all the time, but a busy machine needs a while to see them.
_SEEN_MS = 60_000


def aim(held: Phone) -> None:
    """The picture is there, its focus measured: one tap."""
    held.page.locator("#focus:not([hidden])").wait_for(timeout=30_000)
    held.shoot("07-aim")
    held.primary()
    held.page.wait_for_url("**/scene/**")


def draw(held: Phone) -> None:
    """A zone as the button puts it, saved: two taps."""
    held.page.locator('#picture[src^="blob:"]').wait_for()
    held.shoot("08-scene")
    held.tap("[data-preset=intrusion]")
    held.page.locator(".shape.zone.selected").wait_for(state="attached")
    held.shoot("09-zone")
    held.primary()
    held.page.wait_for_url("**/walk/**")


def walk(held: Phone, *, reaches_centre: bool) -> None:
    """Started, seen, and confirmed where there is a line: two taps."""
    held.shoot("10-walk")
    held.primary()
    state = "arrived" if reaches_centre else "seen"
    held.page.locator(f"[data-when={state}].ok").wait_for(timeout=_SEEN_MS)
    held.page.locator("#still:not([hidden])").wait_for()
    held.shoot("11-seen")
    held.primary()
    held.page.wait_for_url("**/accept")


def sign(held: Phone, *, reaches_centre: bool) -> None:
    """The name, one reason for all that is open, the signature: two or three taps."""
    # The camera may be too young for its test clip; the page then goes on by itself.
    held.page.locator("#technician").wait_for(timeout=40_000)
    held.shoot("12-accept")
    held.type("#technician", NAME)
    if held.page.locator("[data-reason]").count():
        held.tap(held.page.locator("[data-reason]").first)
    held.primary()
    held.page.locator(".stamp").wait_for(timeout=30_000)
    held.shoot("13-signed")
    # The report is the centre's, or waits for somebody to carry it.
    assert held.page.locator(".notice.warning").count() == (0 if reaches_centre else 1)
