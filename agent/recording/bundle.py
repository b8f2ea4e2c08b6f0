"""Footage as evidence: one stored ZIP with whole segments, their chain, and a manifest that the node's key signs."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from agent.contract.wire import WireGap, WireSpan
from agent.errors import ClipRefused, SegmentDamaged
from agent.recording import evidence, index, manifest
from agent.recording.bundle_meta import ChainExcerpt, MetaFile, excerpt, meta_files
from agent.recording.bundle_readme import readme
from agent.recording.chain import instant
from agent.recording.cut import ClipPlan
from agent.recording.exporter import export_clip, read_segment
from agent.recording.folder import disk_error, sync_folder
from agent.recording.manifest import BundledFile, FilePart, Manifest, sums_text
from agent.recording.naming import SegmentName
from agent.recording.pins import Pin
from agent.recording.ringclip import plan_from_ring, reading
from agent.recording.signer import Signer
from agent.recording.zipform import ZipEntry, directory, local_header
from agent.units import WallSpan, format_rfc3339

OnProgress = Callable[[int, int], None]
_STEP_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class BundleRequest:
    """What is wanted, by whom and for what. The access itself is noted by the caller, before."""

    camera: str
    span: WallSpan
    actor: str
    purpose: str = ""
    case_ref: str = ""


@dataclass(frozen=True, slots=True)
class BundleReport:
    path: Path
    size_bytes: int
    manifest: Manifest
    is_partial: bool


@dataclass(frozen=True, slots=True)
class _Part:
    """A file of the bundle: small ones are held, footage is read from the disk twice, to hash and to copy."""

    file: BundledFile
    crc32: int
    data: bytes = b""
    disk: Path | None = None


def make_bundle(
    conn: sqlite3.Connection,
    data_dir: Path,
    request: BundleRequest,
    out: Path,
    *,
    signer: Signer | None,
    now_wall_ns: int,
    on_progress: OnProgress | None = None,
) -> BundleReport:
    """Write the bundle to `out`, whole or not at all. Raises ClipRefused (`nothing_recorded`, `footage_vanished`,
    `footage_changed`), DiskError, StoreError.

    `on_progress(done_bytes, total_bytes)` is called as the archive is written.
    """
    with (
        reading(data_dir, request.camera, request.span) as pin,
        tempfile.TemporaryDirectory(prefix=".bundle-", dir=out.parent) as folder,
    ):
        plan = plan_from_ring(conn, data_dir, request.camera, request.span, now_wall_ns)
        parts = _views(plan, data_dir, Path(folder), pin)
        native, still_open = _sources(conn, plan)
        parts += [_native(data_dir, request.camera, name, pin) for name in native]
        chain = excerpt(data_dir, request.camera, [str(name.path()) for name in native])
        gaps = [_gap(gap.span, gap.reason) for gap in plan.gaps]
        parts += map(_small, meta_files(conn, data_dir, request.camera, request.span, gaps=gaps, chain=chain))
        parts.sort(key=lambda part: part.file.path)
        draft = _manifest(conn, request, plan, chain, signer=signer, now_wall_ns=now_wall_ns)
        draft = msgspec.structs.replace(draft, open=tuple(str(name.path()) for name in still_open))
        papers, signed = _papers(draft, parts, signer)
        size_bytes = _write(out, papers + parts, pin.following(on_progress))
    return BundleReport(out, size_bytes, signed, plan.is_partial)


def _views(plan: ClipPlan, data_dir: Path, folder: Path, pin: Pin) -> list[_Part]:
    """The clip, which is what a person opens first."""
    files = export_clip(plan, data_dir, folder / f"{plan.camera}.mp4", pin.following())
    return [_footage(f"view/{file.path.name}", file.path, source="", borders=[]) for file in files]


def _sources(conn: sqlite3.Connection, plan: ClipPlan) -> tuple[list[SegmentName], list[SegmentName]]:
    """The segments that the clip was cut from, in order of recording: finished ones, and those still being written."""
    used = {piece.path for file in plan.files for piece in file.pieces}
    names = sorted(name for path in used if (name := SegmentName.parse(path)) is not None)
    unfinished = {row.path for row in index.in_state(conn, index.SegmentState.OPEN)}
    done = [name for name in names if str(name.path()) not in unfinished]
    return done, [name for name in names if str(name.path()) in unfinished]


def _native(data_dir: Path, camera: str, name: SegmentName, pin: Pin) -> _Part:
    pin.renew()
    path = name.path()
    try:
        found = read_segment(data_dir, name)
    except SegmentDamaged as exc:
        raise ClipRefused(reason="footage_changed", path=str(path)) from exc
    if found is None:
        raise ClipRefused(reason="footage_vanished", path=str(path))
    fragments = found.scan.fragments
    borders = [each.offset for each in fragments] + [each.offset + each.size_bytes for each in fragments[-1:]]
    return _footage(f"native/{camera}/{path.name}", data_dir / path, source=str(path), borders=borders)


def _footage(name: str, path: Path, *, source: str, borders: list[int]) -> _Part:
    """Hash a file as a whole and between its borders. Raises ClipRefused, DiskError."""
    whole, crc32, at = hashlib.sha256(), 0, 0
    parts: list[FilePart] = []
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            for end in sorted({*borders, size} - {0}):
                part = hashlib.sha256()
                for data in _steps(file.fileno(), at, end):
                    whole.update(data)
                    part.update(data)
                    crc32 = zlib.crc32(data, crc32)
                parts.append(FilePart(end - at, part.hexdigest()))
                at = end
    except FileNotFoundError as exc:
        raise ClipRefused(reason="footage_vanished", path=str(path)) from exc
    except OSError as exc:
        raise disk_error(exc) from exc
    listed = BundledFile(
        path=name, bytes=size, sha256=whole.hexdigest(), source=source, parts=tuple(parts) if source else ()
    )
    return _Part(listed, crc32, disk=path)


def _steps(descriptor: int, at: int, end: int) -> Iterator[bytes]:
    while at < end:
        data = os.pread(descriptor, min(_STEP_BYTES, end - at), at)
        if not data:
            raise ClipRefused(reason="footage_changed", remedy="a segment became shorter while it was read")
        at += len(data)
        yield data


def _small(meta: MetaFile) -> _Part:
    listed = BundledFile(path=meta.path, bytes=len(meta.data), sha256=hashlib.sha256(meta.data).hexdigest())
    return _Part(listed, zlib.crc32(meta.data), meta.data)


def _manifest(
    conn: sqlite3.Connection,
    request: BundleRequest,
    plan: ClipPlan,
    chain: ChainExcerpt,
    *,
    signer: Signer | None,
    now_wall_ns: int,
) -> Manifest:
    """Without its files and the open segments."""
    site = evidence.site(conn)
    return Manifest(
        camera=request.camera,
        org=site.org,
        site=site.site,
        node=site.node,
        made=instant(now_wall_ns),
        asked=_span(request.span),
        delivered=tuple(map(_span, plan.delivered)),
        gaps=tuple(_gap(gap.span, gap.reason) for gap in plan.gaps),
        actor=request.actor,
        purpose=request.purpose,
        case_ref=request.case_ref,
        signer=signer.fingerprint if signer else "",
        unchained=chain.unchained,
        unsealed=chain.unsealed,
        open=(),
        files=(),
    )


def _papers(draft: Manifest, parts: list[_Part], signer: Signer | None) -> tuple[list[_Part], Manifest]:
    """What stands first in the archive, made from all the rest: README, manifest and signature, certificate, sums."""
    has_seals = any(part.file.path.startswith("meta/seals/") and part.file.path.endswith(".sig") for part in parts)
    has_authority = signer is not None and bool(signer.chain and signer.certificate)
    text = readme(draft, has_authority=has_authority, has_seals=has_seals)
    first = _small(MetaFile(manifest.README, text))
    papers: list[_Part] = []
    if signer is not None:
        papers.append(_small(MetaFile(manifest.CERTIFICATE, signer.certificate_or_own(draft.node))))
        papers.append(_small(MetaFile(manifest.AUTHORITIES, signer.chain if has_authority else b"")))
    listed = [first, *papers, *parts]
    sums = _small(MetaFile(manifest.SUMS, sums_text((part.file.path, part.file.sha256) for part in listed)))
    papers.append(sums)
    signed = msgspec.structs.replace(draft, files=tuple(part.file for part in [first, *papers, *parts]))
    data = msgspec.json.encode(signed)
    head = [first, _small(MetaFile(manifest.MANIFEST, data))]
    if signer is not None:
        head.append(_small(MetaFile(manifest.SIGNATURE, signer.sign(data))))
    return head + papers, signed


def _write(out: Path, parts: list[_Part], on_progress: OnProgress | None) -> int:
    """The archive, synced under its final name; returns its size. Raises ClipRefused, DiskError."""
    part_path = out.with_name(out.name + ".part")
    total = sum(part.file.bytes for part in parts)
    entries: list[ZipEntry] = []
    at = done = 0
    try:
        with part_path.open("wb") as file:
            for part in parts:
                entry = ZipEntry(part.file.path, part.file.bytes, part.crc32, at)
                entries.append(entry)
                file.write(local_header(entry))
                for data in _contents(part):
                    file.write(data)
                    done += len(data)
                    if on_progress is not None:
                        on_progress(done, total)
                at = entry.end
            file.write(directory(entries, at))
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        part_path.replace(out)
        sync_folder(out.parent)
    except OSError as exc:
        raise disk_error(exc) from exc
    finally:
        with suppress(FileNotFoundError):
            part_path.unlink()
    return size


def _contents(part: _Part) -> Iterator[bytes]:
    """The bytes once more, which must be those that were hashed."""
    if part.disk is None:
        yield part.data
        return
    name = PurePosixPath(part.file.path).name
    crc32 = 0
    try:
        with part.disk.open("rb") as file:
            for data in _steps(file.fileno(), 0, part.file.bytes):
                crc32 = zlib.crc32(data, crc32)
                yield data
    except FileNotFoundError as exc:
        raise ClipRefused(reason="footage_vanished", path=name) from exc
    if crc32 != part.crc32:
        raise ClipRefused(reason="footage_changed", path=name)


def _gap(span: WallSpan, reason: str) -> WireGap:
    start, end = format_rfc3339(span.start_ns), format_rfc3339(span.end_ns)
    return WireGap(start=start, end=end, seconds=round(span.duration_s, 3), reason=reason)


def _span(span: WallSpan) -> WireSpan:
    return WireSpan(start=format_rfc3339(span.start_ns), end=format_rfc3339(span.end_ns))
