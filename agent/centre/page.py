"""The centre's one page: read-only, for browsers on this machine or behind a proxy that knows who may look (ADR 41)."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import uvicorn
from jinja2 import Environment, StrictUndefined
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agent import log
from agent.centre.eventstore import EventStore
from agent.centre.listening import Listening
from agent.centre.overview import read_overview
from agent.centre.pagetexts import TEXTS, age_words, language_of
from agent.errors import ServeError, StoreError, TimeError
from agent.units import format_rfc3339, parse_rfc3339

_CLOSE_S: Final = 2
_CONNECTIONS: Final = 50
_HERE: Final = Path(__file__).parent
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

_log = log.get("page")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageOptions:
    """`host` must be this machine's loopback: the page knows no users. `names`: under which a proxy asks for it, beside
    loopback's own; another name is refused, so that no foreign page can read this one through a browser."""

    store: Path
    host: str
    port: int
    zone: ZoneInfo
    names: tuple[str, ...] = ()


class CentrePage:
    """Listens from `start` to `close`; owns one thread."""

    def __init__(self, options: PageOptions) -> None:
        self._options = options
        self._template = Environment(autoescape=True, undefined=StrictUndefined).from_string(
            (_HERE / "page.html").read_text(encoding="utf-8")
        )
        self._listening: Listening | None = None

    def start(self) -> str:
        """The address it listens on. Raises ServeError, StoreError."""
        options = self._options
        if not _is_loopback(options.host):
            remedy = "the page knows no users: listen on 127.0.0.1 and put a proxy before it that asks who is there"
            raise ServeError(reason="not_loopback", host=options.host, remedy=remedy)
        # A centre that has heard nothing yet shows an empty page, not an error.
        EventStore(options.store).close()
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        try:
            listening = socket.create_server((options.host, options.port), family=family)
        except OSError as exc:
            remedy = "is another server running there? give another --page"
            raise ServeError(
                reason="cannot_listen", host=options.host, port=options.port, error=exc.strerror, remedy=remedy
            ) from exc
        hosts = ["127.0.0.1", "localhost", options.host, *options.names]
        app = Starlette(
            routes=[Route("/", self._page), Route("/page.css", _style), Route("/page.js", _script)],
            middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)],
        )
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=_CLOSE_S,
        )
        self._listening = Listening(config, listening, name="serve-page")
        return f"http://{self._listening.address}"

    def close(self) -> None:
        """May be called twice."""
        if self._listening is not None:
            self._listening.close()

    async def _page(self, request: Request) -> Response:
        language = language_of(request.query_params.get("lang", ""), request.headers.get("accept-language", ""))
        try:
            text = await asyncio.to_thread(self._render, language)
        except StoreError as exc:
            _log.warning("page not shown", problem=str(exc))
            return Response("the store cannot be read now", 503, _HEADERS, "text/plain")
        return Response(text, 200, {**_HEADERS, "Content-Language": language, "Vary": "Accept-Language"}, "text/html")

    def _render(self, language: str) -> str:
        """On a worker thread. Raises StoreError."""
        zone, now_ns = self._options.zone, time.time_ns()

        def local(instant: str) -> str:
            """As it came, where it is no time: what people asked for is not ours to correct."""
            try:
                shown = format_rfc3339(parse_rfc3339(instant), zone)
            except TimeError:
                return instant
            return f"{shown[:10]} {shown[11:19]}"

        return self._template.render(
            view=read_overview(self._options.store, now_ns, zone),
            t=TEXTS[language],
            language=language,
            other="en" if language == "th" else "th",
            read_at=local(format_rfc3339(now_ns)),
            local=local,
            ago=lambda age_s: age_words(age_s, language),
        )


async def _style(_request: Request) -> Response:
    return Response((_HERE / "page.css").read_bytes(), 200, _HEADERS, "text/css")


async def _script(_request: Request) -> Response:
    return Response((_HERE / "page.js").read_bytes(), 200, _HEADERS, "text/javascript")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
