"""`clip.plan` and `clip.export`: footage of a span, or exactly which parts are missing and why."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from agent import log
from agent.commands.clipjob import ClipJob, are_files_there, exports_of, remove, save, saved
from agent.commands.clipresult import outcome_of, result_of, wire_gaps, wire_span
from agent.commands.hold import keep
from agent.commands.running import Halt
from agent.commands.trust import Trust
from agent.commands.upload import Upload, UploadPolicy, abandon_tus, check_target, upload_put, upload_tus
from agent.commands.upload_line import believing
from agent.commands.work import Outcome, Work
from agent.contract.commands import AnswerState
from agent.contract.requests import ClipExportArgs, ClipPlanArgs, ClipPlanResult, SheetArgs
from agent.contract.wire import WireGap
from agent.errors import ClipRefused, CommandFailed, CommandRejected, UploadError
from agent.recording.cut import ClipPlan
from agent.recording.exporter import ExportedFile, export_clip
from agent.recording.gaps import GapReason
from agent.recording.ringclip import plan_from_ring, reading
from agent.units import NS_PER_MS, format_rfc3339, parse_rfc3339, parse_span

# Cutting is a copy on disk, the line is what takes time: what each takes of the progress that staff see.
_CUT_SHARE: Final = 0.2
_REPORT_INTERVAL_S: Final = 0.5

_log = log.get("clip")


def plan_clip_command(work: Work) -> Outcome:
    args = msgspec.json.decode(work.payload.args, type=ClipPlanArgs)
    plan = plan_of(work, args.camera, args.start, args.end)
    result = ClipPlanResult(
        camera=plan.camera,
        asked=wire_span(plan.asked),
        delivered=tuple(map(wire_span, plan.delivered)),
        gaps=wire_gaps(plan),
        files=len(plan.files),
        bytes=plan.size_bytes,
    )
    return Outcome(AnswerState.SUCCEEDED, result)


def export_clip_command(work: Work) -> Outcome:
    """Cut, send, tell. What a former process had cut is sent as it was cut, from where its sending was cut off."""
    args = msgspec.json.decode(work.payload.args, type=ClipExportArgs)
    policy = check_addresses(work, (args.upload_url, *args.more_upload_urls))
    jti = work.payload.jti
    folder = exports_of(work.facts.data_dir, jti)
    progress = _Progress(work.report, work.stop)
    try:
        job = _resumed(work, args, folder)
        if job is None:
            if args.hold_days:
                # Before the copy: what is to stay must not go while it is made.
                keep(work, work.require_camera(args.camera), parse_span(args.start, args.end), days=args.hold_days)
            folder.mkdir(parents=True, exist_ok=True)
            plan, files = _cut(work, args, folder, progress)
            job = ClipJob(result_of(plan, files), ("",) * len(files))
            save(work.conn, jti, job, is_step=True)
        job = _send(work, args, job, policy, progress)
    finally:
        # A node that ends keeps it for the next one.
        if work.stop.is_cancelled or not work.stop.is_set():
            remove(folder)
    return outcome_of(work.payload, job.result)


def _resumed(work: Work, args: ClipExportArgs, folder: Path) -> ClipJob | None:
    """What a former process had cut; None when there is nothing to go on with, or when some of it was erased since:
    what a person had erased must not leave the node any more."""
    job = saved(work.conn, work.payload.jti)
    if job is None or not are_files_there(job, folder):
        return None
    if job.sent < len(job.result.files) and is_erased_since(work, args, job.result.gaps):
        return None
    _log.info("export goes on", jti=work.payload.jti, files=len(job.result.files), sent=job.sent)
    return job


def is_erased_since(work: Work, args: ClipExportArgs | SheetArgs, told: tuple[WireGap, ...]) -> bool:
    """Whether a person had some of it deleted since these gaps were found."""
    known = {gap.start for gap in told}
    now = wire_gaps(plan_of(work, args.camera, args.start, args.end))
    return any(gap.reason == GapReason.ERASED and gap.start not in known for gap in now)


def _send(work: Work, args: ClipExportArgs, job: ClipJob, policy: UploadPolicy, progress: _Progress) -> ClipJob:
    """Every file that has not arrived yet. Raises UploadError."""
    jti, urls = work.payload.jti, (args.upload_url, *args.more_upload_urls)
    folder = exports_of(work.facts.data_dir, jti)
    count = len(job.result.files)
    for number in range(job.sent, count):
        file = job.result.files[number]
        require_time(work, args.upload_expires)
        upload = Upload(folder / file.name, file.sha256, urls[number], job.places[number])
        on_progress = progress.upload(number, count)
        if args.upload_method == "put":
            upload_put(upload, policy, stop=work.stop, on_progress=on_progress)
        else:
            job = _send_by_tus(work, job, upload, policy, on_progress)
        job = msgspec.structs.replace(job, sent=number + 1)
        save(work.conn, jti, job, is_step=True)
    return job


def _send_by_tus(
    work: Work, job: ClipJob, upload: Upload, policy: UploadPolicy, on_progress: Callable[[int, int], None]
) -> ClipJob:
    """The job with the place of its next file, which is journaled as soon as the receiver names it. A receiver of a
    cancelled one is told to forget what it has."""

    def keep_place(place: str) -> None:
        nonlocal job
        places = (*job.places[: job.sent], place, *job.places[job.sent + 1 :])
        job = msgspec.structs.replace(job, places=places)
        save(work.conn, work.payload.jti, job)

    try:
        upload_tus(upload, policy, stop=work.stop, on_progress=on_progress, on_place=keep_place)
    except UploadError:
        if work.stop.is_cancelled and job.places[job.sent]:
            abandon_tus(job.places[job.sent], policy, work.stop)
        raise
    return job


def require_time(work: Work, expires: str | None) -> None:
    """A one-time address that has run out is not tried for minutes. Raises UploadError."""
    if expires is not None and work.facts.clock.wall_ns() > parse_rfc3339(expires, name="upload_expires"):
        raise UploadError(reason="address_expired", expires=expires, remedy="ask for the clip again")


def check_addresses(work: Work, urls: tuple[str, ...]) -> UploadPolicy:
    """Raises CommandRejected for an address where clips may not go, before anything is cut."""
    facts = work.facts
    policy = UploadPolicy(
        facts.upload_hosts(),
        allow_loopback_http=facts.trust is Trust.OPEN,
        tls=believing(facts.uploads.authority),
        ceiling_bytes_s=facts.uploads.ceiling_bytes_s,
        cameras=facts.uploads.cameras,
        behind=facts.uploads.precedence,
    )
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

    Retention spares what is read, as long as recording has room (agent.recording.pins). Where it could not, or a person
    had some erased, what is left is planned once more, and the new plan says why the rest is gone.
    """
    with reading(work.facts.data_dir, args.camera, parse_span(args.start, args.end)) as pin:
        return _cut_pinned(work, args, folder, pin.following(progress.cut))


