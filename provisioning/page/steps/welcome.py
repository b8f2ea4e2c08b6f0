"""Which node this is, compared with its label, and the PIN that opens the other steps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from starlette.routing import BaseRoute, Route

from agent.enrolment import audit, moment
from agent.enrolment.nodekey import load_key
from agent.enrolment.pin import PinVerdict
from provisioning.page.gate import COOKIE, COOKIE_ATTRIBUTES
from provisioning.page.pin import lock_left_s, try_pin
from provisioning.page.shell import form_of, render, shell_of, to_next, visit_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from provisioning.page.site import PageContext

NAME: Final = "welcome"


def routes(context: PageContext) -> list[BaseRoute]:
    def page(request: Request, *, verdict: PinVerdict | None = None, wait_s: float = 0, tries: int = 0) -> Response:
        key = load_key(context.home)
        if not visit_of(request).is_in and verdict is None:
            wait_s = lock_left_s(context.home, moment.now())
        return render(
            request,
            "steps/welcome.html",
            status=200 if verdict is None else 403,
            node=key.node,
            words=key.words,
            verdict="" if verdict is None else verdict.value,
            wait_minutes=math.ceil(wait_s / 60),
            tries=tries,
        )

    def try_in(request: Request) -> Response:
        judgement = try_pin(context.home, form_of(request).text("pin").replace(" ", ""), moment.now())
        if judgement.verdict is not PinVerdict.LOCKED:
            # A locked page is not written down again: who hammers at it must not fill the disk.
            audit.note(
                context.home, f"pin_{judgement.verdict.value}", peer=request.client.host if request.client else ""
            )
        if judgement.verdict is not PinVerdict.RIGHT:
            return page(request, verdict=judgement.verdict, wait_s=judgement.wait_s, tries=judgement.tries_left)
        response = to_next(request)
        response.headers["set-cookie"] = f"{COOKIE}={shell_of(request).sessions.begin()}; {COOKIE_ATTRIBUTES}"
        return response

    def show(request: Request) -> Response:
        return page(request)

    return [Route("/", show), Route("/welcome", show), Route("/pin", try_in, methods=["POST"])]


def is_done(context: PageContext) -> bool:
    """Whoever sees the list of steps has typed the PIN."""
    return True
