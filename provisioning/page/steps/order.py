"""The work order: scanned, chosen or pasted; shown; and worked off with the centre or without it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route

from agent.enrolment.nodekey import load_key
from agent.enrolment.request import make_request
from agent.errors import EnrolmentError
from provisioning.page import enrolling
from provisioning.page.enrolling import Outcome, Turn
from provisioning.page.shell import form_of, refuse, render, to, to_next, visit_of
from provisioning.texts import say

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from provisioning.page.site import PageContext

NAME: Final = "order"
_WORD: Final = re.compile(r"[a-z_]{1,40}")


def routes(context: PageContext) -> list[BaseRoute]:
    """Everything below `/order`. Handlers that ask the centre block their own thread of the pool."""

    def show(request: Request) -> Response:
        return _show(context, request)

    def read(request: Request) -> Response:
        text = _given(request)
        try:
            order = enrolling.believe(context, text)
        except EnrolmentError as exc:
            return _choose(request, word=enrolling.word_of(exc), status=409)
        return render(request, "steps/order_confirm.html", order=order, text=text)

    def begin(request: Request) -> Response:
        peer = request.client.host if request.client else ""
        return _onward(request, enrolling.begin(context, form_of(request).text("order"), peer=peer))

    def ask(request: Request) -> Response:
        standing = enrolling.standing_order(context)
        return to("/order") if standing is None else _onward(request, enrolling.ask(context, *standing))

    def take(request: Request) -> Response:
        return _onward(request, enrolling.take(context, _given(request)))

    def save(request: Request) -> Response:
        standing = enrolling.standing_order(context)
        if standing is None:
            return refuse(request, 404, "not_found")
        name = f"wayside-request-{load_key(context.home).node}.jws"
        text = make_request(context.home, standing[0], context.now_s())
        return PlainTextResponse(text, headers={"content-disposition": f'attachment; filename="{name}"'})

    return [
        Route("/order", show),
        Route("/order", read, methods=["POST"]),
        Route("/order/begin", begin, methods=["POST"]),
        Route("/order/ask", ask, methods=["POST"]),
        Route("/order/grant", take, methods=["POST"]),
        Route("/order/request", save),
    ]


def is_done(context: PageContext) -> bool:
    return enrolling.is_settled(context)


def claim_key(word: str, request: Request) -> str:
    """The text that explains this word; an unknown one is told as such."""
    key = f"page.claim.{word}"
    return key if say(visit_of(request).language, key) != key else "page.claim.other"


def _show(context: PageContext, request: Request) -> Response:
    """`?said=word`: what the last attempt came to. `?new`: another order, though one is waiting."""
    said = request.query_params.get("said", "")
    word = said if _WORD.fullmatch(said) else ""
    if enrolling.is_settled(context) and "new" not in request.query_params:
        claim = claim_key(word, request) if word else ""
        return render(request, "steps/order_done.html", record=context.home.load_enrolment(), claim=claim, word=word)
    standing = None if "new" in request.query_params else enrolling.standing_order(context)
    if standing is None:
        return _choose(request, word=word)
    return render(
        request,
        "steps/order_waiting.html",
        order=standing[1],
        words=load_key(context.home).words,
        word=word,
        claim=claim_key(word, request) if word else "",
        is_approval=word == "waiting",
        retry_s=enrolling.RETRY_S,
    )


def _choose(request: Request, *, word: str = "", status: int = 200) -> Response:
    claim = claim_key(word, request) if word else ""
    return render(request, "steps/order.html", status=status, word=word, claim=claim)


def _given(request: Request) -> str:
    """The text of the chosen file, or else what was pasted or scanned. Bytes that are no text make no order."""
    form = form_of(request)
    return (form.file("file").decode("utf-8", "replace") or form.text("text")).strip()


def _onward(request: Request, outcome: Outcome) -> Response:
    if outcome.turn is Turn.ENROLLED:
        return to_next(request)
    new = "&new" if outcome.turn is Turn.REFUSED else ""
    return to(f"/order?said={outcome.word if _WORD.fullmatch(outcome.word) else 'other'}{new}")
