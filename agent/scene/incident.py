"""The life of an incident: it opens once, is told of now and then while it lasts, and closes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.contract.events import IncidentKind
from agent.scene.moment import Hit, Stage
from agent.units import NS_PER_S
from agent.vision.geometry import Box, Label

# A rule that is not fulfilled for this long is over; anything shorter is one happening (a truck passed in between).
CLOSE_AFTER_NS = 5 * NS_PER_S
# The contract's ceiling is one update in 5 s. While nothing new happens the pause doubles up to a minute: a car that
# stands for three hours tells of itself 190 times instead of 2 160, in the lane that is never shed.
UPDATE_EVERY_NS = 5 * NS_PER_S
_MAX_PAUSE_NS = 60 * NS_PER_S
# Enough for a dispatcher; an unbounded list would grow past the message's 64 KiB in a busy yard.
_MAX_TRACKS = 64


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident as it stands. `box` and `label` are the main track's: the one that opened it, and when that is gone
    the one that has fulfilled longest. `score` is the best that a main track had.

    `end_ns` is None until it closes and is then when it was last fulfilled, not when that was noticed. `count` is how
    many tracks fulfil it now (when closed: did last).
    """

    incident_id: str
    kind: IncidentKind
    zone: str | None
    begin_ns: int
    end_ns: int | None
    now_ns: int
    label: Label | None
    score: float
    box: Box
    tracks: tuple[int, ...]
    count: int


@dataclass(frozen=True, slots=True)
class IncidentChange:
    stage: Stage
    incident: Incident


@dataclass(slots=True)
class _Open:
    incident_id: str
    begin_ns: int
    tracks: list[int]
    hit: Hit
    last_ns: int
    told_ns: int
    pause_ns: int
    count: int
    score: float
    has_joined: bool = False


class IncidentKeeper:
    """One kind in one zone, or in the whole picture (None): at most one incident is open at a time, however many tracks
    fulfil it.

    new_id: makes the incident's id; injected, so that the scene stays pure and `analyse` repeats itself.
    """

    def __init__(self, kind: IncidentKind, zone: str | None, *, new_id: Callable[[], str]) -> None:
        self._kind = kind
        self._zone = zone
        self._new_id = new_id
        self._open: _Open | None = None

    @property
    def is_open(self) -> bool:
        return self._open is not None

    def update(self, media_ns: int, hits: Sequence[Hit]) -> list[IncidentChange]:
        """What there is to tell now, usually nothing. `hits`: who fulfils the rule, the longest first."""
        if self._open is None:
            return [self._begin(media_ns, hits)] if hits else []
        if not hits:
            if media_ns - self._open.last_ns <= CLOSE_AFTER_NS:
                return []
            return self.finish(media_ns)
        return self._go_on(self._open, media_ns, hits)

    def finish(self, media_ns: int) -> list[IncidentChange]:
        """Close what is open: the view, the run or the video ends here."""
        if self._open is None:
            return []
        incident = self._snapshot(self._open, media_ns, end_ns=self._open.last_ns)
        self._open = None
        return [IncidentChange(Stage.CLOSED, incident)]

    def _begin(self, media_ns: int, hits: Sequence[Hit]) -> IncidentChange:
        self._open = _Open(
            incident_id=self._new_id(),
            begin_ns=hits[0].since_ns,
            tracks=[hit.track_id for hit in hits[:_MAX_TRACKS] if hit.track_id is not None],
            hit=hits[0],
            last_ns=max(hit.last_ns for hit in hits),
            told_ns=media_ns,
            pause_ns=UPDATE_EVERY_NS,
            count=len(hits),
            score=hits[0].score,
        )
        return IncidentChange(Stage.OPENED, self._snapshot(self._open, media_ns, end_ns=None))

    def _go_on(self, now: _Open, media_ns: int, hits: Sequence[Hit]) -> list[IncidentChange]:
        for hit in hits:
            if hit.track_id is not None and hit.track_id not in now.tracks and len(now.tracks) < _MAX_TRACKS:
                now.tracks.append(hit.track_id)
                now.has_joined = True
        now.hit = next((hit for hit in hits if hit.track_id == now.hit.track_id), hits[0])
        now.count, now.score = len(hits), max(now.score, now.hit.score)
        now.last_ns = max(now.last_ns, *(hit.last_ns for hit in hits))
        waited_ns = media_ns - now.told_ns
        if waited_ns < (UPDATE_EVERY_NS if now.has_joined else now.pause_ns):
            return []
        now.pause_ns = UPDATE_EVERY_NS if now.has_joined else min(2 * now.pause_ns, _MAX_PAUSE_NS)
        now.told_ns, now.has_joined = media_ns, False
        return [IncidentChange(Stage.UPDATED, self._snapshot(now, media_ns, end_ns=None))]

    def _snapshot(self, now: _Open, media_ns: int, *, end_ns: int | None) -> Incident:
        return Incident(
            incident_id=now.incident_id,
            kind=self._kind,
            zone=self._zone,
            begin_ns=now.begin_ns,
            end_ns=end_ns,
            now_ns=media_ns,
            label=now.hit.label,
            score=now.score,
            box=now.hit.box,
            tracks=tuple(now.tracks),
            count=now.count,
        )
