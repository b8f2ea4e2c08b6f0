"""The page as one ASGI application: the gate, the steps in their order, and refusals in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from agent import log
from agent.errors import WaysideError
from provisioning.page.gate import Gate
from provisioning.page.session import Sessions
from provisioning.page.shell import LANGUAGE_COOKIE, Shell, make_environment, refuse, render
from provisioning.page.steps import accept, aim, cameras, checks, order, scene, walk, welcome
from provisioning.texts import Language

if TYPE_CHECKING:
    from starlette.requests import Request

    from provisioning.page.site import PageContext
    from provisioning.page.way import StepModule

_log = log.get("page")
STEPS: Sequence[StepModule] = (welcome, order, checks, cameras, aim, scene, walk, accept)


def make_app(context: PageContext) -> Starlette:
    """The page of one node. It serves HTTPS only through `provisioning.page.serve`, which knows when it ends."""
    sessions = Sessions(context.clock)
    routes = [
        Route("/language", _language),
        Mount("/static", StaticFiles(packages=[("provisioning.page", "static")])),
    ]
    for step in STEPS:
        routes += step.routes(context)
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Gate, sessions=sessions, home=context.home)],
        exception_handlers={HTTPException: _refused, WaysideError: _failed, 500: _broken},
    )
    app.state.shell = Shell(context, STEPS, sessions, make_environment())
    return app


def _language(request: Request) -> Response:
    """`?to=en&back=/order`: only to a path of this page."""
    wanted = request.query_params.get("to", "")
    back = request.query_params.get("back", "/")
    is_ours = back.startswith("/") and not back.startswith(("//", "/\\")) and back.isascii() and back.isprintable()
    response = RedirectResponse(back if is_ours else "/", status_code=303)
    language = Language.ENGLISH if wanted == Language.ENGLISH.value else Language.THAI
    response.set_cookie(LANGUAGE_COOKIE, language.value, path="/", secure=True, httponly=True, samesite="strict")
    return response


def _refused(request: Request, exc: Exception) -> Response:
    """Unknown paths and methods."""
    status = exc.status_code if isinstance(exc, HTTPException) else 400
    reason = {404: "not_found", 405: "method"}.get(status, "malformed")
    return refuse(request, status, reason)


def _failed(request: Request, exc: Exception) -> Response:
    """What a step could not do and did not explain itself: the error's own words, which carry no secrets."""
    _log.warning("step failed", path=request.url.path, problem=str(exc))
    return render(request, "refused.html", status=409, reason="failed", detail=str(exc))


def _broken(request: Request, exc: Exception) -> Response:
    """A fault of ours: the journal gets the traceback, the technician what to do."""
    _log.error("page broken", path=request.url.path, problem=type(exc).__name__)
    return refuse(request, 500, "broken")
