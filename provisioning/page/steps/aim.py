"""Step `aim`: the live picture with its focus score, the best so far, and a level line to turn the camera by."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from agent.errors import CameraError
from provisioning.acceptance.notes import AimNote, AimNotes
from provisioning.cameras.sentences import explain
from provisioning.page.shell import as_json, form_of, refuse, render, to, to_next, visit_of
from provisioning.page.steps.by_camera import first_left, is_done_for_all, of_request, tabs
from provisioning.page.steps.live import LivePicture, LivePictures, LiveSource
from provisioning.texts import say

if TYPE_CHECKING:
    from starlette.requests import Request

    from agent.config import CameraConfig, Config
    from provisioning.page.site import PageContext

NAME: Final = "aim"
# A camera that hangs upside down is turned by its own menu; beyond this a slip of the finger is meant.
_MOST_ROLL_DEG: Final = 45.0


class NoPicture(msgspec.Struct, frozen=True):
    """Why there is no picture now, in the technician's language."""

    problem: str


def routes(context: PageContext) -> list[BaseRoute]:
    step = _Aim(context)
    return [
        Route("/aim", step.first),
        Route("/aim/{camera}", step.page),
        Route("/aim/{camera}", step.keep, methods=["POST"]),
        Route("/aim/{camera}/picture.jpg", step.picture),
        Route("/aim/{camera}/over", step.start_over, methods=["POST"]),
    ]


def is_done(context: PageContext) -> bool:
    return is_done_for_all(context, noted(context))


def noted(context: PageContext) -> dict[str, AimNote]:
    """What was measured last, by camera."""
    note = context.note(NAME, AimNotes)
    return {each.camera: each for each in note.cameras} if note else {}


class _Aim:
    def __init__(self, context: PageContext) -> None:
        self._context = context
        self._live = LivePictures(context.clock)

    def first(self, request: Request) -> Response:
        camera = first_left(self._context, noted(self._context))
        return to(f"/aim/{camera}" if camera else "/cameras")

    def page(self, request: Request) -> Response:
        return self._page(request)

    def picture(self, request: Request) -> Response:
        """The newest picture with what was measured in it as headers; waits for one newer than `after`."""
        live = self._of(request)
        if live is None:
            return Response(status_code=404)
        after = request.query_params.get("after", "0")
        shot = live.shot(int(after) if after.isdecimal() and len(after) < 10 else 0)
        if not shot.jpeg:
            return as_json(NoPicture(self._problem(request, shot.problem)), status=503)
        headers = {
            "x-number": str(shot.number),
            "x-width": str(shot.width),
            "x-score": f"{shot.score:.0f}",
            "x-best": f"{shot.best:.0f}",
            "x-share": f"{shot.share:.3f}",
            "x-advice": shot.advice.value,
            "x-from-ring": "1" if shot.is_from_ring else "",
        }
        return Response(shot.jpeg, media_type="image/jpeg", headers=headers)

    def start_over(self, request: Request) -> Response:
        live = self._of(request)
        if live is not None:
            live.start_over()
        return Response(status_code=204)

    def keep(self, request: Request) -> Response:
        """Write down what was reached, and go on."""
        live = self._of(request)
        if live is None:
            return refuse(request, 404, "not_found")
        shot = live.shot(wait_s=1.0)
        if not shot.jpeg:
            return self._page(request, problem=self._problem(request, shot.problem))
        camera = request.path_params["camera"]
        note = AimNote(
            camera=camera,
            score=shot.score,
            # Whoever goes on at once has no best yet.
            best=max(shot.best, shot.score),
            advice=shot.advice.value,
            width=shot.width,
            height=shot.height,
            wall_ns=shot.wall_ns,
            roll_deg=read_roll(form_of(request).text("roll")),
        )
        notes = noted(self._context) | {camera: note}
        self._context.write_note(NAME, AimNotes(cameras=tuple(notes[name] for name in sorted(notes))))
        return to_next(request) if is_done(self._context) else to("/aim")

    def _page(self, request: Request, problem: str = "") -> Response:
        found = of_request(self._context, request)
        if found is None:
            return to("/aim")
        config, camera = found
        done = noted(self._context)
        return render(
            request,
            "steps/aim.html",
            status=409 if problem else 200,
            camera=camera,
            tabs=tabs(config, done, camera.id),
            note=done.get(camera.id),
            problem=problem,
        )

    def _of(self, request: Request) -> LivePicture | None:
        found = of_request(self._context, request)
        return None if found is None else self._live.of(live_source(*found))

    @staticmethod
    def _problem(request: Request, problem: Exception | None) -> str:
        language = visit_of(request).language
        if isinstance(problem, CameraError):
            return explain(language, problem)
        return say(language, "aim.no_picture")


def live_source(config: Config, camera: CameraConfig) -> LiveSource:
    """The small stream where there is one: it is what vision sees, and cheap. A CSI or V4L2 camera belongs to its own
    process and is seen through the ring. Raises CameraRefused for a password that cannot be read."""
    from agent.media.source import SourceAddress, read_password

    url = camera.sub or camera.main
    stream: SourceAddress | None = SourceAddress(
        camera.id, url, camera.username, read_password(camera.password_file, camera=camera.id), camera.loop
    )
    if not url.startswith(("rtsp://", "rtsps://", "file:")):
        stream = None
    return LiveSource(camera.id, stream, Path(config.data_dir))


def read_roll(text: str) -> float | None:
    """Degrees as the page's script sends them; None where the line was not touched, or for anything else."""
    try:
        roll = float(text)
    except ValueError:
        return None
    return round(roll, 1) if math.isfinite(roll) and abs(roll) <= _MOST_ROLL_DEG else None
