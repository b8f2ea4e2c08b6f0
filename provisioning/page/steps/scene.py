"""Step `scene`: not built yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.routing import BaseRoute, Route

from provisioning.page.shell import render

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from provisioning.page.site import PageContext

NAME: Final = "scene"


def routes(context: PageContext) -> list[BaseRoute]:
    def page(request: Request) -> Response:
        return render(request, "steps/scene.html")

    return [Route("/scene", page)]


def is_done(context: PageContext) -> bool:
    return False
