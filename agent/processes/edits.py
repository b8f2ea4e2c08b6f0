"""Local edits of the configuration and the scenes: looked at by the node process when they happen, and told.

The supervisor or `wayside-apply` puts right edits in force. Wrong ones change nothing; here they become an alarm and
stand in `reported`, so that whoever edited, and the centre, learn of it before the next restart does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from watchdog.observers import Observer

from agent import log
from agent.config import Config
from agent.errors import ConfigError
from agent.messaging.alarm import Alarm, AlarmKind
from agent.processes.changes import FileChanges, folders_of
from agent.processes.configfile import load_config
from agent.processes.lastgood import keep_copy, read_scene, scene_name

_TICK_S: Final = 0.5
_MOST_TOLD: Final = 5

_log = log.get("edits")


class EditWatch:
    """`run_once` is the body of the stage "edits". `tell` hears what is wrong with the files as they lie there, each
    time they changed; `alarm` when that begins or ends."""

    def __init__(
        self,
        path: Path,
        *,
        tell: Callable[[tuple[str, ...]], None],
        alarm: Callable[[Alarm], None],
        stop: threading.Event,
    ) -> None:
        self._path = path
        self._tell = tell
        self._alarm = alarm
        self._stop = stop
        self._faults: tuple[str, ...] = ()

    def run_once(self) -> None:
        """Until stopped. Raises DiskError; then the stage begins it again."""
        changed = threading.Event()
        observer = Observer()
        watched: set[Path] = set()
        observer.start()
        try:
            changed.set()
            while not self._stop.is_set():
                if changed.is_set():
                    changed.clear()
                    config = self.look()
                    # A folder that is not there yet holds no file that the configuration names.
                    for folder in sorted(folders_of(self._path, config) - watched):
                        if folder.is_dir():
                            observer.schedule(FileChanges(changed), str(folder))
                            watched.add(folder)
                            # What happened between reading and watching.
                            changed.set()
                self._stop.wait(_TICK_S)
        finally:
            observer.stop()
            observer.join()

    def look(self) -> Config | None:
        """Judge the files, keep copies of the right ones, tell of the others. Raises DiskError."""
        faults: list[str] = []
        config = None
        try:
            config = load_config(self._path)
            keep_copy(self._path, self._path.name, self._path.read_text(encoding="utf-8"))
        except ConfigError as exc:
            faults.append(str(exc))
        for camera in config.cameras if config is not None else []:
            read = read_scene(camera, self._path)
            if read.fault:
                faults.append(read.fault)
            elif read.text:
                keep_copy(self._path, scene_name(camera.id), read.text)
        self._say(tuple(each[:500] for each in faults[:_MOST_TOLD]))
        return config

    def _say(self, faults: tuple[str, ...]) -> None:
        if faults == self._faults:
            return
        self._faults = faults
        if faults:
            _log.error("local edit not usable, what was before stays in force", problems=list(faults))
        else:
            _log.info("local files are right again")
        self._alarm(Alarm(AlarmKind.EDIT_REFUSED, is_active=bool(faults), detail="; ".join(faults)[:500]))
        self._tell(faults)
