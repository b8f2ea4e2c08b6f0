"""What one analysed frame tells a scene: media time, the tracks in view and where pixels changed. Pure.

The scene needs no more of a picture than this, so its rules run on tables in tests and on any tracker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from agent.vision.flame_sight import FlameSight
from agent.vision.geometry import Box, Label
from agent.vision.standing import StandingPiece
from agent.vision.track import START_SCORE, EarlyLook
from agent.vision.view_facts import ViewFacts

# What may stand on a carriageway and block it. A bicycle is left out: a cyclist waits at kerbs all day.
VEHICLES = frozenset({Label.CAR, Label.MOTORCYCLE, Label.BUS, Label.TRUCK})
PEOPLE = frozenset({Label.PERSON})


@dataclass(frozen=True, slots=True)
class Sighting:
    """One confirmed track in this frame. `is_seen` is False while the tracker only guesses where it went. `early`:
    where it was before anybody believed in it, oldest first."""

    track_id: int
    label: Label
    box: Box
    score: float
    is_seen: bool = True
    early: Sequence[EarlyLook] = ()


@dataclass(frozen=True, slots=True)
class Moment:
    """`regions` are where pixels changed, `motion_ratio` how much of the picture; both empty when nothing moved.

    `standing`: what came or went and stands. `is_upheaval`: most of the picture changed at once, so that nothing else
    of this moment is evidence. `view`: a look at the whole picture, None between two looks. `flames`: what looks
    like fire or smoke, None when nobody looked. Media time never falls from one moment to the next.
    """

    media_ns: int
    sightings: Sequence[Sighting]
    motion_ratio: float = 0.0
    regions: Sequence[Box] = ()
    standing: Sequence[StandingPiece] = ()
    is_upheaval: bool = False
    view: ViewFacts | None = None
    flames: Sequence[FlameSight] | None = None


# A box that may not begin a track may continue one, but it may not raise an incident: on junction_stopped_car the
# tracks of cars that drive by go over to doubtful boxes (0.2 to 0.3) of a waiting one and seem to have stopped.
SURE_SCORE = START_SCORE


@dataclass(frozen=True, slots=True)
class Hit:
    """What fulfils a rule now: since when, and when it was last seen to. `score`: its best of that time. A thing that
    no detector names has neither track nor label."""

    track_id: int | None
    label: Label | None
    box: Box
    score: float
    since_ns: int
    last_ns: int


class Stage(Enum):
    OPENED = "opened"
    UPDATED = "updated"
    CLOSED = "closed"
