"""One table of everything: a row for each clip, the sums below. Pure.

What a row does not measure stays empty; a row of a composite is set apart and added up by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from tests.eval.mot import MotScore

_S_PER_H = 3600


class Group(Enum):
    """Which part of the table a row stands in."""

    FOOTAGE = "Footage"
    COMPOSITE = "Composites"


@dataclass(frozen=True, slots=True)
class Counted:
    """Line crossings: how many there were, how many were told, and how many of those within a second of a true one of
    the same direction. `late_s`: how far those were off, by true crossing; empty where the truth has no times."""

    truth: int
    told: int
    in_time: int
    late_s: tuple[float, ...] = ()

    @property
    def error(self) -> float:
        """How far the sum is off, as a part of the truth."""
        return abs(self.told - self.truth) / self.truth


@dataclass(frozen=True, slots=True)
class Pixels:
    """Motion against masks: pixels rightly told, wrongly told and missed."""

    hits: int
    false: int
    missed: int

    @property
    def f_measure(self) -> float:
        return 2 * self.hits / max(2 * self.hits + self.false + self.missed, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One clip as judged.

    `expected`: annotated incidents, `raised` of them in time. `delays_s`: from the beginning of each one raised to its
    alarm, less the rule's own delay. `false_alarms`: incidents that nothing in the picture is behind. `seconds` were
    watched for them, unless not `is_watched`: single measurements without a scene. `notes`: what is missed and what is
    false, in words, and what the row is made of.
    """

    clip: str
    group: Group = Group.FOOTAGE
    seconds: float = 0.0
    is_watched: bool = True
    expected: int = 0
    raised: int = 0
    delays_s: tuple[float, ...] = ()
    false_alarms: int = 0
    counted: Counted | None = None
    mot: MotScore | None = None
    motion: Pixels | None = None
    inferences_per_s: float | None = None
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    one: Callable[[Row], str]
    total: Callable[[Sequence[Row]], str]


def render(rows: Iterable[Row]) -> str:
    """Markdown: the table, then the notes."""
    ordered = list(rows)
    lines = [_line([column.title for column in _COLUMNS]), "|".join(["", *["---"] * len(_COLUMNS), ""])]
    for group in Group:
        mine = [row for row in ordered if row.group is group]
        if mine:
            lines.append(_line([f"**{group.value}**"] + [""] * (len(_COLUMNS) - 1)))
            lines += [_line([column.one(row) for column in _COLUMNS]) for row in mine]
            lines.append(_line([column.total(mine) for column in _COLUMNS]))
    notes = [f"- {row.clip}: {note}" for row in ordered for note in row.notes]
    return "\n".join(lines) + ("\n\n" + "\n".join(notes) if notes else "") + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _recall(rows: Sequence[Row]) -> str:
    expected = sum(row.expected for row in rows)
    return f"{sum(row.raised for row in rows)} of {expected}" if expected else ""


def _false(rows: Sequence[Row]) -> str:
    watched = [row for row in rows if row.is_watched]
    seconds, alarms = sum(row.seconds for row in watched), sum(row.false_alarms for row in watched)
    return f"{alarms} ({alarms * _S_PER_H / seconds:.0f}/h)" if seconds else ""


def _delay(rows: Sequence[Row]) -> str:
    delays = [delay for row in rows for delay in row.delays_s]
    return f"{max(delays):.1f}" if delays else ""


def _count(rows: Sequence[Row]) -> str:
    counted = [row.counted for row in rows if row.counted]
    if not counted:
        return ""
    truth, off = sum(one.truth for one in counted), sum(abs(one.told - one.truth) for one in counted)
    return f"{sum(one.told for one in counted)} of {truth} ({off / truth:.0%})"


def _in_time(rows: Sequence[Row]) -> str:
    counted = [row.counted for row in rows if row.counted]
    if not counted:
        return ""
    late = [second for one in counted for second in one.late_s]
    worst = f" (≤ {max(late):.2f} s)" if late else ""
    return f"{sum(one.in_time for one in counted)} of {sum(one.truth for one in counted)}{worst}"


def _mot(rows: Sequence[Row]) -> MotScore | None:
    scores = [row.mot for row in rows if row.mot]
    if not scores:
        return None
    return MotScore(
        sum(one.truth for one in scores),
        sum(one.told for one in scores),
        sum(one.found for one in scores),
        sum(one.switches for one in scores),
        sum(one.same for one in scores),
    )


def _mota(rows: Sequence[Row]) -> str:
    mot = _mot(rows)
    return f"{mot.mota:.3f}" if mot else ""


def _idf1(rows: Sequence[Row]) -> str:
    mot = _mot(rows)
    return f"{mot.idf1:.3f}" if mot else ""


def _motion(rows: Sequence[Row]) -> str:
    """The mean over clips: a large picture counts no more than a small one."""
    values = [row.motion.f_measure for row in rows if row.motion]
    return f"{sum(values) / len(values):.3f}" if values else ""


def _inferences(rows: Sequence[Row]) -> str:
    known = [(row.inferences_per_s, row.seconds) for row in rows if row.inferences_per_s is not None and row.seconds]
    seconds = sum(second for _, second in known)
    return f"{sum(rate * second for rate, second in known) / seconds:.1f}" if known else ""


def _column(title: str, of: Callable[[Sequence[Row]], str]) -> _Column:
    return _Column(title, lambda row: of([row]), of)


_COLUMNS = (
    _Column("clip", lambda row: row.clip, lambda rows: f"**all {len(rows)}**"),
    _column("seconds", lambda rows: f"{sum(row.seconds for row in rows):.0f}"),
    _column("incidents raised", _recall),
    _column("false alarms", _false),
    _column("worst delay, s", _delay),
    _column("crossings counted (error)", _count),
    _column("crossings within 1 s", _in_time),
    _column("MOTA", _mota),
    _column("IDF1", _idf1),
    _column("F of motion", _motion),
    _column("inferences/s", _inferences),
)
