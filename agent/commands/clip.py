"""`clip.plan` and `clip.export`: footage of a span, or exactly which parts are missing and why."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from agent import log
from agent.commands.trust import Trust
from agent.commands.upload import Upload, UploadPolicy, check_target, upload_put, upload_tus
from agent.commands.work import Outcome, Work
from agent.contract.commands import AnswerState
from agent.contract.events import CLIP, ClipData, ClipFileData
from agent.contract.requests import ClipExportArgs, ClipExportResult, ClipPlanArgs, ClipPlanResult
from agent.contract.wire import WireGap, WireSpan
from agent.errors import ClipRefused, CommandFailed, CommandRejected, UploadError
from agent.recording.cut import ClipPlan
from agent.recording.exporter import ExportedFile, export_clip
from agent.recording.ringclip import plan_from_ring
from agent.store import transaction
from agent.units import NS_PER_MS, WallSpan, format_rfc3339, parse_span

# Cutting is a copy on disk, the line is what takes time: what each takes of the progress that staff see.
_CUT_SHARE: Final = 0.2
_REPORT_INTERVAL_S: Final = 0.5
# In data_dir, so that media is copied within one file system.
EXPORTS: Final = "exports"

_log = log.get("clip")


def plan_clip_command(work: Work) -> Outcome:
    args = msgspec.json.decode(work.payload.args, type=ClipPlanArgs)
    plan = _plan(work, args.camera, args.start, args.end)
    result = ClipPlanResult(
        camera=plan.camera,
        asked=_span(plan.asked),
        delivered=tuple(map(_span, plan.delivered)),
        gaps=_gaps(plan),
        files=len(plan.files),
        bytes=plan.size_bytes,
    )
    return Outcome(AnswerState.SUCCEEDED, result)


def export_clip_command(work: Work) -> Outcome:
    args = msgspec.json.decode(work.payload.args, type=ClipExportArgs)
    urls = (args.upload_url, *args.more_upload_urls)
    policy = _check_addresses(work, urls)
    progress = _Progress(work.report)
    folder = work.facts.data_dir / EXPORTS / work.payload.jti
    folder.mkdir(parents=True, exist_ok=True)
    try:
        plan, files = _cut(work, args, folder, progress)
        if not files:
            message = "nothing of this span was recorded, see gaps"
            return _ended(work, plan, (), state=AnswerState.FAILED, reason="nothing_recorded", message=message)
        for number, (file, url) in enumerate(zip(files, urls, strict=False)):
            upload = Upload(file.path, file.sha256, url)
            carry = upload_put if args.upload_method == "put" else upload_tus
            carry(upload, policy, stop=work.stop, on_progress=progress.upload(number, len(files)))
    finally:
        _remove(folder)
    if plan.is_partial:
        message = "parts are missing, see gaps"
        return _ended(work, plan, files, state=AnswerState.PARTIAL, reason="gaps", message=message)
    return _ended(work, plan, files, state=AnswerState.SUCCEEDED, reason="", message="")


def clear_exports(data_dir: Path) -> None:
    """Remove what a process that died left of its exports; call it before any is begun."""
    try:
        shutil.rmtree(data_dir / EXPORTS)
    except FileNotFoundError:
        return
    except OSError as exc:
        # Only room on the disk is lost by it.
        _log.error("exports not removed", problem=str(exc))


def _check_addresses(work: Work, urls: tuple[str, ...]) -> UploadPolicy:
    """Raises CommandRejected for an address where clips may not go, before anything is cut."""
    policy = UploadPolicy(allow_loopback_http=work.facts.trust is Trust.OPEN)
    try:
        for url in urls:
            check_target(url, policy)
    except UploadError as exc:
        raise CommandRejected(remedy=exc.remedy, **exc.facts) from exc
    return policy


def _cut(
    work: Work, args: ClipExportArgs, folder: Path, progress: _Progress
) -> tuple[ClipPlan, tuple[ExportedFile, ...]]:
    """The clip as files in `folder`; none when nothing was recorded. Raises CommandRejected, CommandFailed.

    Retention may take the oldest of the footage between plan and copy: then what is left is planned once more, and the
    new plan says that the rest expired. The copy takes seconds, retention some segments a sweep: twice is enough.
    """
    plan = _plan(work, args.camera, args.start, args.end)
    for is_last in (False, True):
        addresses = 1 + len(args.more_upload_urls)
        if len(plan.files) > addresses:
            raise CommandRejected(
                reason="too_few_addresses",
                files=len(plan.files),
                remedy="the clip needs more files; ask clip.plan first",
            )
        if not plan.files:
            break
        _require_room(work, plan)
        try:
            out = folder / f"{args.camera}_{plan.asked.start_ns // NS_PER_MS}.mp4"
            return plan, export_clip(plan, work.facts.data_dir, out, progress.cut)
        except ClipRefused as exc:
            if is_last or exc.facts.get("reason") not in ("footage_vanished", "footage_changed"):
                raise
            _log.warning("footage went while it was copied", jti=work.payload.jti, problem=str(exc))
            plan = _plan(work, args.camera, args.start, args.end)
    return plan, ()


def _require_room(work: Work, plan: ClipPlan) -> None:
    """A clip is a copy on the ring's own disk, and the recorders need what is free there: it may take half of the room
    that retention keeps free, which is made anew within a sweep. Raises CommandFailed."""
    free_bytes = shutil.disk_usage(work.facts.data_dir).free
    if free_bytes - plan.size_bytes < work.facts.keep_free_bytes // 2:
        raise CommandFailed(
            reason="disk_full",
            clip_bytes=plan.size_bytes,
            free_bytes=free_bytes,
            remedy="the node's disk has no room for a clip this long; ask for shorter ones, one after the other",
        )


def _plan(work: Work, camera: str, start: str, end: str) -> ClipPlan:
    """Raises CommandRejected for an unknown camera or the future, TimeError for a time that must be guessed."""
    work.require_camera(camera)
    asked = parse_span(start, end)
    now_ns = work.facts.clock.wall_ns()
    if asked.start_ns >= now_ns:
        raise CommandRejected(
            reason="in_the_future", start=start, remedy=f"the node's clock says {format_rfc3339(now_ns)}; ask later"
        )
    return plan_from_ring(work.conn, work.facts.data_dir, camera, asked, now_ns)


def _ended(
    work: Work, plan: ClipPlan, files: tuple[ExportedFile, ...], *, state: AnswerState, reason: str, message: str
) -> Outcome:
    """The outcome, told as a `clip` event too: the centre's record of who got what does not depend on the requester."""
    told = tuple(_file(file, plan) for file in files)
    result = ClipExportResult(
        camera=plan.camera,
        asked=_span(plan.asked),
        delivered=tuple(map(_span, plan.delivered)),
        gaps=_gaps(plan),
        files=told,
    )
    data = ClipData(
        jti=work.payload.jti,
        state=state.value,
        camera=plan.camera,
        asked=result.asked,
        delivered=result.delivered,
        gaps=result.gaps,
        files=told,
        actor=work.payload.actor.id,
        purpose=work.payload.purpose,
        case_ref=work.payload.case_ref,
        reason=reason,
    )
    with transaction(work.conn):
        work.hands.tell(work.conn, CLIP, data, plan.camera)
    return Outcome(state, result, reason, message)


