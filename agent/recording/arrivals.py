"""What capture puts into the recorder's mailbox: packets, and between them the borders of runs."""

from __future__ import annotations

from dataclasses import dataclass

from agent.errors import CameraError
from agent.media.capture import CapturedPacket, Session
from agent.media.sound import CapturedSound
from agent.media.sound_shape import SoundShape
from agent.media.source import Shape


@dataclass(frozen=True, slots=True)
class Begin:
    session: Session
    run: int


@dataclass(frozen=True, slots=True)
class Change:
    """The run goes on with other parameters."""

    shape: Shape


@dataclass(frozen=True, slots=True)
class End:
    """The run is over, or none could begin; from here on there is no footage, for the `failure`'s reason."""

    failure: CameraError | None


@dataclass(frozen=True, slots=True)
class Skipped:
    """Packets were left out here, for a GapReason; what comes next does not continue what was before."""

    reason: str = "disk_slow"
    detail: str = "the disk did not keep up"


@dataclass(frozen=True, slots=True)
class Replayed:
    """What was kept in memory and is wanted after all, in its order: no mailbox's bound holds for it."""

    items: tuple[Arrival, ...]


Arrival = Begin | CapturedPacket | CapturedSound | Change | End | Replayed | Skipped | SoundShape
