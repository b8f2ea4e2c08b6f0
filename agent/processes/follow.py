"""A configuration that is followed while the agent runs: its file and the scenes and secrets beside it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

from watchdog.observers import Observer

from agent import log
from agent.config import Config
from agent.errors import ConfigError
from agent.notify import wait_for_stop
from agent.processes.changes import FileChanges, folders_of
from agent.processes.children import plan_children
from agent.processes.configfile import load_config
from agent.processes.supervise import ChildCommand

_WAIT_STEP_S: Final = 0.5

_log = log.get("follow")


def wait_for_config(path: Path, stop: threading.Event) -> Config | None:
    """The configuration, once there is one that is right; None when stopped before. Its faults are logged once each."""
    told = ""
    while not stop.is_set():
        try:
            if path.exists():
                return load_config(path)
            fault = "not there yet"
        except ConfigError as exc:
            fault = str(exc)
        if fault != told:
            _log.info("waiting for a configuration", file=str(path), problem=fault)
            told = fault
        wait_for_stop(stop, _WAIT_STEP_S)
    return None


class Follower:
    """Watches folders with inotify on a thread of its own; `plan` is asked by the supervisor's thread."""

    def __init__(self, path: Path, config: Config) -> None:
        self._path = path
        self._changed = threading.Event()
        self._watched: set[Path] = set()
        self._observer = Observer()
        self._handler = FileChanges(self._changed)
        self._watch_folders(config)
        self._observer.start()

    def plan(self) -> list[ChildCommand] | None:
        """What should run from now on, None while nothing changed. A wrong configuration changes nothing."""
        if not self._changed.is_set():
            return None
        self._changed.clear()
        try:
            config = load_config(self._path)
        except ConfigError as exc:
            _log.error("changed configuration not usable, the old one stays in force", problem=str(exc))
            return None
        self._watch_folders(config)
        return plan_children(config, self._path)

    def close(self) -> None:
        self._observer.stop()
        self._observer.join()

    def _watch_folders(self, config: Config) -> None:
        for folder in sorted(folders_of(self._path, config) - self._watched):
            # A folder that is not there yet holds no file that the configuration names.
            if folder.is_dir():
                self._observer.schedule(self._handler, str(folder))
                self._watched.add(folder)
