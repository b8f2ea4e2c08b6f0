"""The box itself: cable, names, clock, centre, broker, disk, heat and power, each a tick or what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.routing import BaseRoute, Route

from provisioning.checks.result import Verdict
from provisioning.page.checking import Checking, last_results
from provisioning.page.shell import render, to, visit_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from provisioning.page.site import PageContext

NAME: Final = "checks"


def routes(context: PageContext) -> list[BaseRoute]:
    """The first look begins the checks: nobody should have to ask for them."""
    checking = Checking(context)

    def show(request: Request) -> Response:
        if not checking.progress().results:
            checking.begin()
        progress = checking.progress()
        language = visit_of(request).language
        found = [(each.verdict.value, each.title(language), each.sentence(language)) for each in progress.results]
        done = {each.id for each in progress.results}
        return render(
            request,
            "steps/checks.html",
            found=found,
            pending=[each for each in progress.ids if each not in done],
            is_running=progress.is_running,
            failures=sum(each.verdict is Verdict.FAILED for each in progress.results),
            warnings=sum(each.verdict is Verdict.WARNING for each in progress.results),
        )

    def again(request: Request) -> Response:
        checking.begin()
        return to("/checks")

    return [Route("/checks", show), Route("/checks", again, methods=["POST"])]


def is_done(context: PageContext) -> bool:
    """They ran to their end. What they found wrong stands in the report, and somebody answers for it by name."""
    return bool(last_results(context))
