"""Contact sheets for the node, which parses no picture: decoded here, masked, put on one page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol

from agent.errors import VideoError
from agent.mailbox import Mailbox
from agent.media.idr import first_picture
from agent.notices import SheetTile, SheetWanted, SnapshotTaken
from agent.recording.sheet import MAX_SHEET_BYTES, MOST_GAPS, MOST_STILLS
from agent.vision.detector import BgrImage
from agent.vision.sheet import Tile, encode_sheet

# A sheet takes a second or two of one core; staff ask for few at once.
_MAX_ASKED: Final = 4
_WAIT_S: Final = 0.5


class Masks(Protocol):
    """What a camera's watch knows of its scene."""

    def unmasked(self, bgr: BgrImage) -> BgrImage: ...


class SheetDesk:
    """`ask` from any thread, `serve` from one. Every request gets exactly one answer.

    answer: sends the notice and its JPEG (or nothing) to the node.
    """

    def __init__(self, masks: Mapping[str, Masks], answer: Callable[[SnapshotTaken, bytes], None]) -> None:
        self._masks = masks
        self._answer = answer
        self._asked: Mailbox[tuple[SheetWanted, bytes]] = Mailbox(_MAX_ASKED)

    def ask(self, wanted: SheetWanted, payload: bytes) -> None:
        if not self._asked.put((wanted, payload)):
            self._refuse(wanted, "too many sheets are asked for at once")

    def serve(self) -> None:
        """Make what is asked for within a moment, then return."""
        asked = self._asked.take(_WAIT_S)
        if asked is None:
            return
        wanted, payload = asked
        masks = self._masks.get(wanted.camera)
        if masks is None:
            self._refuse(wanted, "seeing is switched off on this node ([vision] enabled = false)")
            return
        if len(wanted.tiles) > MOST_STILLS + MOST_GAPS:
            self._refuse(wanted, "more pictures than a sheet holds")
            return
        try:
            tiles = list(_tiles(wanted, payload, masks))
            jpeg = encode_sheet(wanted.title, wanted.note, tiles, max_bytes=MAX_SHEET_BYTES)
        except VideoError as exc:
            self._refuse(wanted, str(exc))
            return
        self._answer(SnapshotTaken(wanted.request_id, wanted.camera, 0), jpeg)

    def close(self) -> None:
        self._asked.close()

    def _refuse(self, wanted: SheetWanted, why: str) -> None:
        self._answer(SnapshotTaken(wanted.request_id, wanted.camera, 0, why), b"")


def _tiles(wanted: SheetWanted, payload: bytes, masks: Masks) -> Iterator[Tile]:
    at = 0
    for tile in wanted.tiles:
        yield _tile(tile, payload[at : at + tile.size_bytes], masks)
        at += tile.size_bytes


def _tile(tile: SheetTile, mp4: bytes, masks: Masks) -> Tile:
    """What does not decode is said in its place: the other pictures are still worth looking at."""
    if not mp4:
        return Tile(tile.label, words=tile.words)
    try:
        return Tile(tile.label, picture=masks.unmasked(first_picture(mp4).bgr()))
    except VideoError:
        return Tile(tile.label, words=("this picture cannot be read",))
