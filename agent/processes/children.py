"""Which processes a configuration asks for, and what each of them depends on.

A changed configuration disturbs only the processes that read what changed: a new scene restarts vision and no camera, a
camera's new password restarts that camera alone.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Final

import msgspec

from agent.config import CameraConfig, Config
from agent.processes.lastgood import read_scene
from agent.processes.supervise import ChildCommand

# 2 s of silence is a hang for those that must be back within 5 s (product: findings again within 5 s); a camera's disk
# may take a little longer.
_WATCHDOG_S: Final = 2.0
_CAMERA_WATCHDOG_S: Final = 3.0


def plan_children(config: Config, config_path: Path) -> list[ChildCommand]:
    """One command per camera, the node and vision. Reads the files that the configuration names, for their digests."""
    base = (sys.executable, "-m", "agent.processes")
    tail = ("--config", str(config_path))
    cameras = [
        ChildCommand(
            f"camera-{camera.id}", (*base, "camera", camera.id, *tail), _CAMERA_WATCHDOG_S, _camera(config, camera)
        )
        for camera in config.cameras
    ]
    node = ChildCommand("node", (*base, "node", *tail), _WATCHDOG_S, _node(config))
    vision = ChildCommand("vision", (*base, "vision", *tail), _WATCHDOG_S, _vision(config, config_path))
    return [*cameras, node, vision]


def _camera(config: Config, camera: CameraConfig) -> str:
    # What the recorder reads; how long footage is kept is the node's business and costs no camera a gap.
    about_it = msgspec.structs.replace(camera, scene="", name="", keep_days=None, max_bytes="")
    zone = config.timezone if camera.record == "schedule" else ""
    storage = (config.storage.ring_id, config.storage.segment_s, config.storage.durability_s)
    return _digest(config.data_dir, config.runtime_dir, storage, about_it, zone, _content(camera.password_file))


def _vision(config: Config, config_path: Path) -> str:
    # The address of a stream is the camera process's business; vision knows cameras by their ids. A scene that was
    # edited wrongly is no reason to stop seeing: what vision would read then is what it has.
    scenes = [(camera.id, camera.scene, read_scene(camera, config_path).text) for camera in config.cameras]
    return _digest(config.data_dir, config.runtime_dir, config.vision, scenes)


def _node(config: Config) -> str:
    broker = config.broker
    papers = [] if broker is None else [_content(path) for path in (broker.ca, broker.key)]
    # A renewed certificate is taken up by the node itself, without a restart.
    cameras = [msgspec.structs.replace(camera, scene="", password_file="") for camera in config.cameras]
    return _digest(msgspec.structs.replace(config, cameras=cameras), papers)


def _digest(*facts: object) -> str:
    return hashlib.sha256(msgspec.json.encode(facts)).hexdigest()


def _content(path: str) -> str:
    """Digest of a file; empty when there is none, which is a fact as well."""
    if not path:
        return ""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return ""
