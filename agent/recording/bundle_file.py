"""Reads a bundle that may have been tampered with: walks its files, hashes them, and rebuilds every byte between them.

Nothing is unpacked, so no name in it can lead anywhere. What does not fit becomes a finding, never an exception.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from agent.recording.zipform import (
    LOCAL_BYTES,
    MAX_NAME_BYTES,
    FoundHeader,
    ZipEntry,
    directory,
    is_directory,
    is_safe_name,
    local_header,
    read_local,
)

_STEP_BYTES: Final = 1 << 20
# A day of one camera has 1 440 segments.
_MAX_ENTRIES: Final = 100_000


class FindingKind(StrEnum):
    CONTAINER = "container"
    MANIFEST = "manifest"
    SIGNATURE = "signature"
    SIGNER = "signer"
    UNSIGNED = "unsigned"
    CHECKSUMS = "checksums"
    MISSING = "missing"
    EXTRA = "extra"
    ALTERED = "altered"
    FRAGMENT_MISSING = "fragment_missing"
    FRAGMENT_ALTERED = "fragment_altered"
    FRAGMENTS_SWAPPED = "fragments_swapped"
    FILES_SWAPPED = "files_swapped"
    CHAIN = "chain"
    SEAL = "seal"
    CUSTODY = "custody"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was signed; `path` is the file it concerns, or empty for the archive."""

    kind: FindingKind
    path: str
    detail: str


@dataclass(frozen=True, slots=True)
class FoundFile:
    entry: ZipEntry
    sha256: str


@dataclass(slots=True)
class FoundBundle:
    """What the archive holds, by name, in its order; `descriptor` belongs to the caller."""

    descriptor: int
    size_bytes: int
    files: dict[str, FoundFile] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def read(self, name: str, limit_bytes: int) -> bytes | None:
        """None where there is no such file or it is larger than it may be."""
        found = self.files.get(name)
        if found is None or found.entry.size_bytes > limit_bytes:
            return None
        return b"".join(self.steps(found.entry.data_offset, found.entry.size_bytes))

    def steps(self, at: int, count: int) -> Iterator[bytes]:
        end = min(at + count, self.size_bytes)
        while at < end:
            data = os.pread(self.descriptor, min(_STEP_BYTES, end - at), at)
            if not data:
                return
            at += len(data)
            yield data


def walk(descriptor: int) -> FoundBundle:
    """All files that can be reached from the front. Raises OSError only."""
    bundle = FoundBundle(descriptor, os.fstat(descriptor).st_size)
    entries: list[ZipEntry] = []
    at, last = 0, ""
    while len(entries) < _MAX_ENTRIES:
        head = os.pread(descriptor, LOCAL_BYTES + MAX_NAME_BYTES + 64, at)
        if is_directory(head):
            _check_end(bundle, entries, at)
            return bundle
        header = read_local(head)
        if header is None:
            where = f"after {last}" if last else "at its begin"
            _note(
                bundle, last, f"no file or end where one must be, {where} (byte {at}): bytes were cut, added or changed"
            )
            return bundle
        entry = _take(bundle, header, at)
        if entry is None:
            return bundle
        entries.append(entry)
        at, last = entry.end, entry.name
    _note(bundle, "", "too many files")
    return bundle


def _take(bundle: FoundBundle, header: FoundHeader, at: int) -> ZipEntry | None:
    """Hash one file; None when the walk cannot go on."""
    name = header.name
    if not is_safe_name(name):
        _note(bundle, "", f"a name that no bundle has: {name[:100]!r}")
        return None
    begin = at + header.header_bytes
    if begin + header.size_bytes > bundle.size_bytes:
        _note(bundle, name, "the archive ends within this file, or its size was changed")
        return None
    found, crc32 = hashlib.sha256(), 0
    for data in bundle.steps(begin, header.size_bytes):
        found.update(data)
        crc32 = zlib.crc32(data, crc32)
    entry = ZipEntry(name, header.size_bytes, crc32, at)
    expected = local_header(entry)
    if len(expected) != header.header_bytes:
        _note(bundle, name, "its header is longer than it may be")
        return None
    if os.pread(bundle.descriptor, len(expected), at) != expected:
        is_sum = header.crc32 != crc32
        _note(bundle, name, "its bytes do not have their checksum" if is_sum else "its header was changed")
    if name in bundle.files:
        _note(bundle, name, "it is there twice")
    bundle.files[name] = FoundFile(entry, found.hexdigest())
    return entry


def _check_end(bundle: FoundBundle, entries: list[ZipEntry], at: int) -> None:
    expected = directory(entries, at)
    if bundle.size_bytes - at != len(expected):
        _note(bundle, "", "the archive's directory is longer or shorter than its files make it")
    elif os.pread(bundle.descriptor, len(expected), at) != expected:
        _note(bundle, "", "the archive's directory was changed")


def _note(bundle: FoundBundle, path: str, detail: str) -> None:
    bundle.findings.append(Finding(FindingKind.CONTAINER, path, detail))


def open_bundle(path: Path) -> int:
    """A descriptor for `walk`. Raises OSError."""
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
