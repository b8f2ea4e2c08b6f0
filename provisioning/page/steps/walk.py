"""Step `walk`: somebody walks through a zone; the node must see it, and the centre confirm it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from agent.errors import StoreError
from agent.recording.incidents import Still, read_still
from agent.store import open_store
from agent.units import format_rfc3339
from provisioning.acceptance.gather import summarise_scene
from provisioning.acceptance.notes import WalkNote, WalkNotes
from provisioning.page.shell import as_json, refuse, render, to, visit_of
from provisioning.page.steps import scene
from provisioning.page.steps.by_camera import first_left, of_request, tabs
from provisioning.page.steps.site_cameras import load
from provisioning.page.steps.walk_watch import ACK_LIMIT_S, SEEN_LIMIT_S, WalkState, advance, look, state_of
from provisioning.texts import say

if TYPE_CHECKING:
    from starlette.requests import Request

    from agent.config import Config
    from provisioning.page.site import PageContext

NAME: Final = "walk"


class Told(msgspec.Struct, frozen=True):
    """The walk as the page shows it; times are the site's, empty where there is none yet."""

    state: str
    sentence: str
    seen: str = ""
    seen_words: str = ""
    acked: str = ""
    still: str = ""


def routes(context: PageContext) -> list[BaseRoute]:
    step = _Walk(context)
    return [
        Route("/walk", step.first),
        Route("/walk/{camera}", step.page),
        Route("/walk/{camera}", step.start, methods=["POST"]),
        Route("/walk/{camera}/state.json", step.state),
        Route("/walk/{camera}/still.jpg", step.still),
    ]


def is_done(context: PageContext) -> bool:
    """Somebody was seen on every camera that watches for anything; the centre's word may come later, or be waived."""
    if not scene.is_done(context):
        # Until every scene was drawn nobody knows what is watched for.
        return False
    return all(_is_seen(noted(context).get(each)) for each in _watching(context, load(context.home)))


def noted(context: PageContext) -> dict[str, WalkNote]:
    """The newest walk of each camera."""
    note = context.note(NAME, WalkNotes)
    return {each.camera: each for each in note.cameras} if note else {}


def _is_seen(walk: WalkNote | None) -> bool:
    return walk is not None and walk.seen_ns > 0


def _watching(context: PageContext, config: Config | None) -> list[str]:
    drawn = [(camera.id, summarise_scene(context.home, camera)) for camera in config.cameras] if config else []
    return [camera for camera, summary in drawn if summary is not None and summary.watches]


class _Walk:
    def __init__(self, context: PageContext) -> None:
        self._context = context

    def first(self, request: Request) -> Response:
        config = load(self._context.home)
        seen = {name for name, walk in noted(self._context).items() if _is_seen(walk)}
        watching = _watching(self._context, config)
        camera = next((each for each in watching if each not in seen), "") or first_left(self._context, seen)
        return to(f"/walk/{camera}" if camera else "/cameras")

    def page(self, request: Request) -> Response:
        found = of_request(self._context, request)
        if found is None:
            return to("/walk")
        config, camera = found
        walks = noted(self._context)
        watching = _watching(self._context, config)
        left = [each for each in watching if not _is_seen(walks.get(each)) and each != camera.id]
        return render(
            request,
            "steps/walk.html",
            camera=camera,
            tabs=tabs(config, {each for each in walks if _is_seen(walks[each])}, camera.id),
            is_watching=camera.id in watching,
            zones=summarise_scene(self._context.home, camera),
            told=self._told(request, walks.get(camera.id), config),
            next=f"/walk/{left[0]}" if left else "/accept",
        )

    def start(self, request: Request) -> Response:
        found = of_request(self._context, request)
        if found is None:
            return refuse(request, 404, "not_found")
        self._keep(WalkNote(camera=found[1].id, started_ns=self._context.clock.wall_ns()))
        return to(f"/walk/{found[1].id}")

    def state(self, request: Request) -> Response:
        found = of_request(self._context, request)
        if found is None:
            return refuse(request, 404, "not_found")
        config, camera = found
        walk = noted(self._context).get(camera.id)
        if walk is not None and not walk.acked_ns:
            seen = look(Path(config.data_dir), walk)
            later = advance(walk, seen, self._context.clock.wall_ns())
            if later != walk:
                self._keep(later)
            walk = later
        return as_json(self._told(request, walk, config))

    def still(self, request: Request) -> Response:
        found = of_request(self._context, request)
        walk = noted(self._context).get(request.path_params["camera"])
        still = _still(Path(found[0].data_dir), walk.incident) if found and walk and walk.incident else None
        return Response(still.jpeg, media_type="image/jpeg") if still else Response(status_code=404)

    def _keep(self, walk: WalkNote) -> None:
        walks = noted(self._context) | {walk.camera: walk}
        self._context.write_note(NAME, WalkNotes(cameras=tuple(walks[name] for name in sorted(walks))))

    def _told(self, request: Request, walk: WalkNote | None, config: Config) -> Told:
        language, state = visit_of(request).language, state_of(walk, self._context.clock.wall_ns())
        facts = {"seen_s": SEEN_LIMIT_S, "ack_s": ACK_LIMIT_S}
        if state is WalkState.NOT_ARRIVED and config.broker is None:
            return self._filled(walk, config, Told(state.value, say(language, "walk.state.no_broker")), request)
        return self._filled(
            walk, config, Told(state.value, say(language, f"walk.state.{state.value}", **facts)), request
        )

    def _filled(self, walk: WalkNote | None, config: Config, told: Told, request: Request) -> Told:
        if walk is None or not walk.seen_ns:
            return told
        language = visit_of(request).language
        return msgspec.structs.replace(
            told,
            seen=_clock_time(walk.seen_ns, config),
            seen_words=say(language, "walk.seen_words", kind=say(language, f"walk.kind.{walk.kind}"), zone=walk.zone),
            acked=_clock_time(walk.acked_ns, config) if walk.acked_ns else "",
            still=f"/walk/{walk.camera}/still.jpg?of={walk.incident}",
        )


def _clock_time(wall_ns: int, config: Config) -> str:
    """HH:MM:SS in the site's time zone."""
    return format_rfc3339(wall_ns, config.zone)[11:19]


def _still(data_dir: Path, incident: str) -> Still | None:
    try:
        conn = open_store(data_dir, readonly=True)
    except StoreError:
        return None
    try:
        return read_still(conn, data_dir, incident)
    finally:
        conn.close()
