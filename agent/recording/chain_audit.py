"""Whether the evidence on this disk is still one chain each, and still what was sealed last."""

from __future__ import annotations

from pathlib import Path

from agent.contract.records import SealedHead
from agent.recording.book import CUSTODY, SEALS, Book, camera_book, chained_cameras
from agent.recording.chain import ORIGIN, SealLink, digest, read_link


def audit_chains(data_dir: Path) -> list[str]:
    """What is wrong, a line each; empty for sound evidence or none at all. Hashes no footage. Raises DiskError."""
    last = Book(data_dir, SEALS).head().link
    heads = (*last.seal.heads, last.seal.custody) if isinstance(last, SealLink) else ()
    sealed = {head.chain: head for head in heads if head.n}
    cameras = sorted({*chained_cameras(data_dir), *(chain for chain in sealed if chain != CUSTODY)})
    books = {f"camera {camera}": (camera_book(data_dir, camera), sealed.get(camera)) for camera in cameras}
    books[CUSTODY] = (Book(data_dir, CUSTODY), sealed.get(CUSTODY))
    books[SEALS] = (Book(data_dir, SEALS), None)
    found = ((name, _fault(book, head)) for name, (book, head) in books.items())
    return [f"{name}: {fault}" for name, fault in found if fault]


def _fault(book: Book, sealed: SealedHead | None) -> str:
    """The first thing wrong with a chain; empty for none. Holds one line at a time: a year has half a million."""
    n, before = 0, ORIGIN
    for line in book.lines():
        link = read_link(line)
        if link is None or (link.n, link.prev) != (n + 1, before):
            return f"link {n + 1} does not follow the one before it"
        n, before = link.n, digest(line)
        if sealed is not None and sealed.n == n and sealed.sha256 != before:
            return f"link {n} is not the one that was sealed"
    if sealed is not None and n < sealed.n:
        return f"it ends at link {n}, and {sealed.n} were sealed"
    return ""
