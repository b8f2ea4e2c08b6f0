"""Names what happened to a file whose hash is wrong: which fragment was changed, dropped, or changed places."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agent.recording.bundle_file import Finding, FindingKind, FoundBundle
from agent.recording.manifest import BundledFile, FilePart

# A file of which more than this was changed is another file: naming each of its fragments helps nobody.
_MOST_ALTERED: Final = 16


@dataclass(frozen=True, slots=True)
class _Reading:
    """Which known parts the file holds, in its order, and which stand there changed."""

    order: tuple[int, ...]
    altered: tuple[int, ...]
    rest_bytes: int


def name_change(bundle: FoundBundle, listed: BundledFile, whole: dict[str, str]) -> list[Finding]:
    """What is wrong with a file that is not the one listed. `whole` maps the hash of every listed file to its path."""
    found = bundle.files[listed.path]
    other = whole.get(found.sha256)
    if other is not None:
        return [Finding(FindingKind.FILES_SWAPPED, listed.path, f"it holds the bytes of {other}")]
    if not listed.parts:
        return [Finding(FindingKind.ALTERED, listed.path, "its SHA-256 is not the one that was signed")]
    reading = _read(bundle, found.entry.data_offset, found.entry.size_bytes, listed.parts)
    findings = [
        Finding(FindingKind.FRAGMENT_ALTERED, listed.path, f"{_part_name(index)} was changed")
        for index in reading.altered
    ]
    known = list(reading.order)
    lost = sorted(set(range(len(listed.parts))) - set(known) - set(reading.altered))
    findings += [
        Finding(FindingKind.FRAGMENT_MISSING, listed.path, f"{_part_name(index)} is missing") for index in lost
    ]
    moved = [index for place, index in enumerate(sorted(known)) if known[place] != index]
    if moved:
        names = ", ".join(map(_part_name, moved[:8]))
        findings.append(Finding(FindingKind.FRAGMENTS_SWAPPED, listed.path, f"not in their order: {names}"))
    if reading.rest_bytes:
        findings.append(Finding(FindingKind.ALTERED, listed.path, f"{reading.rest_bytes} bytes more than signed"))
    return findings or [Finding(FindingKind.ALTERED, listed.path, "its SHA-256 is not the one that was signed")]


def _read(bundle: FoundBundle, at: int, size: int, parts: Sequence[FilePart]) -> _Reading:
    """Match the file against its parts from the front: the expected one, else any other, else a changed one."""
    end = at + size
    order: list[int] = []
    seen: set[int] = set()
    altered: list[int] = []
    expected = 0
    while at < end and len(altered) < _MOST_ALTERED:
        while expected in seen:
            expected += 1
        match = _match(bundle, at, end, parts, seen=seen, expected=expected)
        if match is None and expected >= len(parts):
            break
        if match is None:
            altered.append(expected)
        else:
            order.append(match)
        taken = expected if match is None else match
        seen.add(taken)
        at += parts[taken].bytes
        expected = taken + 1
    return _Reading(tuple(order), tuple(altered), max(end - at, 0))


def _match(
    bundle: FoundBundle, at: int, end: int, parts: Sequence[FilePart], *, seen: set[int], expected: int
) -> int | None:
    rest = (index for index in range(len(parts)) if index != expected and index not in seen)
    candidates = itertools.chain((expected,) if expected < len(parts) else (), rest)
    return next((index for index in candidates if _is(bundle, at, end, parts[index])), None)


def _is(bundle: FoundBundle, at: int, end: int, part: FilePart) -> bool:
    if part.bytes == 0 or at + part.bytes > end:
        return False
    found = hashlib.sha256()
    for data in bundle.steps(at, part.bytes):
        found.update(data)
    return found.hexdigest() == part.sha256


def _part_name(index: int) -> str:
    return "the segment's head" if index == 0 else f"fragment {index}"
