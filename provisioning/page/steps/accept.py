"""Step `accept`: everything measured once more, what is missing answered for by name, the report signed and sent."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from agent.enrolment.standing import Standing
from agent.errors import CentreUnreachable, EnrolmentError, SetupError
from provisioning.acceptance.document import content_policy
from provisioning.acceptance.gather import CameraNotes, Site
from provisioning.acceptance.handover import Measured, Signature, accept, look, pack, send
from provisioning.acceptance.items import missing
from provisioning.acceptance.notes import AcceptNote, Waiver
from provisioning.acceptance.seal import HTML_NAME, JWS_NAME
from provisioning.page.checking import last_results
from provisioning.page.shell import form_of, render, to, visit_of
from provisioning.page.steps import aim, cameras, scene, walk
from provisioning.page.steps.site_cameras import load, slots
from provisioning.texts import say

if TYPE_CHECKING:
    from starlette.requests import Request

    from provisioning.acceptance.items import Item
    from provisioning.page.forms import Form
    from provisioning.page.site import PageContext

NAME: Final = "accept"
# The word of each reason offered at a tap: `accept.waive.{…}`.
_REASONS: Final = ("no_line", "later", "by_design")
_MOST_LETTERS: Final = 100
_MOST_REASON: Final = 300
# Where each item is put right.
_FIX: Final = {
    "enrolled": "/order",
    "camera": "/cameras",
    "checks": "/checks",
    "probe": "/cameras",
    "focus": "/aim",
    "scene": "/scene",
    "walk": "/walk",
    "ack": "/walk",
}


def routes(context: PageContext) -> list[BaseRoute]:
    step = _Accept(context)
    return [
        Route("/accept", step.page),
        Route("/accept", step.sign, methods=["POST"]),
        Route("/accept/send", step.send_again, methods=["POST"]),
        Route("/accept/report.html", step.document),
        Route("/accept/report.zip", step.package),
    ]


def is_done(context: PageContext) -> bool:
    return context.home.load_enrolment().state is Standing.IN_SERVICE


class _Accept:
    """One measurement at a time: each pulls a clip of every camera."""

    def __init__(self, context: PageContext) -> None:
        self._context = context
        self._lock = threading.Lock()

    def page(self, request: Request) -> Response:
        note = self._note()
        if is_done(self._context) and self._folder(note) is not None:
            return render(request, "steps/accept_done.html", note=note, problem="", signed=True)
        with self._lock:
            measured = look(self._site(), last_results(self._context))
        is_young = any(camera.clip_problem == "not_yet" for camera in measured.cameras)
        if is_young and "now" not in request.query_params:
            # The last camera was connected a moment ago: the page asks again by itself.
            return render(request, "steps/accept_wait.html")
        return self._page(request, measured, missing(measured.items, ()))

    def sign(self, request: Request) -> Response:
        form, language = form_of(request), visit_of(request).language
        name = form.text("technician")[:_MOST_LETTERS]
        site, checks = self._site(), last_results(self._context)
        try:
            with self._lock:
                accepted = accept(site, checks, Signature(name, self._waivers(form, name)))
        except SetupError as exc:
            with self._lock:
                measured = look(site, checks)
            problem = say(language, f"accept.{exc.facts['reason']}")
            return self._page(request, measured, missing(measured.items, ()), problem)
        if accepted.folder is None:
            with self._lock:
                measured = look(site, checks)
            return self._page(request, measured, missing(measured.items, ()), say(language, "accept.no_reason"))
        now_ns = self._context.clock.wall_ns()
        self._context.write_note(NAME, AcceptNote(technician=name, folder=accepted.folder.name, signed_ns=now_ns))
        self._send(accepted.folder)
        return to("/accept")

    def send_again(self, request: Request) -> Response:
        note = self._note()
        folder = self._folder(note)
        if folder is None:
            return to("/accept")
        reason = self._send(folder)
        if not reason:
            return to("/accept")
        language = visit_of(request).language
        problem = say(language, "accept.done.refused", reason=reason) if reason != "unreachable" else ""
        return render(request, "steps/accept_done.html", note=note, problem=problem, signed=True)

    def document(self, request: Request) -> Response:
        folder = self._folder(self._note())
        if folder is None:
            return Response(status_code=404)
        headers = {"content-security-policy": content_policy()}
        return Response((folder / HTML_NAME).read_bytes(), media_type="text/html", headers=headers)

    def package(self, request: Request) -> Response:
        folder = self._folder(self._note())
        if folder is None:
            return Response(status_code=404)
        record = self._context.home.load_enrolment()
        name = f"wayside-{record.site or 'site'}-{folder.name}.zip"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(pack(folder), media_type="application/zip", headers=headers)

    def _send(self, folder: Path) -> str:
        """Empty when the centre has it; otherwise its word why not, or `unreachable`: it is then kept for later."""
        try:
            answer = send(self._context.home, folder)
        except (CentreUnreachable, EnrolmentError):
            return "unreachable"
        if answer.state != "kept":
            return answer.reason or answer.state
        note = msgspec.structs.replace(self._note(), sent_ns=self._context.clock.wall_ns())
        self._context.write_note(NAME, note)
        return ""

    def _page(self, request: Request, measured: Measured, lacking: tuple[Item, ...], problem: str = "") -> Response:
        form, language = form_of(request), visit_of(request).language
        return render(
            request,
            "steps/accept.html",
            status=422 if problem else 200,
            problem=problem,
            lacking=[(field_of(item), item, form.text(field_of(item)), _FIX.get(item.id, "")) for item in lacking],
            items=measured.items,
            words=lambda item: (item.title(language), item.sentence(language)),
            technician=form.text("technician") or self._note().technician,
            reasons=_REASONS,
        )

    def _waivers(self, form: Form, name: str) -> tuple[Waiver, ...]:
        """A reason was written beside each item that its writer answers for."""
        now_ns = self._context.clock.wall_ns()
        found = []
        for field in form.fields:
            prefix, item, about = (*field.split(":", 2), "", "")[:3]
            reason = form.text(field)[:_MOST_REASON]
            if prefix == "reason" and item and reason:
                found.append(Waiver(item=item, about=about, name=name, reason=reason, wall_ns=now_ns))
        return tuple(found)

    def _site(self) -> Site:
        context = self._context
        probes, aims, walks = cameras.noted(context), aim.noted(context), walk.noted(context)
        scenes = scene.noted(context)

        def notes(camera: str) -> CameraNotes:
            return CameraNotes(probes.get(camera), aims.get(camera), walks.get(camera), has_scene=camera in scenes)

        ordered = tuple(slot.id for slot in slots(context.home, load(context.home)) if slot.name or slot.purpose)
        return Site(context.home, context.clock, notes, ordered)

    def _note(self) -> AcceptNote:
        return self._context.note(NAME, AcceptNote) or AcceptNote()

    def _folder(self, note: AcceptNote) -> Path | None:
        folder = self._context.home.acceptance / note.folder
        return folder if note.folder and (folder / JWS_NAME).is_file() else None


def field_of(item: Item) -> str:
    """The form's name for the reason of an item."""
    return f"reason:{item.id}:{item.about}"
