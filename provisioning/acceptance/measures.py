"""What was measured for one report. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from provisioning.acceptance.notes import AimNote, CameraNote, WalkNote


@dataclass(frozen=True, slots=True)
class NodeMeasures:
    """`clock_quality` is a ClockQuality's word; `clock_error_s` the kernel's bound, None when nothing vouches.
    `absent_cameras` were ordered and are not set up."""

    node: str
    org: str
    site: str
    is_enrolled: bool
    order: str
    serial: str
    replaces: str
    software: str
    timezone: str
    clock_quality: str
    clock_error_s: float | None
    absent_cameras: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SceneSummary:
    """`zones`: each zone's id with the rules it is watched for, in words of the grammar. `sha256` is of the
    scene file."""

    zones: tuple[tuple[str, tuple[str, ...]], ...]
    lines: int
    masks: int
    ground_points: int
    sha256: str

    @property
    def watches(self) -> bool:
        """Whether walking through some zone can be seen at all."""
        return any(rules for _, rules in self.zones)


@dataclass(frozen=True, slots=True)
class ProvenClip:
    """A clip pulled out of the ring and proven by its boxes and its SHA-256. `file` is its name in the report."""

    file: str
    sha256: str
    size_bytes: int
    codec: str
    frames: int
    duration_s: float
    start_wall_ns: int
    end_wall_ns: int


@dataclass(frozen=True, slots=True)
class CameraMeasures:
    """One camera. What was not done is None; `clip_problem` is the word of `accept.item.clip.{…}` where there is no
    clip. `picture` is JPEG, of the newest IDR in the ring; empty when there is none."""

    id: str
    name: str
    source: str
    probe: CameraNote | None
    aim: AimNote | None
    scene: SceneSummary | None
    walk: WalkNote | None
    footage_age_s: float | None
    clip: ProvenClip | None
    clip_problem: str = ""
    clip_detail: str = ""
    picture: bytes = b""
    walk_still: bytes = b""
