"""What a person sees of a pull: a bar while it runs, the files and the missing parts at its end."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from agent.centre.requests import Pulled, PulledSheet
from agent.cli.settings import json_line
from agent.contract.commands import AnswerState


class ProgressBar:
    """A bar on stderr, or nothing where nobody looks."""

    def __init__(self, *, is_shown: bool) -> None:
        columns = (TextColumn("clip {task.description:<10}"), BarColumn(), TaskProgressColumn())
        self._progress = Progress(*columns, console=Console(stderr=True), disable=not is_shown)
        self._task = self._progress.add_task("asked", total=1.0)

    def __enter__(self) -> ProgressBar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._progress.update(self._task, completed=1.0, description="done")
        self._progress.stop()

    def update_shown(self, progress: float, word: str) -> None:
        """As `update`, beginning the bar with its first word: for a pull that comes after other lines."""
        self._progress.start()
        self.update(progress, word)

    def close(self) -> None:
        self._progress.stop()

    def update(self, progress: float, word: str) -> None:
        self._progress.update(self._task, completed=progress, description=word)


def print_pull(pulled: Pulled, *, as_json: bool) -> None:
    """The outcome; refusals go to stderr in the node's own words."""
    if as_json:
        print(json_line(_summary(pulled)))
        return
    answer = pulled.answer
    if pulled.result is None or answer.state not in (AnswerState.SUCCEEDED, AnswerState.PARTIAL):
        print(f"wayside: the node answered {answer.state.value} ({answer.reason}): {answer.message}", file=sys.stderr)
    for file in pulled.files:
        facts = file.facts
        print(f"{file.path}: {facts.duration_s:.1f} s, {facts.frames} frames, {facts.size_bytes} bytes, verified")
    for gap in pulled.result.gaps if pulled.result else ():
        print(f"missing {gap.start} – {gap.end}, {gap.seconds:.1f} s: {gap.reason}")


def print_sheet(pulled: PulledSheet, out: Path, *, as_json: bool) -> None:
    answer, result = pulled.answer, pulled.result
    if as_json:
        told = {"jti": answer.jti, "state": answer.state.value, "reason": answer.reason, "message": answer.message}
        print(json_line({**told, "path": str(out) if result else "", "result": result}))
    elif result is None:
        print(f"wayside: the node answered {answer.state.value} ({answer.reason}): {answer.message}", file=sys.stderr)
    else:
        print(f"{out}: {len(result.stills)} pictures, {result.file.bytes} bytes")
        for gap in result.gaps:
            print(f"missing {gap.start} – {gap.end}, {gap.seconds:.1f} s: {gap.reason}")


def _summary(pulled: Pulled) -> dict[str, object]:
    return {
        "jti": pulled.answer.jti,
        "state": pulled.answer.state.value,
        "reason": pulled.answer.reason,
        "message": pulled.answer.message,
        "result": pulled.result,
        "files": [
            {
                "path": str(file.path),
                "sha256": file.sha256,
                "duration_s": file.facts.duration_s,
                "frames": file.facts.frames,
            }
            for file in pulled.files
        ],
    }
