"""Carries a clip to the centre: tus 1.0 with resumption, or one presigned HTTPS PUT. Standard library only.

Source: https://tus.io/protocols/resumable-upload (core protocol and creation, version 1.0.0). Where a line is cut,
HEAD says how far the receiver got and the next PATCH goes on there; a receiver that no longer knows the upload is
asked once to create it again.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin, urlsplit

from agent.commands.pace import StopSign
from agent.commands.upload_line import (
    FORGOTTEN,
    NOT_FOUND_REMEDY,
    PASSING,
    Answer,
    Line,
    Patience,
    UploadPolicy,
    check_target,
    refused,
)
from agent.errors import UploadError

__all__ = [
    "OnPlace",
    "OnProgress",
    "Patience",
    "Upload",
    "UploadPolicy",
    "abandon_tus",
    "check_target",
    "upload_put",
    "upload_tus",
]

OnProgress = Callable[[int, int], None]
# Where the receiver keeps this upload, once it has said so: what goes on after a restart goes on there.
OnPlace = Callable[[str], None]

_PATIENT = Patience()
_HASTY = Patience(attempts=1, answer_timeout_s=5.0)

TUS_VERSION = "1.0.0"
# A chunk is what a proxy that buffers requests may lose at most; 8 MiB is 13 s of a 5 Mbit/s line.
_CHUNK_BYTES = 8 << 20
# One send: a stop is noticed, and the line's queue looked at, eight times a second at 2 Mbit/s.
_BLOCK_BYTES = 1 << 15


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to carry. `sha256` is hex, as the exporter gave it; `url` is the one-time address out of the command;
    `place` is where an earlier process had begun to send it by tus. `content_type` is what a PUT says it is."""

    path: Path
    sha256: str
    url: str
    place: str = ""
    content_type: str = "video/mp4"


def upload_tus(
    upload: Upload,
    policy: UploadPolicy,
    *,
    stop: StopSign,
    on_progress: OnProgress | None = None,
    on_place: OnPlace | None = None,
    patience: Patience = _PATIENT,
) -> None:
    """Carry a file by tus; `upload.url` is the address to create it at. Returns when the receiver has all of it.

    Blocks; call it from a thread of its own. `on_progress(done_bytes, total_bytes)` follows what the receiver
    confirmed, `on_place` hears where it stands there. Raises UploadError, with `reason` `stopped` once `stop` is set.
    """
    check_target(upload.url, policy)
    size = _size(upload.path)
    with upload.path.open("rb") as file:
        _Tus(upload, file, size, Line(policy, patience, stop), on_progress).run(on_place)


def upload_put(
    upload: Upload,
    policy: UploadPolicy,
    *,
    stop: StopSign,
    on_progress: OnProgress | None = None,
    patience: Patience = _PATIENT,
) -> None:
    """Carry a file by one PUT to a presigned address; a cut line begins again from the first byte.

    Otherwise like `upload_tus`.
    """
    check_target(upload.url, policy)
    size = _size(upload.path)
    line = Line(policy, patience, stop)
    with upload.path.open("rb") as file:
        while True:
            headers = {"Content-Length": str(size), "Content-Type": upload.content_type}
            answer = line.ask(upload.url, "PUT", headers, _blocks(file, 0, size, stop, on_progress))
            if answer is None or answer.status in PASSING:
                line.wait(answer)
            elif answer.status in (200, 201, 204):
                _tell(on_progress, size, size)
                return
            else:
                raise refused(answer)


def abandon_tus(place: str, policy: UploadPolicy, stop: StopSign, patience: Patience = _HASTY) -> None:
    """Tell a receiver that the rest will not come (tus, termination). Asked once: one that does not hear it, or cannot
    forget, drops the upload in its own time."""
    Line(policy, patience, stop).ask(place, "DELETE", {"Tus-Resumable": TUS_VERSION}, None)


