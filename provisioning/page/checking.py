"""The node's checks, run once at a time on a thread of their own, told one by one, and kept for the report."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from agent.config import decode_config
from agent.enrolment.standing import Standing
from agent.errors import ConfigError
from agent.stage import Stage
from provisioning.checks.node import CheckGround, checks
from provisioning.checks.result import CheckResult, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.config import Config
    from provisioning.page.site import PageContext

_NOTE: Final = "checks"


class CheckNote(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One result as it is kept; `facts` as they stand in its sentence."""

    id: str
    verdict: str
    reason: str
    about: str = ""
    facts: dict[str, str] = msgspec.field(default_factory=dict)


class ChecksNote(msgspec.Struct, frozen=True, kw_only=True):
    """All results of the last whole run; `wall_ns` is when it ended, by the node's clock."""

    v: int = 1
    wall_ns: int
    results: tuple[CheckNote, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """`ids`: all checks of this run in their order, as soon as they are known; `results`: what is found so far."""

    is_running: bool
    ids: tuple[str, ...]
    results: tuple[CheckResult, ...]


class Checking:
    """Safe from any thread. The thread of a run ends with the run, which takes half a minute at most."""

    def __init__(self, context: PageContext) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._is_running = False
        self._ids: tuple[str, ...] = ()
        self._results: tuple[CheckResult, ...] = ()

    def begin(self) -> None:
        """Begin a run unless one is under way."""
        with self._lock:
            if self._is_running:
                return
            self._is_running, self._ids, self._results = True, (), ()
        over = threading.Event()

        def run_once() -> None:
            try:
                self._run()
            finally:
                over.set()
                with self._lock:
                    self._is_running = False

        Stage("page-checks", run_once, stop=over).start()

    def progress(self) -> Progress:
        """Of the run under way or the last one of this process; of the note when there was none."""
        with self._lock:
            if self._is_running or self._results:
                return Progress(self._is_running, self._ids, self._results)
        kept = last_results(self._context)
        return Progress(is_running=False, ids=tuple(each.id for each in kept), results=kept)

    def _run(self) -> None:
        todo = list(checks(_ground(self._context), self._context.clock))
        with self._lock:
            self._ids = tuple(name for name, _ in todo)
        for _, check in todo:
            result = check()
            with self._lock:
                self._results = (*self._results, result)
        notes = tuple(_note_of(result) for result in self._results)
        self._context.write_note(_NOTE, ChecksNote(wall_ns=self._context.clock.wall_ns(), results=notes))


def last_results(context: PageContext) -> tuple[CheckResult, ...]:
    """What the last whole run found, for the acceptance report; empty when there was none."""
    note = context.note(_NOTE, ChecksNote)
    return () if note is None else tuple(_result_of(each) for each in note.results if each.verdict in set(Verdict))


def _ground(context: PageContext) -> CheckGround:
    home = context.home
    record = home.load_enrolment()
    is_enrolled = record.state in (Standing.ENROLLED, Standing.IN_SERVICE)
    config = _config(context)
    return CheckGround(
        data_dir=Path(config.data_dir) if config is not None else context.data_dir,
        config=config,
        centre_url=record.enrol_url if is_enrolled else "",
        ca=str(home.ca) if is_enrolled else "",
    )


def _config(context: PageContext) -> Config | None:
    """The checks go without a configuration that cannot be read: the order step says that."""
    text = context.home.read_text(context.home.config)
    try:
        return None if text is None else decode_config(text, name=context.home.config.name)
    except ConfigError:
        return None


def _note_of(result: CheckResult) -> CheckNote:
    facts: Mapping[str, str] = {key: str(value) for key, value in result.facts.items()}
    return CheckNote(
        id=result.id, verdict=result.verdict.value, reason=result.reason, about=result.about, facts=dict(facts)
    )


def _result_of(note: CheckNote) -> CheckResult:
    return CheckResult(note.id, Verdict(note.verdict), note.reason, note.about, note.facts)
