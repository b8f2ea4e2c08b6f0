"""Changes of the files that a configuration is made of, as inotify tells them."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

from watchdog.events import FileClosedEvent, FileMovedEvent, FileSystemEvent, FileSystemEventHandler

from agent.config import Config


def folders_of(path: Path, config: Config | None) -> set[Path]:
    """Those of the configuration's own file, and of the scenes and secrets that it names where it is right."""
    cameras = [] if config is None else config.cameras
    named: Iterable[str] = (name for each in cameras for name in (each.scene, each.password_file) if name)
    return {path.resolve().parent, *(Path(name).resolve().parent for name in named)}


class FileChanges(FileSystemEventHandler):
    """Files are replaced (moved over) or written and closed; reading one half written would only fail and be logged."""

    def __init__(self, changed: threading.Event) -> None:
        self._changed = changed

    def on_any_event(self, event: FileSystemEvent) -> None:
        if isinstance(event, FileMovedEvent | FileClosedEvent):
            self._changed.set()
