"""Step `cameras`: found on the network and in the node, or typed; tried, measured, put into the configuration."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from agent.config import CameraConfig
from agent.errors import CameraError, DiscoveryError, SetupError, WaysideError
from provisioning.acceptance.notes import CameraNote, CamerasNote
from provisioning.cameras.camera import Login
from provisioning.cameras.sentences import advise, explain
from provisioning.cameras.suggestion import Advice
from provisioning.page.shell import form_of, refuse, render, to, visit_of
from provisioning.page.steps.camera_trial import CameraRoom, Finder, RealCameraRoom, Trial, try_camera
from provisioning.page.steps.site_cameras import (
    MAX_CAMERAS,
    Slot,
    camera_ids,
    load,
    put_camera,
    remove_camera,
    shown,
    slots,
    split_login,
)
from provisioning.texts import Language, say

if TYPE_CHECKING:
    from starlette.requests import Request

    from provisioning.page.site import PageContext

NAME: Final = "cameras"


def routes(context: PageContext) -> list[BaseRoute]:
    step = _Cameras(context, RealCameraRoom())
    return [
        Route("/cameras", step.page),
        Route("/cameras/found", step.found),
        Route("/cameras/try", step.try_one, methods=["POST"]),
        Route("/cameras/{camera}", step.result),
        Route("/cameras/{camera}/picture.jpg", step.picture),
        Route("/cameras/{camera}/remove", step.remove, methods=["POST"]),
    ]


def is_done(context: PageContext) -> bool:
    """Some camera is configured, and each was tried here."""
    ids = camera_ids(context.home)
    return bool(ids) and set(ids) <= set(noted(context))


def noted(context: PageContext) -> dict[str, CameraNote]:
    """What was measured of each camera, by its id."""
    note = context.note(NAME, CamerasNote)
    return {each.camera: each for each in note.cameras} if note else {}


class _Cameras:
    """The step's handlers. Pictures of the trials are kept in memory: whoever reopens the page sees the facts alone."""

    def __init__(self, context: PageContext, room: CameraRoom) -> None:
        self._context = context
        self._finder = Finder(room)
        self._lock = threading.Lock()
        self._pictures: dict[str, bytes] = {}

    def page(self, request: Request) -> Response:
        return self._page(request)

    def found(self, request: Request) -> Response:
        """The fragment that the page's script asks for: looking takes seconds."""
        found = self._finder.look()
        problem = explain(visit_of(request).language, found.problem) if found.problem else ""
        return render(request, "steps/cameras_found.html", network=found.network, local=found.local, problem=problem)

    def try_one(self, request: Request) -> Response:
        form, language = form_of(request), visit_of(request).language
        slot = self._slot(form.text("slot"))
        if slot is None:
            return refuse(request, 404, "not_found")
        # The name stands in the field already: without a password it means nobody.
        login = Login(form.text("username"), form.text("password")) if form.text("password") else Login()
        url, login = split_login(form.text("url"), login)
        try:
            trial = try_camera(self._finder.room, self._finder.choose(form.text("chosen"), url, login))
            self._keep(slot, trial)
        except SetupError as exc:
            return self._page(request, problem=say(language, f"camera_step.problem.{exc.facts['reason']}"))
        except (CameraError, DiscoveryError) as exc:
            return self._page(request, problem=_explained(language, exc))
        return to(f"/cameras/{slot.id}")

    def result(self, request: Request) -> Response:
        camera = request.path_params["camera"]
        note = noted(self._context).get(camera)
        if note is None:
            return to("/cameras")
        left = [slot for slot in self._slots() if not slot.is_set_up and slot.name]
        language = visit_of(request).language
        with self._lock:
            has_picture = bool(self._pictures.get(camera))
        advice = [advise(language, Advice(word)) for word in note.advice if word in list(Advice)]
        return render(request, "steps/camera.html", camera=note, left=left, has_picture=has_picture, advice=advice)

    def picture(self, request: Request) -> Response:
        with self._lock:
            jpeg = self._pictures.get(request.path_params["camera"], b"")
        return Response(jpeg, media_type="image/jpeg") if jpeg else Response(status_code=404)

    def remove(self, request: Request) -> Response:
        camera = request.path_params["camera"]
        remove_camera(self._context.home, camera)
        self._write_notes({name: note for name, note in noted(self._context).items() if name != camera})
        return to("/cameras")

    def _page(self, request: Request, problem: str = "") -> Response:
        form, all_slots = form_of(request), self._slots()
        wanted = form.text("slot") or request.query_params.get("slot", "")
        chosen = next((slot for slot in all_slots if slot.id == wanted), None)
        chosen = chosen or next((slot for slot in all_slots if not slot.is_set_up), all_slots[0])
        return render(
            request,
            "steps/cameras.html",
            status=422 if problem else 200,
            slots=all_slots,
            chosen=chosen,
            problem=problem,
            url=shown(form.text("url")),
            by_hand=form.text("chosen") == "hand",
            username=form.text("username") or "admin",
            most=MAX_CAMERAS,
        )

    def _keep(self, slot: Slot, trial: Trial) -> None:
        home, login = self._context.home, trial.choice.login
        config = load(home)
        known = config.camera(slot.id) if config else None
        camera = CameraConfig(
            id=slot.id,
            name=slot.name,
            main=trial.main,
            sub=trial.sub,
            username=login.username,
            password_file=str(home.secret(slot.id)) if login.password else "",
            scene=known.scene if known else "",
        )
        put_camera(home, camera, login.password)
        if trial.probed is not None:
            with self._lock:
                self._pictures[slot.id] = trial.probed.picture
        self._write_notes(noted(self._context) | {slot.id: _note(slot, trial)})

    def _write_notes(self, notes: dict[str, CameraNote]) -> None:
        self._context.write_note(NAME, CamerasNote(cameras=tuple(notes[name] for name in sorted(notes))))

    def _slots(self) -> tuple[Slot, ...]:
        return slots(self._context.home, load(self._context.home))

    def _slot(self, wanted: str) -> Slot | None:
        return next((slot for slot in self._slots() if slot.id == wanted), None)


def _note(slot: Slot, trial: Trial) -> CameraNote:
    probed, said = trial.probed, trial.description
    return CameraNote(
        camera=slot.id,
        name=slot.name,
        found_by=trial.choice.kind,
        source=shown(trial.main),
        maker=f"{said.manufacturer} {said.model}".strip() if said else "",
        codec=probed.codec if probed else "",
        width=probed.width if probed else 0,
        height=probed.height if probed else 0,
        fps=(probed.fps or None) if probed else None,
        gop_frames=(probed.gop_frames or None) if probed else None,
        gop_s=(probed.gop_s or None) if probed else None,
        clock_offset_s=said.clock_offset_s if said else None,
        has_password=bool(trial.choice.login.password) and not (said and said.is_open),
        advice=tuple(each.value for each in trial.advice),
    )


def _explained(language: Language, error: WaysideError) -> str:
    if isinstance(error, DiscoveryError) and error.facts.get("reason") == "no_main":
        return advise(language, Advice.NO_MAIN)
    return explain(language, error)
