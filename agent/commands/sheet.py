"""`sheet`: small pictures of a span on one page, uploaded: seen on a thin line before a clip is pulled.

The node finds the pictures by its own box headers and hands their bytes to vision, which alone decodes.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec

from agent.commands import journal
from agent.commands.clip import check_addresses, is_erased_since, plan_of, require_time
from agent.commands.clipjob import exports_of, remove
from agent.commands.clipresult import wire_gaps, wire_span
from agent.commands.upload import Upload, upload_put, upload_tus
from agent.commands.upload_line import UploadPolicy
from agent.commands.work import Outcome, Work
from agent.contract.commands import AnswerState
from agent.contract.events import ClipFileData
from agent.contract.requests import SheetArgs, SheetResult
from agent.errors import CommandFailed, DiskError, SegmentDamaged
from agent.identity import new_uuid7
from agent.notices import SheetTile, SheetWanted
from agent.recording.cut import ClipPlan
from agent.recording.ringclip import reading
from agent.recording.sheet import SheetGap, SheetStill, plan_sheet
from agent.recording.sheet import SheetTile as PlannedTile
from agent.recording.sheetwords import gap_words, label_of, note_of, title_of
from agent.recording.stillfile import read_still
from agent.store import transaction
from agent.units import NS_PER_MS, format_rfc3339, parse_span

# A link's frame carries 32 MiB; 24 IDRs of 4K at 16 Mbit/s are some 20 MB. What is beyond is left out, and says so.
_MOST_BYTES: Final = 28 << 20


class SheetJob(msgspec.Struct, frozen=True):
    """A sheet on its way, in the journal: `result` is what the answer will say, its JPEG lies in `exports/{jti}`, and
    `place` is where its upload stands at the receiver."""

    result: SheetResult
    place: str = ""


def make_sheet(work: Work) -> Outcome:
    """What a former process had made is sent on; where that had arrived, the receiver says so."""
    args = msgspec.json.decode(work.payload.args, type=SheetArgs)
    # At most 300 kB, and somebody looks at it to decide what to pull: the clip on the same line stands still for it.
    policy = replace(check_addresses(work, (args.upload_url,)), yields=False, behind=None)
    folder = exports_of(work.facts.data_dir, work.payload.jti)
    try:
        job = _resumed(work, args, folder) or _made(work, args, folder)
        if isinstance(job, Outcome):
            return job
        require_time(work, args.upload_expires)
        path = folder / job.result.file.name
        upload = Upload(path, job.result.file.sha256, args.upload_url, job.place, content_type="image/jpeg")
        with work.facts.uploads.precedence.first():
            _send(work, upload, policy, job.result)
    finally:
        # A node that ends keeps it for the next one.
        if not work.stop.is_set():
            remove(folder)
    if job.result.gaps:
        return Outcome(AnswerState.PARTIAL, job.result, "gaps", "parts are missing, see gaps")
    return Outcome(AnswerState.SUCCEEDED, job.result)


def _send(work: Work, upload: Upload, policy: UploadPolicy, result: SheetResult) -> None:
    args = msgspec.json.decode(work.payload.args, type=SheetArgs)
    if args.upload_method == "put":
        upload_put(upload, policy, stop=work.stop)
    else:
        upload_tus(upload, policy, stop=work.stop, on_place=lambda place: _save(work, SheetJob(result, place)))


def _resumed(work: Work, args: SheetArgs, folder: Path) -> SheetJob | None:
    data = journal.saved_job(work.conn, work.payload.jti)
    if data is None:
        return None
    job = msgspec.json.decode(data, type=SheetJob)
    is_there = (folder / job.result.file.name).is_file()
    return job if is_there and not is_erased_since(work, args, job.result.gaps) else None


def _made(work: Work, args: SheetArgs, folder: Path) -> SheetJob | Outcome:
    """The sheet on disk and in the journal, or how the command ends without one."""
    with reading(work.facts.data_dir, args.camera, parse_span(args.start, args.end)):
        plan = plan_of(work, args.camera, args.start, args.end)
        if not plan.files:
            return _nothing(plan)
        work.report(0.1, "looking")
        planned = plan_sheet(plan, args.stills)
        wanted, pictures = _gather(work, plan, planned)
    jpeg = work.hands.sheet(wanted, pictures)
    path = _write(folder, f"{plan.camera}_{plan.asked.start_ns // NS_PER_MS}.jpg", jpeg)
    shown = [tile.wall_ns for tile, told in zip(planned, wanted.tiles, strict=True) if told.size_bytes]
    result = SheetResult(
        camera=plan.camera,
        asked=wire_span(plan.asked),
        gaps=wire_gaps(plan),
        stills=tuple(map(format_rfc3339, shown)),
        file=ClipFileData(
            name=path.name,
            bytes=len(jpeg),
            sha256=hashlib.sha256(jpeg).hexdigest(),
            start=format_rfc3339(plan.asked.start_ns),
            end=format_rfc3339(plan.asked.end_ns),
        ),
    )
    job = SheetJob(result)
    _save(work, job)
    return job


def _save(work: Work, job: SheetJob) -> None:
    with transaction(work.conn):
        journal.save_job(work.conn, work.payload.jti, msgspec.json.encode(job))


def _nothing(plan: ClipPlan) -> Outcome:
    reasons = ", ".join(dict.fromkeys(gap.reason for gap in plan.gaps))
    return Outcome(AnswerState.FAILED, None, "nothing_recorded", f"nothing of this span was recorded: {reasons}")


def _gather(work: Work, plan: ClipPlan, planned: tuple[PlannedTile, ...]) -> tuple[SheetWanted, bytes]:
    zone = work.facts.zone
    pictures: list[bytes] = []
    tiles: list[SheetTile] = []
    left = _MOST_BYTES
    for tile in planned:
        label = label_of(tile, zone)
        if isinstance(tile, SheetGap):
            tiles.append(SheetTile(label, 0, gap_words(tile)))
            continue
        mp4, words = _read(work.facts.data_dir, tile)
        if len(mp4) > left:
            mp4, words = b"", ("left out: too many", "large pictures")
        left -= len(mp4)
        pictures.append(mp4)
        tiles.append(SheetTile(label, len(mp4), words))
    wanted = SheetWanted(new_uuid7(), plan.camera, title_of(plan, zone), note_of(plan), tuple(tiles))
    return wanted, b"".join(pictures)


def _read(data_dir: Path, still: SheetStill) -> tuple[bytes, tuple[str, ...]]:
    try:
        mp4 = read_still(data_dir, still)
    except (SegmentDamaged, OSError):
        return b"", ("this picture cannot be read",)
    return (b"", ("the ring has deleted it",)) if mp4 is None else (mp4, ())


def _write(folder: Path, name: str, jpeg: bytes) -> Path:
    """Raises DiskError, CommandFailed."""
    if not jpeg:
        raise CommandFailed(reason="no_picture", remedy="there is no picture")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        with path.open("wb") as file:
            file.write(jpeg)
            file.flush()
            os.fsync(file.fileno())
    except OSError as exc:
        raise DiskError(path=str(folder), error=exc.strerror or "", remedy="free some space") from exc
    return path