class _Tus:
    """One upload from creation to its last byte."""

    def __init__(self, upload: Upload, file: BinaryIO, size: int, line: Line, on_progress: OnProgress | None) -> None:
        self._upload = upload
        self._file = file
        self._size = size
        self._line = line
        self._on_progress = on_progress
        self._creations = 0

    def run(self, on_place: OnPlace | None) -> None:
        # From before a restart: how far it got, the receiver alone knows.
        location, offset, is_known = self._upload.place, 0, False
        if not location:
            location, offset, is_known = *self._create(on_place), True
        while offset < self._size or not is_known:
            answer = self._patch(location, offset) if is_known else self._head(location)
            if answer is None or answer.status in PASSING:
                self._line.wait(answer)
                is_known = False
            elif answer.status in FORGOTTEN:
                location, offset, is_known = *self._create(on_place), True
            elif answer.status in (200, 204) and answer.offset is not None and answer.offset <= self._size:
                if answer.offset > offset:
                    self._line.progressed()
                offset, is_known = answer.offset, True
                _tell(self._on_progress, offset, self._size)
            else:
                raise refused(answer)

    def _create(self, on_place: OnPlace | None) -> tuple[str, int]:
        """The address of the upload and where it goes on: beyond 0 when a receiver of ours knows it from before this
        process restarted. A receiver that forgot it is asked once more, then it has refused."""
        self._creations += 1
        if self._creations > 2:
            raise UploadError(reason="receiver_forgot", remedy=NOT_FOUND_REMEDY)
        metadata = {"filename": self._upload.path.name, "sha256": self._upload.sha256}
        pairs = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in metadata.items())
        headers = {
            "Tus-Resumable": TUS_VERSION,
            "Upload-Length": str(self._size),
            "Upload-Metadata": pairs,
            "Content-Length": "0",
        }
        while True:
            answer = self._line.ask(self._upload.url, "POST", headers, None)
            if answer is not None and answer.status == 201:
                place = self._same_place(answer.location)
                if on_place is not None:
                    on_place(place)
                return place, min(answer.offset or 0, self._size)
            if answer is not None and answer.status not in PASSING:
                raise refused(answer)
            self._line.wait(answer)

    def _same_place(self, location: str) -> str:
        """An upload's own address must lie where the command sent us: anything else is a redirect in disguise."""
        target = urljoin(self._upload.url, location)
        asked, given = urlsplit(self._upload.url), urlsplit(target)
        if not location or (asked.scheme, asked.netloc) != (given.scheme, given.netloc):
            raise UploadError(reason="redirected", host=given.hostname or "")
        return target

    def _head(self, location: str) -> Answer | None:
        return self._line.ask(location, "HEAD", {"Tus-Resumable": TUS_VERSION}, None)

    def _patch(self, location: str, offset: int) -> Answer | None:
        count = min(_CHUNK_BYTES, self._size - offset)
        headers = {
            "Tus-Resumable": TUS_VERSION,
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(count),
        }
        return self._line.ask(location, "PATCH", headers, _blocks(self._file, offset, count, self._line.stop, None))


def _blocks(file: BinaryIO, offset: int, count: int, stop: StopSign, on_progress: OnProgress | None) -> Iterator[bytes]:
    """The file's bytes [offset, offset + count). Raises UploadError when it shrank or the process stops."""
    file.seek(offset)
    left = count
    while left:
        if stop.is_set():
            raise UploadError(reason="stopped")
        try:
            block = file.read(min(_BLOCK_BYTES, left))
        except OSError as exc:
            # Not a failure of the line, which is what an OSError means to whoever sends these.
            raise UploadError(reason="file_unreadable") from exc
        if not block:
            raise UploadError(reason="file_changed")
        left -= len(block)
        yield block
        _tell(on_progress, offset + count - left, offset + count)


def _tell(on_progress: OnProgress | None, done: int, total: int) -> None:
    if on_progress is not None:
        on_progress(done, total)


def _size(path: Path) -> int:
    size = path.stat().st_size
    if size == 0:
        raise UploadError(reason="file_empty", path=path.name)
    return size
