"""Notices when users put another detector into their folder, and has it looked at."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from agent import log
from agent.processes.sight import Sight

# A model of 40 MB comes over a thin line in pieces: it is looked at when nothing has changed for this long.
_SETTLED_S: Final = 1.0
# Between two rounds of the stage, so that it ends with the process.
_ROUND_S: Final = 0.5

_log = log.get("own_models")


class OwnModels:
    """`run_once` is called by a stage of its own, `close` when that has ended.

    The folder is made when it is not there; what the users' manifest names is proven before it serves (Sight.reload).
    """

    def __init__(self, folder: Path, sight: Sight, stop: threading.Event) -> None:
        self._sight = sight
        self._stop = stop
        self._changed = threading.Event()
        self._observer = Observer()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._observer.schedule(_Ear(self._changed), str(folder))
            self._observer.start()
        except OSError as exc:
            _log.error(
                "folder cannot be watched, models are taken at the next start", path=str(folder), problem=str(exc)
            )

    def run_once(self) -> None:
        if not self._changed.wait(_ROUND_S):
            return
        while self._changed.is_set() and not self._stop.is_set():
            self._changed.clear()
            self._stop.wait(_SETTLED_S)
        if not self._stop.is_set():
            self._sight.reload()

    def close(self) -> None:
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join()


class _Ear(FileSystemEventHandler):
    """On the observer's thread."""

    def __init__(self, changed: threading.Event) -> None:
        self._changed = changed

    def on_any_event(self, event: FileSystemEvent) -> None:
        # To read a file is no change of it.
        if event.event_type not in ("opened", "closed_no_write"):
            self._changed.set()
