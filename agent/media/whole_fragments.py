"""Between the muxer and the file of a segment with sound: hands on whole fragments, each with its sound in it.

The muxer writes in portions of its buffer; what is handed on is one write a fragment, so that none is ever torn by more
than a power cut.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

_HEADER_BYTES: Final = 8

Weave = Callable[[bytes], bytes]


class WholeFragments:
    """A file for the muxer to write to. `head` is written instead of the muxer's own ftyp and moov, which know of no
    sound; `weave` is handed each fragment (prft, moof, mdat) and returns it with what is to be heard."""

    def __init__(self, write: Callable[[bytes], int], head: bytes, weave: Weave) -> None:
        self._write = write
        self._head = head
        self._weave = weave
        self._data = bytearray()
        self._at = 0

    def write(self, data: bytes) -> int:
        """As the muxer expects: everything was taken."""
        self._data += data
        while (end := self._next_box()) is not None:
            kind = bytes(self._data[self._at + 4 : self._at + _HEADER_BYTES])
            self._at = end
            if kind == b"moov":
                self._take()
                self._write(self._head)
            elif kind == b"mdat":
                self._write(self._weave(self._take()))
        return len(data)

    def _next_box(self) -> int | None:
        """The end of the box at the current place, None until it is whole."""
        if self._at + _HEADER_BYTES > len(self._data):
            return None
        end = self._at + int.from_bytes(self._data[self._at : self._at + 4], "big")
        return end if self._at + _HEADER_BYTES <= end <= len(self._data) else None

    def _take(self) -> bytes:
        taken, self._at = bytes(self._data[: self._at]), 0
        del self._data[: len(taken)]
        return taken
