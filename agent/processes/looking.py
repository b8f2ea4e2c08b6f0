"""Whom a snapshot is asked of: vision, which has it at hand, and else the camera's eye."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from agent import log
from agent.clock import Clock
from agent.commands.work import Snapshot
from agent.errors import CommandFailed
from agent.units import NS_PER_S

# Vision that lives answers from memory, after half an analysed frame at most.
_VISION_S: Final = 0.5
# Vision passes over what is quiet, so that its newest picture may be a GOP old; whoever asks means now.
_NEW_NS: Final = 2 * NS_PER_S

_log = log.get("looking")


class Vision(Protocol):
    """agent.processes.reception.Reception."""

    @property
    def is_vision_awake(self) -> bool: ...

    def snapshot(self, camera: str, limit_s: float) -> Snapshot: ...


@dataclass(frozen=True, slots=True)
class Looking:
    """`eye` and `vision` raise CommandFailed where they have no picture."""

    vision: Vision
    eye: Callable[[str], Snapshot]
    clock: Clock

    def snapshot(self, camera: str) -> Snapshot:
        """The newest picture of a camera; a vision that hangs costs half a second once. Raises CommandFailed."""
        seen = self._ask_vision(camera)
        if seen is not None and 0 <= self.clock.wall_ns() - seen.wall_ns <= _NEW_NS:
            return seen
        try:
            return self.eye(camera)
        except CommandFailed:
            if seen is None:
                raise
            # Vision refuses what is older than ten seconds.
            return seen

    def _ask_vision(self, camera: str) -> Snapshot | None:
        if not self.vision.is_vision_awake:
            return None
        try:
            return self.vision.snapshot(camera, _VISION_S)
        except CommandFailed as exc:
            _log.info("vision has no picture at hand", camera=camera, reason=str(exc.facts.get("reason")))
            return None
