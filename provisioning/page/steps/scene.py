"""Step `scene`: zones, lines, masks and the ground drawn by finger over the camera's picture, kept as a scene file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from starlette.routing import BaseRoute, Route

from agent.config import CameraConfig
from agent.errors import ConfigError, SetupError
from agent.scene.file import decode_scene
from agent.scene.grammar import Scene
from provisioning.acceptance.notes import SceneNote, SceneNotes
from provisioning.page.shell import as_json, refuse, render, to, visit_of
from provisioning.page.steps.by_camera import first_left, is_done_for_all, of_request, tabs
from provisioning.page.steps.scene_file import encode_scene, read_drawing
from provisioning.page.steps.site_cameras import load, with_camera, write_config
from provisioning.texts import say

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from agent.enrolment.home import NodeHome
    from provisioning.page.site import PageContext

NAME: Final = "scene"
# What a technician may ask of a zone, in the words of `scene.rule.{…}`; the office may write the other rules too.
RULES: Final = ("intrusion", "loitering", "stopped_vehicle", "wrong_way")


class Drawing(msgspec.Struct, frozen=True):
    """What the page's script begins with. `problem`: the scene file that is there cannot be read and is drawn anew."""

    scene: Scene
    problem: str = ""


class Saved(msgspec.Struct, frozen=True):
    """Where to go on; or what is wrong, and the kind and number (from 1) of the shape that is meant."""

    next: str = ""
    problem: str = ""
    kind: str = ""
    number: int = 0


def routes(context: PageContext) -> list[BaseRoute]:
    step = _SceneStep(context)
    return [
        Route("/scene", step.first),
        Route("/scene/{camera}", step.page),
        Route("/scene/{camera}", step.save, methods=["POST"]),
        Route("/scene/{camera}/drawing.json", step.drawing),
    ]


def is_done(context: PageContext) -> bool:
    return is_done_for_all(context, noted(context))


def noted(context: PageContext) -> dict[str, SceneNote]:
    """Which cameras' scenes were looked at and saved."""
    note = context.note(NAME, SceneNotes)
    return {each.camera: each for each in note.cameras} if note else {}


class _SceneStep:
    def __init__(self, context: PageContext) -> None:
        self._context = context

    def first(self, request: Request) -> Response:
        camera = first_left(self._context, noted(self._context))
        return to(f"/scene/{camera}" if camera else "/cameras")

    def page(self, request: Request) -> Response:
        found = of_request(self._context, request)
        if found is None:
            return to("/scene")
        config, camera = found
        return render(
            request, "steps/scene.html", camera=camera, rules=RULES, tabs=tabs(config, noted(self._context), camera.id)
        )

    def drawing(self, request: Request) -> Response:
        found = of_request(self._context, request)
        if found is None:
            return refuse(request, 404, "not_found")
        scene = read_scene(self._context.home, found[1])
        if scene is None:
            return as_json(Drawing(Scene(), say(visit_of(request).language, "scene.unreadable")))
        return as_json(Drawing(scene))

    def save(self, request: Request) -> Response:
        found = of_request(self._context, request)
        if found is None:
            return refuse(request, 404, "not_found")
        camera, visit = found[1], visit_of(request)
        try:
            text = encode_scene(read_drawing(visit.body, camera.id))
        except SetupError as exc:
            facts = {"number": exc.facts["number"], "detail": exc.facts["detail"]}
            problem = say(visit.language, f"scene.fault.{exc.facts['reason']}", **facts)
            kind, number = str(exc.facts["reason"]).partition("_")[0], int(str(exc.facts["number"]))
            return as_json(Saved(problem=problem, kind=kind, number=number), status=422)
        put_scene(self._context.home, camera, text)
        notes = noted(self._context) | {camera.id: SceneNote(camera=camera.id, wall_ns=self._context.clock.wall_ns())}
        self._context.write_note(NAME, SceneNotes(cameras=tuple(notes[name] for name in sorted(notes))))
        return as_json(Saved(next="/walk" if is_done(self._context) else "/scene"))


def read_scene(home: NodeHome, camera: CameraConfig) -> Scene | None:
    """The camera's scene; an empty one where none was drawn, None for a file that cannot be read."""
    text = home.read_text(home.scene(camera.id))
    if text is None:
        return Scene(camera=camera.id)
    try:
        return decode_scene(text, name=home.scene(camera.id).name)
    except ConfigError:
        return None


def put_scene(home: NodeHome, camera: CameraConfig, text: str) -> None:
    """The file first, then its place in the configuration, which never names a file that is not there."""
    path = home.scene(camera.id)
    with home.locked():
        home.write_if_changed(path, text.encode())
        config = load(home)
        now = config.camera(camera.id) if config else None
        if config is not None and now is not None and now.scene != str(path):
            write_config(home, with_camera(config, msgspec.structs.replace(now, scene=str(path))))
