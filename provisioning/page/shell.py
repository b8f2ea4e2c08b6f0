"""What every page stands in: languages, the list of steps, the token of its forms, how a step answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from agent import __version__
from agent.contract.wire import encode
from provisioning.page.forms import Form
from provisioning.page.way import StepModule, next_step, standings
from provisioning.texts import Language, say

if TYPE_CHECKING:
    import msgspec

    from provisioning.page.session import Sessions
    from provisioning.page.site import PageContext

LANGUAGE_COOKIE: Final = "lang"


@dataclass(frozen=True, slots=True)
class Visit:
    """One request as the gate let it through. `key` is the visitor's cookie, `is_in` whether the PIN was right; `body`
    is what came, `form` the same as a form."""

    language: Language
    key: str
    is_in: bool
    csrf: str
    body: bytes = b""
    form: Form = field(default_factory=Form)


@dataclass(frozen=True, slots=True)
class Shell:
    """Made once by the app; found by every handler at `request.app.state.shell`."""

    context: PageContext
    steps: Sequence[StepModule]
    sessions: Sessions
    environment: Environment


def make_environment() -> Environment:
    """Templates of this package; every value is escaped, a missing one is a bug."""
    loader = PackageLoader("provisioning.page", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def shell_of(request: Request) -> Shell:
    return cast("Shell", request.app.state.shell)


def visit_of(request: Request) -> Visit:
    return cast("Visit", request.state.visit)


def form_of(request: Request) -> Form:
    """The form of a POST: bounded, with the right token."""
    return visit_of(request).form


def render(request: Request, template: str, *, status: int = 200, **values: object) -> HTMLResponse:
    """The page of a step. In the template: `t(key, **facts)` for texts, `language`, `csrf`, `steps` (list of StepView),
    `step` (the name in the path), `is_in`, `next_step`, `node` and what is given as `values`."""
    shell, visit = shell_of(request), visit_of(request)

    def t(key: str, **facts: object) -> str:
        return say(visit.language, key, **facts)

    steps = standings(shell.steps, shell.context) if visit.is_in else ()
    html = shell.environment.get_template(template).render(
        t=t,
        language=visit.language.value,
        csrf=visit.csrf,
        is_in=visit.is_in,
        steps=steps,
        step=request.url.path.strip("/").partition("/")[0],
        next_step=next_step(steps) if steps else "",
        path=request.url.path,
        version=__version__,
        **values,
    )
    return HTMLResponse(html, status_code=status)


def to(path: str) -> RedirectResponse:
    """After a POST that did something: the browser asks for `path` anew, so that reloading repeats nothing."""
    return RedirectResponse(path, status_code=303)


def to_next(request: Request) -> RedirectResponse:
    """On to the first step that is not done."""
    shell = shell_of(request)
    return to(f"/{next_step(standings(shell.steps, shell.context))}")


def as_json(record: msgspec.Struct, *, status: int = 200) -> Response:
    """For the page's own scripts."""
    return Response(encode(record), status_code=status, media_type="application/json")


def refuse(request: Request, status: int, reason: str) -> Response:
    """A refusal in words (`page.refused.{reason}`), or as JSON for a script that asked for it."""
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse({"refused": reason}, status_code=status)
    return render(request, "refused.html", status=status, reason=reason)
