"""What the page's steps write down for the report, a file a step. Pure.

Times are nanoseconds of UTC by the node's clock; the report says how good that clock was.
"""

from __future__ import annotations

import msgspec


class Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of what is kept between the steps. Unknown fields are ignored, so that an update may come between two."""


class CameraNote(Note, frozen=True, kw_only=True):
    """A camera as it answered when it was probed. `source` holds no credentials; what it did not tell is null.

    `found_by`: onvif, rtsp, v4l2 or csi. `advice`: words of provisioning.cameras.suggestion. `clock_offset_s`: the
    camera's clock minus the node's.
    """

    camera: str
    name: str = ""
    found_by: str = ""
    source: str = ""
    maker: str = ""
    codec: str = ""
    width: int = 0
    height: int = 0
    fps: float | None = None
    gop_frames: int | None = None
    gop_s: float | None = None
    clock_offset_s: float | None = None
    has_password: bool = False
    advice: tuple[str, ...] = ()


class CamerasNote(Note, frozen=True, kw_only=True):
    cameras: tuple[CameraNote, ...] = ()


class AimNote(Note, frozen=True, kw_only=True):
    """The focus score at the end and its best (agent.vision.sharpness), of a picture of this size. `advice` is what the
    page then said, `roll_deg` how far the horizon that the technician drew leans to the right."""

    camera: str
    score: float
    best: float
    advice: str
    width: int
    height: int
    wall_ns: int
    roll_deg: float | None = None


class AimNotes(Note, frozen=True, kw_only=True):
    cameras: tuple[AimNote, ...] = ()


class WalkNote(Note, frozen=True, kw_only=True):
    """A walk through a zone. `seen_ns`: when the node made the incident; `acked_ns`: when the centre's ack was noticed
    here. 0: not yet. `sequence` is the event's place in lane a of `epoch`, 0 when it was acked before it was looked
    up; `acked_to` is what the centre had acknowledged by then."""

    camera: str
    started_ns: int
    incident: str = ""
    kind: str = ""
    zone: str = ""
    seen_ns: int = 0
    epoch: str = ""
    sequence: int = 0
    acked_ns: int = 0
    acked_to: int = 0


class WalkNotes(Note, frozen=True, kw_only=True):
    cameras: tuple[WalkNote, ...] = ()


class SceneNote(Note, frozen=True, kw_only=True):
    """That a camera's scene was looked at and saved. An empty scene is a decision too: this camera only records."""

    camera: str
    wall_ns: int


class SceneNotes(Note, frozen=True, kw_only=True):
    cameras: tuple[SceneNote, ...] = ()


class Waiver(Note, frozen=True, kw_only=True):
    """Somebody takes it upon themselves that `item` of `about` (a camera, or empty) is missing."""

    item: str
    about: str = ""
    name: str
    reason: str
    wall_ns: int


class AcceptNote(Note, frozen=True, kw_only=True):
    """`folder` is the newest signed report's, below the home's acceptance folder; `sent_ns` when the centre took it."""

    technician: str = ""
    waivers: tuple[Waiver, ...] = ()
    folder: str = ""
    signed_ns: int = 0
    sent_ns: int = 0
