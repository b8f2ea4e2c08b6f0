"""The last configuration and scenes that were right, kept for the day that somebody edits one wrongly.

A wrong edit changes nothing while processes run (agent.processes.follow). But they may be started anew, by a crash or a
power cut: then they go on with these copies, which the node process keeps in a folder beside the configuration. A scene
holds the masks of what may not be seen: without its copy a slip of the pen would uncover it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.config import CameraConfig
from agent.enrolment.wholefile import write_whole
from agent.errors import ConfigError
from agent.recording.folder import disk_error
from agent.scene.file import decode_scene
from agent.scene.grammar import Scene

FOLDER: Final = "last-good"
_MODE: Final = 0o640


@dataclass(frozen=True, slots=True)
class SceneRead:
    """`scene` is None where there is none or no right one was ever seen; `text` is what it was read from; `fault` says
    what is wrong with the file itself, empty when nothing is."""

    scene: Scene | None
    text: str = ""
    fault: str = ""


def copy_of(config: Path, name: str) -> Path:
    """Of the configuration (by its own name) or of a scene (`scene_name`)."""
    return config.resolve().parent / FOLDER / name


def scene_name(camera: str) -> str:
    return f"scene-{camera}.toml"


def read_scene(camera: CameraConfig, config: Path) -> SceneRead:
    """The camera's scene, or the last right one where its file is wrong or gone."""
    if not camera.scene:
        return SceneRead(None)
    try:
        return _scene_in(Path(camera.scene), camera.id)
    except ConfigError as exc:
        fault = str(exc)
    try:
        kept = _scene_in(copy_of(config, scene_name(camera.id)), camera.id)
    except ConfigError:
        return SceneRead(None, fault=fault)
    return SceneRead(kept.scene, kept.text, fault)


def keep_copy(config: Path, name: str, text: str) -> None:
    """Nothing is written where the same lies there already. Raises DiskError."""
    path = copy_of(config, name)
    try:
        if path.is_file() and path.read_bytes() == text.encode():
            return
        path.parent.mkdir(mode=0o750, exist_ok=True)
        write_whole(path, text.encode(), mode=_MODE)
    except OSError as exc:
        raise disk_error(exc) from exc


def _scene_in(path: Path, camera: str) -> SceneRead:
    """Raises ConfigError, with the file's name."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as exc:
        raise ConfigError(file=str(path), remedy=f"it cannot be read ({exc.strerror or 'unreadable'})") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(file=str(path), remedy="it is not UTF-8 text; save it as UTF-8") from exc
    scene = decode_scene(text, name=str(path))
    if scene.camera not in ("", camera):
        raise ConfigError(file=str(path), remedy=f"it is the scene of {scene.camera}; name the right file for {camera}")
    return SceneRead(scene, text)
