"""Memory that the C library keeps is given back."""

from __future__ import annotations

from pathlib import Path

from agent.heap import give_back


def _resident_kib() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0])


def test_holes_between_what_stays_are_given_back() -> None:
    give_back()
    # Small enough for the heap, 96 MiB in all; every hundredth stays and holds its page.
    pieces = [bytearray(4000) for _ in range(25_000)]
    kept = pieces[::100]
    before_kib = _resident_kib()
    del pieces
    assert give_back()
    assert before_kib - _resident_kib() > 48 * 1024
    assert len(kept) == 250