def _cut_pinned(
    work: Work, args: ClipExportArgs, folder: Path, on_progress: Callable[[int, int], None]
) -> tuple[ClipPlan, tuple[ExportedFile, ...]]:
    plan = plan_of(work, args.camera, args.start, args.end)
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
            return plan, export_clip(plan, work.facts.data_dir, out, on_progress)
        except ClipRefused as exc:
            if is_last or exc.facts.get("reason") not in ("footage_vanished", "footage_changed"):
                raise
            _log.warning("footage went while it was copied", jti=work.payload.jti, problem=str(exc))
            plan = plan_of(work, args.camera, args.start, args.end)
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


def plan_of(work: Work, camera: str, start: str, end: str) -> ClipPlan:
    """Raises CommandRejected for an unknown camera or the future, TimeError for a time that must be guessed."""
    work.require_camera(camera)
    asked = parse_span(start, end)
    now_ns = work.facts.clock.wall_ns()
    if asked.start_ns >= now_ns:
        raise CommandRejected(
            reason="in_the_future", start=start, remedy=f"the node's clock says {format_rfc3339(now_ns)}; ask later"
        )
    return plan_from_ring(work.conn, work.facts.data_dir, camera, asked, now_ns)


class _Progress:
    """Over all steps of one clip, told at most twice a second."""

    def __init__(self, report: Callable[[float, str], None], stop: Halt) -> None:
        self._report = report
        self._stop = stop
        self._told_s = 0.0

    def cut(self, done_bytes: int, total_bytes: int) -> None:
        """Raises UploadError when the command is to stop: a day of footage is copied for minutes."""
        if self._stop.is_set():
            raise UploadError(reason="stopped")
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
