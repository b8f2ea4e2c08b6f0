"""The book of requests, as people read it: asked, running, whole, partial, refused and why, after how long."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final

import msgspec

from agent.centre.asked import Outcome
from agent.centre.eventstore import EVENTS_NAME
from agent.contract.commands import ANSWER_EXPIRY_S
from agent.errors import StoreError
from agent.units import NS_PER_S

# An answer lives an hour at the broker (contract): what has not come by then will not come.
_PATIENCE_NS: Final = ANSWER_EXPIRY_S * NS_PER_S
# A clip works as long as it moves; a day without a word is longer than any upload's patience (agent/commands/upload).
_SILENCE_NS: Final = 24 * 3600 * NS_PER_S
FOOTAGE: Final = ("clip.export", "sheet", "snapshot")


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One request. `answered_wall_ns` is when the last word came, None before the first."""

    jti: str
    source: str
    name: str
    actor: str
    purpose: str
    case_ref: str
    camera: str
    start: str
    end: str
    asked_wall_ns: int | None
    answered_wall_ns: int | None
    outcome: Outcome
    progress: float | None
    reason: str
    message: str

    @property
    def answer_s(self) -> float | None:
        """From question to final answer; None while it is open, or where the question was not seen."""
        if self.outcome.is_open or self.asked_wall_ns is None or self.answered_wall_ns is None:
            return None
        return max(0.0, (self.answered_wall_ns - self.asked_wall_ns) / NS_PER_S)


@dataclass(frozen=True, slots=True)
class Score:
    """The report's line: `asked` requests, of which `got` were given footage, whole or in part. `refusals` counts
    reasons of all that got none; times are of those answered, None where there is none."""

    asked: int
    got: int
    outcomes: dict[Outcome, int]
    refusals: dict[str, int]
    answer_median_s: float | None
    answer_p95_s: float | None


def read_requests(
    folder: Path, wall_ns: int, *, since_wall_ns: int = 0, names: Iterable[str] = FOOTAGE
) -> list[RequestRow]:
    """Newest first, from the store in `folder` that `centre serve` writes, beside which this may run. Raises
    StoreError where there is none."""
    wanted = tuple(names)
    path = folder / EVENTS_NAME
    try:
        conn = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        try:
            rows = conn.execute(
                "SELECT jti, source, name, actor, purpose, case_ref, camera, start, stop, asked_ns, answered_ns,"
                " outcome, progress, reason, message FROM request"
                " WHERE coalesce(asked_ns, answered_ns) >= ?"
                " AND (? OR name IN (SELECT value FROM json_each(?)))"
                " ORDER BY coalesce(asked_ns, answered_ns) DESC",
                (since_wall_ns, not wanted, json.dumps(wanted)),
            ).fetchall()
        finally:
            conn.close()
    except sqlite3.Error as exc:
        remedy = "name the folder that `wayside centre serve --store` writes"
        raise StoreError(path=str(path), detail=str(exc), remedy=remedy) from exc
    return [_row(row, wall_ns) for row in rows]


def score(rows: Iterable[RequestRow]) -> Score:
    """What the next report will say of these requests."""
    outcomes = dict.fromkeys(Outcome, 0)
    refusals: dict[str, int] = {}
    times_s: list[float] = []
    for row in rows:
        outcomes[row.outcome] += 1
        if row.answer_s is not None:
            times_s.append(row.answer_s)
        if row.outcome in (Outcome.REFUSED, Outcome.FAILED, Outcome.CANCELLED, Outcome.UNANSWERED):
            word = row.reason or row.outcome.value
            refusals[word] = refusals.get(word, 0) + 1
    times_s.sort()
    return Score(
        asked=sum(outcomes.values()),
        got=outcomes[Outcome.WHOLE] + outcomes[Outcome.PARTIAL],
        outcomes=outcomes,
        refusals=refusals,
        answer_median_s=_rank(times_s, 0.5),
        answer_p95_s=_rank(times_s, 0.95),
    )


def _rank(ordered: list[float], ratio: float) -> float | None:
    """The nearest-rank quantile."""
    return ordered[min(len(ordered) - 1, int(ratio * len(ordered)))] if ordered else None


def _row(columns: tuple[object, ...], wall_ns: int) -> RequestRow:
    """The columns stand in the order of the fields."""
    names = (each.name for each in fields(RequestRow))
    row = msgspec.convert(dict(zip(names, columns, strict=True)), RequestRow)
    return replace(row, outcome=_patient(row.outcome, row.asked_wall_ns, row.answered_wall_ns, wall_ns))


def _patient(outcome: Outcome, asked_ns: int | None, answered_ns: int | None, wall_ns: int) -> Outcome:
    """What is open for too long has no answer any more."""
    if outcome is Outcome.ASKED and asked_ns is not None and wall_ns - asked_ns > _PATIENCE_NS:
        return Outcome.UNANSWERED
    if outcome is Outcome.RUNNING and answered_ns is not None and wall_ns - answered_ns > _SILENCE_NS:
        return Outcome.UNANSWERED
    return outcome
