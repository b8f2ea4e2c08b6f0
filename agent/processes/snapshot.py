"""Snapshots for the node: the newest decoded picture of a camera, or why there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agent.clock import Clock
from agent.errors import VideoError
from agent.mailbox import Mailbox
from agent.notices import SnapshotTaken, SnapshotWanted
from agent.processes.watch import CameraWatch
from agent.units import NS_PER_S
from agent.vision.still import encode_still

# A picture older than this is no answer to "now"; and whoever asked is told so after waiting as long for a new one.
_FRESH_NS = 10 * NS_PER_S
_MAX_ASKED = 64
# While somebody waits for a picture, the newest is looked at this often: half a frame of the default analysis.
_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class _Asked:
    wanted: SnapshotWanted
    asked_mono_ns: int


class SnapshotDesk:
    """`ask` from any thread, `serve` from one. Every request gets exactly one answer.

    answer: sends the notice and its JPEG (or nothing) to the node.
    """

    def __init__(
        self,
        watches: Mapping[str, CameraWatch],
        clock: Clock,
        answer: Callable[[SnapshotTaken, bytes], None],
        *,
        is_enabled: bool,
    ) -> None:
        self._watches = watches
        self._clock = clock
        self._answer = answer
        self._is_enabled = is_enabled
        self._asked: Mailbox[_Asked] = Mailbox(_MAX_ASKED)
        self._waiting: list[_Asked] = []

    def ask(self, wanted: SnapshotWanted) -> None:
        if not self._asked.put(_Asked(wanted, self._clock.mono_ns())):
            self._refuse(wanted, "too many snapshots are asked for at once")

    def serve(self, seconds: float) -> None:
        """Answer what is asked within these seconds, then return."""
        end_ns = self._clock.mono_ns() + round(seconds * NS_PER_S)
        while (left_ns := end_ns - self._clock.mono_ns()) > 0:
            pause_s = left_ns / NS_PER_S
            self._waiting += self._asked.take_all(min(pause_s, _LOOK_S) if self._waiting else pause_s)
            self._waiting = [asked for asked in self._waiting if not self._serve_one(asked)]
            if self._asked.is_closed:
                return

    def close(self) -> None:
        self._asked.close()

    def _serve_one(self, asked: _Asked) -> bool:
        """Whether it is answered now."""
        if not self._is_enabled:
            return self._refuse(asked.wanted, "seeing is switched off on this node ([vision] enabled = false)")
        camera_watch = self._watches.get(asked.wanted.camera)
        if camera_watch is None:
            return self._refuse(asked.wanted, f"no camera {asked.wanted.camera} on this node")
        newest, now_ns = camera_watch.newest, self._clock.mono_ns()
        if newest is None or now_ns - newest.decoded_mono_ns > _FRESH_NS:
            if now_ns - asked.asked_mono_ns < _FRESH_NS:
                return False
            return self._refuse(asked.wanted, "the camera has sent no picture for 10 s")
        try:
            jpeg = encode_still(camera_watch.unmasked(newest.picture.bgr()))
        except VideoError as exc:
            return self._refuse(asked.wanted, str(exc))
        taken = SnapshotTaken(asked.wanted.request_id, asked.wanted.camera, newest.wall_ns)
        self._answer(taken, jpeg)
        return True

    def _refuse(self, wanted: SnapshotWanted, why: str) -> bool:
        self._answer(SnapshotTaken(wanted.request_id, wanted.camera, 0, why), b"")
        return True