class _Progress:
    """Over all steps of one clip, told at most twice a second."""

    def __init__(self, report: Callable[[float, str], None]) -> None:
        self._report = report
        self._told_s = 0.0

    def cut(self, done_bytes: int, total_bytes: int) -> None:
        self._tell(_CUT_SHARE * done_bytes / max(total_bytes, 1), "cutting")

    def upload(self, number: int, count: int) -> Callable[[int, int], None]:
        def told(done_bytes: int, total_bytes: int) -> None:
            share = (number + done_bytes / max(total_bytes, 1)) / count
            self._tell(_CUT_SHARE + (1 - _CUT_SHARE) * share, "sending")

        return told

    def _tell(self, progress: float, word: str) -> None:
        now_s = time.monotonic()
        if now_s - self._told_s >= _REPORT_INTERVAL_S:
            self._told_s = now_s
            self._report(min(progress, 1.0), word)


def _remove(folder: Path) -> None:
    try:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    except OSError as exc:
        raise CommandFailed(reason="exports_not_removed", folder=str(folder)) from exc


def _file(file: ExportedFile, plan: ClipPlan) -> ClipFileData:
    return ClipFileData(
        name=file.path.name,
        bytes=file.size_bytes,
        sha256=file.sha256,
        start=format_rfc3339(file.span.start_ns),
        end=format_rfc3339(file.span.end_ns),
        frames=file.frames,
        codec=plan.files[0].movie.codec,
    )


def _gaps(plan: ClipPlan) -> tuple[WireGap, ...]:
    return tuple(wire_gap(gap.span, gap.reason) for gap in plan.gaps)


def wire_gap(span: WallSpan, reason: str) -> WireGap:
    return WireGap(
        start=format_rfc3339(span.start_ns),
        end=format_rfc3339(span.end_ns),
        seconds=round(span.duration_s, 3),
        reason=reason,
    )


def _span(span: WallSpan) -> WireSpan:
    return WireSpan(start=format_rfc3339(span.start_ns), end=format_rfc3339(span.end_ns))
