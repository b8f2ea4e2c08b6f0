"""One file on its way in: written as it comes, checked at its end, renamed only then."""

from __future__ import annotations

import base64
import binascii
import errno
import hashlib
import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path

from agent.errors import UploadError

_SHA256 = re.compile(r"[0-9a-f]{64}")
# Of the metadata only the hash is used; a name from outside never touches a path here.
_MAX_METADATA_CHARS = 4096


class Refusal(UploadError):
    """An HTTP status for the node, and the reason for the centre's log. Never leaves agent.centre.receive."""

    summary = "the upload is refused"

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status=status, reason=reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Received:
    """A whole file under its final name, synced; its hash is the one that the node stated."""

    path: Path
    size_bytes: int
    sha256: str


class Incoming:
    """The receiving thread creates, writes and ends; any thread may wait. It is `path` + ".part" until it is whole."""

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        self.path = path
        self.offset = 0
        self.size_bytes: int | None = None
        self._part = path.with_name(path.name + ".part")
        self._max_bytes = max_bytes
        self._stated_sha256 = ""
        self._hash = hashlib.sha256()
        self._descriptor = -1
        self._turn = 0
        self._received: Received | None = None
        self._done = threading.Event()

    def wait(self, timeout_s: float) -> Received | None:
        self._done.wait(timeout_s)
        return self._received

    def create(self, size_bytes: int, metadata: str) -> None:
        """Begin. The same upload asked for again, by a node that restarted, goes on where it was."""
        if self._received is not None:
            raise Refusal(410, "this address has been used")
        sha256 = _stated_sha256(metadata)
        if size_bytes == 0 or size_bytes > self._max_bytes:
            raise Refusal(413, "larger than announced for" if size_bytes else "an empty file")
        if (size_bytes, sha256) == (self.size_bytes, self._stated_sha256) and self._descriptor >= 0:
            self._turn += 1
            return
        self.close()
        try:
            self._descriptor = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        except OSError as exc:
            raise _disk_refusal(exc) from exc
        self.offset, self.size_bytes, self._stated_sha256 = 0, size_bytes, sha256
        self._hash = hashlib.sha256()

    def resume(self) -> tuple[int, int]:
        """Offset and size. A node that asks has given up on its last request: what that still sends is ignored."""
        if self.size_bytes is None:
            raise Refusal(404, "no such upload")
        self._turn += 1
        # The line may have been cut between the last byte and its answer.
        self.end_patch()
        return self.offset, self.size_bytes

    def begin_patch(self, offset: int) -> int:
        """The turn to write with; a later one ends it, because a cut line may look alive here for minutes."""
        if self._descriptor < 0 or self.size_bytes is None:
            raise Refusal(404, "no such upload")
        if offset != self.offset:
            raise Refusal(409, "another offset than what is here")
        self._turn += 1
        return self._turn

    def write(self, turn: int, block: bytes) -> None:
        if turn != self._turn or self.size_bytes is None:
            raise Refusal(409, "a newer request took over")
        if self.offset + len(block) > self.size_bytes:
            raise Refusal(413, "more than the length stated")
        rest = memoryview(block)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as exc:
            self.close()
            raise _disk_refusal(exc) from exc
        self._hash.update(block)
        self.offset += len(block)

    def end_patch(self) -> None:
        """After the last byte: check, sync, give the file its name."""
        if self.offset != self.size_bytes or self._received is not None:
            return
        digest = self._hash.hexdigest()
        if digest != self._stated_sha256:
            self.close()
            # 460 is tus's own "checksum mismatch".
            raise Refusal(460, "the bytes are not those that the node hashed")
        try:
            os.fsync(self._descriptor)
            self._part.replace(self.path)
        except OSError as exc:
            self.close()
            raise _disk_refusal(exc) from exc
        os.close(self._descriptor)
        self._descriptor = -1
        self._received = Received(self.path, self.offset, digest)
        self._done.set()

    def close(self) -> None:
        """Forget what is not whole."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._part.unlink(missing_ok=True)
            self.offset, self.size_bytes = 0, None
            self._turn += 1


def _stated_sha256(metadata: str) -> str:
    """The `sha256` of tus's Upload-Metadata: pairs of key and base64, separated by commas."""
    for pair in metadata[:_MAX_METADATA_CHARS].split(","):
        key, _, value = pair.strip().partition(" ")
        if key == "sha256":
            try:
                text = base64.b64decode(value, validate=True).decode("ascii").lower()
            except (binascii.Error, UnicodeDecodeError) as exc:
                raise Refusal(400, "the stated hash is not readable") from exc
            if _SHA256.fullmatch(text):
                return text
    raise Refusal(400, "no hash is stated")


def _disk_refusal(exc: OSError) -> Refusal:
    full = exc.errno in (errno.ENOSPC, errno.EDQUOT)
    # 507 tells the node to stop trying; a full disk at the centre does not heal within an upload's patience.
    return Refusal(507 if full else 500, exc.strerror or "the disk refused")
