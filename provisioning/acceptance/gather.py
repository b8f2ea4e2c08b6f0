"""Measuring a site for its report: the notes of the steps, the scene files, the ring, the clock, one clip a camera."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent import __version__
from agent.clock import Clock
from agent.config import CameraConfig, Config, decode_config
from agent.enrolment.home import NodeHome
from agent.enrolment.nodekey import load_key
from agent.enrolment.standing import Standing
from agent.errors import ConfigError, StoreError
from agent.recording.incidents import read_still
from agent.scene.file import decode_scene
from agent.scene.grammar import Scene
from agent.store import open_store
from agent.units import NS_PER_S
from provisioning.acceptance.footage import ClipProblem, newest_footage, pull_test_clip, ring_picture
from provisioning.acceptance.measures import CameraMeasures, NodeMeasures, SceneSummary
from provisioning.acceptance.notes import AimNote, CameraNote, WalkNote


@dataclass(frozen=True, slots=True)
class CameraNotes:
    """What the steps wrote down about one camera. `has_scene`: somebody looked at its scene and saved it."""

    probe: CameraNote | None
    aim: AimNote | None
    walk: WalkNote | None
    has_scene: bool


@dataclass(frozen=True, slots=True)
class Site:
    """Where to measure. `notes` tells what was written down about a camera, `ordered` names the cameras
    of the work order."""

    home: NodeHome
    clock: Clock
    notes: Callable[[str], CameraNotes]
    ordered: tuple[str, ...] = ()


def load_config(home: NodeHome) -> Config | None:
    """The node's configuration; None before its grant. Raises ConfigError, EnrolmentError."""
    text = home.read_text(home.config)
    return None if text is None else decode_config(text, name=home.config.name)


def measure_node(site: Site, config: Config | None) -> NodeMeasures:
    """Raises EnrolmentError where the node has no key."""
    record, status = site.home.load_enrolment(), site.clock.status()
    return NodeMeasures(
        node=load_key(site.home).node,
        org=record.org or (config.node.org if config else ""),
        site=record.site or (config.node.site if config else ""),
        is_enrolled=record.state in (Standing.ENROLLED, Standing.IN_SERVICE),
        order=record.order,
        serial=record.serial,
        replaces=record.replaces or "",
        software=__version__,
        timezone=config.timezone if config else "Asia/Bangkok",
        clock_quality=status.quality.value,
        clock_error_s=status.error_s,
        absent_cameras=tuple(each for each in site.ordered if config is None or config.camera(each) is None),
    )


def measure_camera(site: Site, config: Config, camera: CameraConfig, folder: Path | None) -> CameraMeasures:
    """Everything known of one camera now. `folder`: where to put its test clip; without it none is pulled."""
    data_dir, notes = Path(config.data_dir), site.notes(camera.id)
    now_ns, drawn = site.clock.wall_ns(), _drawn(site.home, camera) or (Scene(), "")
    newest = newest_footage(data_dir, camera.id)
    clip = None
    if folder is not None:
        clip = pull_test_clip(data_dir, camera.id, folder / f"{camera.id}.mp4", now_ns)
    is_pulled = clip is not None and not isinstance(clip, ClipProblem)
    return CameraMeasures(
        id=camera.id,
        name=camera.name,
        source=notes.probe.source if notes.probe else "",
        probe=notes.probe,
        aim=notes.aim,
        scene=summarise_scene(site.home, camera) if notes.has_scene else None,
        walk=notes.walk,
        # A frame's last tick may end a moment after now.
        footage_age_s=max(now_ns - newest.end_wall_ns, 0) / NS_PER_S if newest else None,
        clip=clip if not isinstance(clip, ClipProblem) else None,
        clip_problem=clip.reason if isinstance(clip, ClipProblem) else "",
        clip_detail=clip.detail if isinstance(clip, ClipProblem) else "",
        picture=ring_picture(newest, [mask.polygon for mask in drawn[0].masks]) if newest and is_pulled else b"",
        walk_still=_still(data_dir, notes.walk) if is_pulled else b"",
    )


def summarise_scene(home: NodeHome, camera: CameraConfig) -> SceneSummary | None:
    """What the camera's scene file watches for; None when there is none that can be read."""
    drawn = _drawn(home, camera)
    if drawn is None:
        return None
    scene, text = drawn
    return SceneSummary(
        zones=tuple(
            (zone.id, tuple(name for name in zone.rules.__struct_fields__ if getattr(zone.rules, name) is not None))
            for zone in scene.zones
        ),
        lines=len(scene.lines),
        masks=len(scene.masks),
        ground_points=len(scene.calibration.points) if scene.calibration else 0,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
    )


def _drawn(home: NodeHome, camera: CameraConfig) -> tuple[Scene, str] | None:
    text = home.read_text(Path(camera.scene)) if camera.scene else None
    try:
        return None if text is None else (decode_scene(text, name=camera.scene), text)
    except ConfigError:
        return None


def _still(data_dir: Path, walk: WalkNote | None) -> bytes:
    """The picture that the node kept with the walk's incident; empty without one."""
    if walk is None or not walk.incident:
        return b""
    try:
        conn = open_store(data_dir, readonly=True)
    except StoreError:
        return b""
    try:
        still = read_still(conn, data_dir, walk.incident)
    finally:
        conn.close()
    return still.jpeg if still else b""
