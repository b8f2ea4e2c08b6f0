"""Between the network and the steps: bounds, the session, the form's token and the headers that keep others out.

Before the PIN only the first page, its form, the language and the page's own files answer. On a node in service the
order must be shown after the PIN, before any other step. Once set-up is closed only the last page can be read and its
report sent.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request

from agent.enrolment import moment, window
from agent.enrolment.setup import SetupState
from provisioning.page.forms import MAX_BODY_BYTES, Form, read_form
from provisioning.page.session import Sessions, new_visitor
from provisioning.page.shell import LANGUAGE_COOKIE, Visit, refuse, to
from provisioning.texts import Language

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from agent.enrolment.home import NodeHome

# `__Host-`: only over TLS, only this host, only the whole path (RFC 6265bis, 4.1.3.2).
COOKIE: Final = "__Host-wayside"
COOKIE_ATTRIBUTES: Final = "Path=/; Secure; HttpOnly; SameSite=Strict"
_PUBLIC: Final = frozenset({"/", "/pin", "/language", "/favicon.ico"})
_STATIC: Final = "/static/"
_ORDER: Final = "/order"
_LAST: Final = "/accept"
# A phone at the edge of its Wi-Fi sends a few kilobytes; who needs longer holds a connection for its own sake.
_BODY_LIMIT_S: Final = 20.0
# No Strict-Transport-Security: with it a browser no longer lets anybody past a self-signed certificate.
_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not no-referrer: browsers then send `Origin: null` with our own forms (Fetch, 3.2).
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Gate:
    """ASGI middleware around all routes. Puts a Visit into the request's state; a step never sees anything else."""

    def __init__(self, app: ASGIApp, sessions: Sessions, home: NodeHome) -> None:
        self._app = app
        self._sessions = sessions
        self._home = home

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # The page has no websockets; the lifespan is the app's.
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        key = request.cookies.get(COOKIE, "")
        is_new = not key
        key = key or new_visitor()
        visit = Visit(_language(request), key, self._sessions.is_open(key), self._sessions.csrf(key))
        scope.setdefault("state", {})["visit"] = visit
        guarded = _with_headers(send, f"{COOKIE}={key}; {COOKIE_ATTRIBUTES}" if is_new else "")
        response = await self._judge(request, visit)
        if response is None:
            await self._app(scope, _nothing_more(receive), guarded)
        else:
            await response(scope, receive, guarded)

    async def _judge(self, request: Request, visit: Visit) -> Response | None:
        """None lets it through, its visit completed by the body; otherwise the refusal."""
        path = request.url.path
        if not (visit.is_in or path in _PUBLIC or path.startswith(_STATIC)):
            return to("/") if request.method == "GET" and _wants_page(request) else refuse(request, 403, "no_pin")
        closed = self._judge_setup(request, visit)
        if closed is not None:
            return closed
        if request.method in ("GET", "HEAD"):
            return None
        if request.method != "POST":
            return refuse(request, 405, "method")
        if not _is_own_origin(request.headers):
            return refuse(request, 403, "forged")
        try:
            body = await asyncio.wait_for(_read_body(request), _BODY_LIMIT_S)
        except TimeoutError:
            return refuse(request, 408, "slow")
        if body is None:
            return refuse(request, 413, "too_large")
        form = await read_form(request.headers, body)
        if form is None:
            return refuse(request, 400, "malformed")
        token = request.headers.get("x-csrf", "") or form.text("csrf")
        if not self._sessions.is_csrf(visit.key, token):
            return refuse(request, 403, "forged")
        request.scope["state"]["visit"] = _filled(visit, body, form)
        return None

    def _judge_setup(self, request: Request, visit: Visit) -> Response | None:
        path = request.url.path
        if path.startswith(_STATIC) or path == "/language":
            return None
        # Two small files; the event loop waits for them no longer than for its own log.
        state = window.status(self._home, moment.now()).state
        # The report is read, saved and sent after it closed the set-up by being signed.
        may_read = _is_below(path, _LAST) and (request.method == "GET" or path != _LAST)
        if state is SetupState.CLOSED and not (visit.is_in and may_read):
            return refuse(request, 403, "closed")
        if state is SetupState.KNOCKED and visit.is_in and not (path in _PUBLIC or _is_below(path, _ORDER)):
            return to(_ORDER) if request.method == "GET" and _wants_page(request) else refuse(request, 403, "no_order")
        return None


def _is_below(path: str, top: str) -> bool:
    return path == top or path.startswith(top + "/")


def _filled(visit: Visit, body: bytes, form: Form) -> Visit:
    return Visit(visit.language, visit.key, visit.is_in, visit.csrf, body, form)


def _language(request: Request) -> Language:
    """Thai unless English was chosen."""
    return Language.ENGLISH if request.cookies.get(LANGUAGE_COOKIE) == Language.ENGLISH.value else Language.THAI


def _wants_page(request: Request) -> bool:
    return "application/json" not in request.headers.get("accept", "")


def _is_own_origin(headers: Headers) -> bool:
    """Browsers name the page that a form comes from (Fetch, 3.2); what names none is no browser and needs the token."""
    origin = headers.get("origin")
    return origin is None or origin == f"https://{headers.get('host', '')}"


async def _read_body(request: Request) -> bytes | None:
    """The whole body; None as soon as it is known to be too large."""
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > MAX_BODY_BYTES:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
    return bytes(body)


def _nothing_more(receive: Receive) -> Receive:
    """The body has been read: who asks again gets an empty one, and after that learns when the visitor left."""
    is_told = False

    async def emptied() -> Message:
        nonlocal is_told
        if is_told:
            return await receive()
        is_told = True
        return {"type": "http.request", "body": b"", "more_body": False}

    return emptied


def _with_headers(send: Send, cookie: str) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            if cookie and "set-cookie" not in headers:
                headers.append("set-cookie", cookie)
        await send(message)

    return guarded
