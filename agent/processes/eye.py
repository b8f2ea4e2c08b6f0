"""The eye of one camera: its newest picture as a JPEG, whatever vision does. No key, no file, no line.

It begins to decode when a picture is wanted, at the newest IDR, and goes on from there while pictures are wanted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msgspec import structs

from agent import log
from agent.config import Config
from agent.errors import UnknownCamera, VideoError
from agent.mailbox import Mailbox
from agent.media.decoder import Decoder, Picture
from agent.notices import LeaseTold, LiveWanted, Notice, SnapshotTaken, SnapshotWanted, StreamStarted
from agent.processes.confine import confine
from agent.processes.onlooker import Gop, KeptPacket, NewestGop, OnlookerKind, Orders, Packets, onlooker_socket
from agent.scene.file import decode_scene
from agent.stage import Stage
from agent.vision.mask import burn_masks
from agent.vision.still import encode_still

Polygon = Sequence[tuple[float, float]]

# Contract: a JPEG a second.
_ROUND_S: Final = 1.0
# A camera dials four times a second and begins with the GOP it keeps.
_FIRST_PICTURE_S: Final = 2.0
# A GOP of 10 s is decoded many times faster than it was taken; a machine that cannot shows what it has.
_CATCH_UP_S: Final = 1.0
_MAX_ORDERS: Final = 64

_log = log.get("eye")


def run_eye(config: Config, camera_id: str) -> int:
    """Give pictures while stdin is open. Raises LinkError when another eye is there, UnknownCamera, and ConfigError
    where it cannot know what the scene hides."""
    camera = config.camera(camera_id)
    if camera is None:
        raise UnknownCamera(camera=camera_id)
    masks: list[Polygon] = []
    if camera.scene:
        scene = decode_scene(Path(camera.scene).read_text(encoding="utf-8"), name=camera.scene)
        masks = [mask.polygon for mask in scene.masks]
    gop, orders, wanted = NewestGop(), Orders(), Mailbox[Notice](_MAX_ORDERS)
    packets = Packets(onlooker_socket(Path(config.runtime_dir), OnlookerKind.EYE, camera_id), camera_id, gop.take)
    desk = _Desk(camera_id, _Eye(gop), orders, wanted, masks)
    stop = threading.Event()
    stage = Stage("look", lambda: desk.serve(stop), stop=stop)
    # The first line loads what writes lines, which afterwards could not be read from disk.
    _log.info("eye opened", camera=camera_id, is_confined=confine())
    stage.start()

    def order(notice: Notice) -> None:
        wanted.put(notice)

    try:
        orders.read(order)
    finally:
        stop.set()
        wanted.close()
        stage.join()
        # The socket's file stays, which nobody minds: a confined process removes nothing.
        with suppress(PermissionError):
            packets.close()
    return 0


class _Desk:
    """On one thread: a picture for each who asks once, and one each second while somebody has a lease."""

    def __init__(
        self, camera: str, eye: _Eye, orders: Orders, wanted: Mailbox[Notice], masks: Sequence[Polygon]
    ) -> None:
        self._camera = camera
        self._eye = eye
        self._orders = orders
        self._wanted = wanted
        self._masks = masks
        self._lease_id = ""
        self._is_shown = False
        self._until_s = self._next_s = time.monotonic()

    def serve(self, stop: threading.Event) -> None:
        """One round: an order, or a picture that is due."""
        now_s = time.monotonic()
        due_s = min(self._next_s, self._until_s) if self._lease_id else now_s + _ROUND_S
        order = self._wanted.take(max(due_s - now_s, 0.0))
        if isinstance(order, SnapshotWanted):
            self._look(order.request_id)
        elif isinstance(order, LiveWanted) and order.lease_s > 0:
            self._is_shown = self._is_shown and order.lease_id == self._lease_id
            self._lease_id, self._until_s = order.lease_id, time.monotonic() + order.lease_s
            self._next_s = time.monotonic()
        elif isinstance(order, LiveWanted) and order.lease_id == self._lease_id:
            self._conclude("stopped")
        elif order is None and self._lease_id and not stop.is_set():
            self._serve_lease()

    def _serve_lease(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._until_s:
            self._conclude("lease_over")
        elif now_s >= self._next_s:
            # Never two at once to make up for a late one.
            self._next_s = max(self._next_s + _ROUND_S, now_s)
            seen = self._look(self._lease_id)
            if seen is not None and not self._is_shown:
                self._is_shown = True
                width, height = seen.picture.width, seen.picture.height
                shown = structs.replace(seen.started, codec="mjpeg", width=width, height=height)
                self._orders.tell(LeaseTold(self._lease_id, shown))

    def _look(self, request_id: str) -> _Seen | None:
        seen, why, jpeg = self._eye.look(), "the camera sends no picture", b""
        if seen is not None:
            try:
                jpeg = encode_still(burn_masks(seen.picture.bgr(), self._masks))
            except VideoError as exc:
                seen, why = None, str(exc)
        taken = SnapshotTaken(request_id, self._camera, seen.wall_ns if seen else 0, "" if seen else why)
        self._orders.tell(taken, jpeg)
        return seen

    def _conclude(self, reason: str) -> None:
        lease_id, self._lease_id, self._is_shown = self._lease_id, "", False
        self._orders.tell(LeaseTold(lease_id, reason=reason))


@dataclass(frozen=True, slots=True)
class _Seen:
    started: StreamStarted
    picture: Picture

    @property
    def wall_ns(self) -> int:
        return self.started.anchor_wall_ns + self.picture.media_ns


class _Eye:
    """Decodes as far as the newest packet, on one thread."""

    def __init__(self, gop: NewestGop) -> None:
        self._gop = gop
        self._decoder: Decoder | None = None
        self._first: KeptPacket | None = None
        self._last: KeptPacket | None = None
        self._done = 0
        self._picture: Picture | None = None

    def look(self) -> _Seen | None:
        """The newest picture; None when the camera sends none."""
        gop = self._gop.wait(_FIRST_PICTURE_S)
        if gop is None:
            return None
        seen = self._decode(gop)
        until_s = time.monotonic() + _CATCH_UP_S
        # More of the kept GOP came while this much of it was decoded.
        while time.monotonic() < until_s and (gop := self._gop.wait(0.0)) and gop.packets[-1] is not self._last:
            seen = self._decode(gop) or seen
        return seen

    def _decode(self, gop: Gop) -> _Seen | None:
        """All of it that was not decoded before."""
        decoder = self._decoder_of(gop)
        for packet in gop.packets[self._done :]:
            for picture in decoder.decode(packet.data, packet.notice.media_ns):
                self._picture = picture
        self._done, self._last = len(gop.packets), gop.packets[-1]
        if self._picture is None:
            # A codec may hold back what it shows later, and there is nothing later yet.
            self._picture, self._first = next(iter(decoder.flush()), None), None
        return None if self._picture is None else _Seen(gop.started, self._picture)

    def _decoder_of(self, gop: Gop) -> Decoder:
        """The one that is in the middle of this GOP, or a new one."""
        if self._decoder is None or gop.packets[0] is not self._first:
            self._decoder = Decoder(gop.started.codec, gop.extradata)
            self._first, self._done, self._picture = gop.packets[0], 0, None
        return self._decoder
