"""Who looked at, exported, held, released or erased footage: a hash-chained record before anything is handed out."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from agent.errors import TimeError
from agent.recording.book import CUSTODY, Book
from agent.recording.chain import AccessLink, read_link
from agent.units import WallSpan, parse_rfc3339

# A purpose of half a page is no purpose; chain.Line holds this many characters.
_MAX_TEXT: Final = 1000


def note_access(data_dir: Path, link: AccessLink) -> AccessLink:
    """Durable when this returns, from any process; what people typed is made fit to be kept. Raises DiskError."""
    texts = {name: value for name in link.__struct_fields__ if isinstance(value := getattr(link, name), str)}
    fit = msgspec.structs.replace(link, **{name: fit_text(value) for name, value in texts.items()})
    return Book(data_dir, CUSTODY).append([fit])[0]


def fit_text(text: str) -> str:
    """Text that JSON can hold, of bounded length: a terminal may hand over bytes that are none."""
    return text.encode("utf-8", "replace").decode()[:_MAX_TEXT]


def accesses(data_dir: Path) -> Iterator[AccessLink]:
    """All of it, in its order. Lines that are none are left out; `broken_at` of the same lines tells where."""
    for line in Book(data_dir, CUSTODY).lines():
        link = read_link(line)
        if isinstance(link, AccessLink):
            yield link


def accesses_of(data_dir: Path, camera: str, span: WallSpan) -> list[AccessLink]:
    """Those that bear on this camera and touch this span; one without a camera or span concerns all of them."""
    return [link for link in accesses(data_dir) if link.camera in ("", camera) and _touches(link, span)]


def person() -> str:
    """Who runs this command, as the machine knows them; behind sudo the one who called it."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _touches(link: AccessLink, span: WallSpan) -> bool:
    try:
        return WallSpan(parse_rfc3339(link.start), parse_rfc3339(link.end)).overlaps(span)
    except TimeError:
        return True
