"""Many segments looked at, by several processes where there are many: reading headers is Python's own work."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from agent import log
from agent.recording.repair import Finding, Looked
from agent.recording.surveyor import Found, ask, hear, look_at

__all__ = ["Found", "OnProgress", "survey"]

# (done, total) files; called from the surveying thread after every batch.
OnProgress = Callable[[int, int], None]

# Short, so that a watchdog hears between two of them even where each file costs a second of a worn disk.
_BATCH: Final = 25
# Below this the workers' start, a quarter of a second of imports, costs more than they save.
_MANY: Final = 4000
_MAX_WORKERS: Final = 4
# Batches that a worker has waiting: 16 of 2 kB fit into a pipe of 64 kB, so that asking never blocks.
_AHEAD: Final = 16

_log = log.get("survey")


def survey(
    data_dir: Path, paths: Sequence[str], on_progress: OnProgress | None = None, *, workers: int | None = None
) -> Iterator[list[Found]]:
    """Look at every path and repair what is torn (agent.recording.repair), in batches in the order given.

    `workers` processes, below two none but this; None: as many as the paths are worth. Raises DiskError when the disk
    as a whole refuses; no single file does.
    """
    batches = [paths[start : start + _BATCH] for start in range(0, len(paths), _BATCH)]
    if workers is None:
        workers = min(os.cpu_count() or 1, _MAX_WORKERS) if len(paths) >= _MANY else 1
    done = 0
    for batch in _alone(data_dir, batches) if workers < 2 else _together(data_dir, batches, workers):
        for path, looked in batch:
            _tell(path, looked)
        yield batch
        done += len(batch)
        if on_progress is not None:
            on_progress(done, len(paths))


def _alone(data_dir: Path, batches: Sequence[Sequence[str]]) -> Iterator[list[Found]]:
    for batch in batches:
        yield look_at(data_dir, batch)


def _together(data_dir: Path, batches: Sequence[Sequence[str]], count: int) -> Iterator[list[Found]]:
    """By workers in turn. What one that was killed leaves is done here: short of memory or not, the index is needed."""
    with ExitStack() as running:
        workers = [running.enter_context(_Worker(data_dir)) for _ in range(count)]
        asked: deque[tuple[_Worker, Sequence[str]]] = deque()
        for number, batch in enumerate(batches):
            worker = workers[number % count]
            worker.ask(batch)
            asked.append((worker, batch))
            if len(asked) >= count * _AHEAD:
                yield _take(data_dir, *asked.popleft())
        while asked:
            yield _take(data_dir, *asked.popleft())


def _take(data_dir: Path, worker: _Worker, batch: Sequence[str]) -> list[Found]:
    found = worker.hear()
    return look_at(data_dir, batch) if found is None else found


class _Worker:
    """One process. After its death it takes questions and answers None."""

    def __init__(self, data_dir: Path) -> None:
        self._argv = (sys.executable, "-m", "agent.recording.surveyor", str(data_dir))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._process = subprocess.Popen(self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        except OSError as exc:
            self._lose(str(exc))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            # It reads the end of its input and leaves; with answers still under way it would wait for us to read them.
            if kind is not None:
                self._process.kill()
            self._process.communicate()

    def ask(self, batch: Sequence[str]) -> None:
        if self._process is not None and self._process.stdin is not None:
            try:
                ask(self._process.stdin, batch)
            except BrokenPipeError as exc:
                self._lose(str(exc))

    def hear(self) -> list[Found] | None:
        if self._process is None or self._process.stdout is None:
            return None
        found = hear(self._process.stdout)
        if found is None:
            self._lose("it ended")
        return found

    def _lose(self, problem: str) -> None:
        _log.warning("a worker of the survey is lost; its segments are looked at here", problem=problem)
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _tell(path: str, looked: Looked) -> None:
    if looked.finding is Finding.REPAIRED:
        _log.warning("segment repaired", path=path, cut_bytes=looked.cut_bytes)
    elif looked.finding in {Finding.DAMAGED, Finding.UNREADABLE}:
        _log.error("segment damaged", path=path, finding=looked.finding.value)
