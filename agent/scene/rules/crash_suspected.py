"""Vehicles that meet, stop and stay, and people who run to them. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.contract.events import IncidentKind
from agent.scene.grammar import CrashSuspected
from agent.scene.impact import Impact, Sign, impacts
from agent.scene.moment import PEOPLE, VEHICLES, Hit, Moment
from agent.scene.riders import on_foot
from agent.scene.travel import Look, Travel, Travels
from agent.scene.zone import Point, contains
from agent.units import NS_PER_S
from agent.vision.geometry import Box

# Signs add up. Two vehicles that met count 1. Each that was thrown off its way or stopped dead counts a half, up to 1;
# up to a half where nothing met, because a track that goes over to another vehicle looks like one that was thrown. A
# vehicle that stands afterwards counts 1, and each person who stays on the road beside it a half, up to 1.5. So a
# meeting with a jolt is enough when something stands; so is a vehicle with three people around it, however it came to
# stand there.
_ENOUGH = 2.5
_MET = 1.0
_JOLT = 0.5
_JOLTS_OF_A_MEETING = 1.0
_JOLTS_ALONE = 0.5
_STANDS = 1.0
_PERSON = 0.5
_PEOPLE = 1.5
# What belongs to one crash comes within these seconds; help comes within these.
_GATHER_NS = 3 * NS_PER_S
_AFTERMATH_NS = 30 * NS_PER_S
# A vehicle stands when it covers less than this in the time: a wreck settles, a driver rolls to the side.
_STAND_NS = NS_PER_S
_STAND_SIZES = 0.35
# Around a vehicle of some 3.5 m in size: within 9 m of it.
_BESIDE_SIZES = 2.5
# Who crosses the road walks 1.4 m, which is 1.4 of a person's size, in a second; who helps stays.
_STAY_NS = 2 * NS_PER_S
_STAY_SIZES = 1.0
# A wreck that the tracker lost goes on under a new track here.
_HERE_SIZES = 1.5
# A street where more than this stands is jammed.
_MAX_CASES = 64
_FULL_WEIGHT = 4.0


@dataclass(slots=True)
class _Case:
    """One suspicion. `signs`: what was seen, each once for each party; `parties`: track ids and where they are;
    `stands`: the party that was last seen to stand; `people`: the tracks on foot that came beside it."""

    since_ns: int
    signs: set[tuple[Sign, int]]
    parties: dict[int, Box]
    stands: Hit | None = None
    people: set[int] = field(default_factory=set)

    @property
    def violence(self) -> float:
        has_met = any(sign is Sign.MET for sign, _ in self.signs)
        jolts = _JOLT * sum(sign is not Sign.MET for sign, _ in self.signs)
        return _MET + min(_JOLTS_OF_A_MEETING, jolts) if has_met else min(_JOLTS_ALONE, jolts)

    @property
    def weight(self) -> float:
        stands = _STANDS if self.stands is not None else 0.0
        return self.violence + stands + min(_PEOPLE, _PERSON * len(self.people))


class CrashSuspectedRule:
    """See `agent.scene.grammar.CrashSuspected` for what it means and what it does not."""

    kind = IncidentKind.CRASH_SUSPECTED

    def __init__(self, settings: CrashSuspected, polygon: Sequence[Point], *, aspect: float) -> None:
        del settings
        self._polygon = tuple(polygon)
        self._aspect = aspect
        self._travels = Travels(VEHICLES, aspect=aspect)
        self._walks = Travels(PEOPLE, aspect=aspect)
        self._cases: list[_Case] = []

    def update(self, moment: Moment) -> list[Hit]:
        self._travels.update(moment)
        self._walks.update(moment)
        for impact in impacts(self._travels, moment.media_ns):
            if any(contains(self._polygon, *box.foot) for _, box in impact.parties):
                self._note(impact)
        self._note_stopped(moment.media_ns)
        for case in self._cases:
            self._follow(case, moment)
        self._cases = [case for case in self._cases if self._is_open(case, moment.media_ns)]
        return [case.stands for case in self._cases if case.stands is not None and case.weight >= _ENOUGH]

    def _note(self, impact: Impact) -> None:
        """Add this sign to the case that it belongs to: the same tracks, or the same place a moment ago."""
        signs = {(impact.sign, track_id) for track_id, _ in impact.parties}
        for case in self._cases:
            is_timely = impact.media_ns - case.since_ns <= _GATHER_NS
            if is_timely and any(key in case.parties or self._are_near(case, box) for key, box in impact.parties):
                case.signs |= signs
                case.parties.update(impact.parties)
                return
        self._cases.append(_Case(impact.media_ns, signs, dict(impact.parties)))

    def _note_stopped(self, media_ns: int) -> None:
        """A vehicle that came and stands may be what is left of a crash that was not seen."""
        for track_id, travel in self._travels:
            if len(self._cases) >= _MAX_CASES:
                return
            is_known = any(track_id in case.parties or self._are_near(case, travel.last.box) for case in self._cases)
            if not is_known and _came(travel) and self._stands(travel, media_ns):
                self._cases.append(_Case(media_ns, set(), {track_id: travel.last.box}))

    def _stands(self, travel: Travel, media_ns: int) -> bool:
        going = travel.going(media_ns - _STAND_NS, media_ns)
        return going is not None and going.way_sizes <= _STAND_SIZES and contains(self._polygon, *travel.last.box.foot)

    def _are_near(self, case: _Case, box: Box) -> bool:
        return any(self._sizes_apart(known, box) <= _HERE_SIZES for known in case.parties.values())

    def _follow(self, case: _Case, moment: Moment) -> None:
        """Where the parties are now, whether one stands, and who has come to them."""
        for track_id, travel in self._travels:
            if travel.last.media_ns != moment.media_ns:
                continue
            if track_id in case.parties or self._are_near(case, travel.last.box):
                self._judge_party(case, track_id, travel, moment.media_ns)
        if case.stands is None:
            return
        for one in on_foot(moment, self._walks):
            beside = self._sizes_apart(case.stands.box, one.box) <= _BESIDE_SIZES
            if beside and contains(self._polygon, *one.box.foot) and self._stays(one.track_id, moment.media_ns):
                case.people.add(one.track_id)

    def _judge_party(self, case: _Case, track_id: int, travel: Travel, media_ns: int) -> None:
        if track_id in case.parties:
            case.parties[track_id] = travel.last.box
        if not self._stands(travel, media_ns) or (track_id not in case.parties and not _came(travel)):
            return
        known = case.stands
        if known is not None and known.track_id != track_id and media_ns - known.last_ns <= _STAND_NS:
            return
        case.parties[track_id] = travel.last.box
        score = min(1.0, case.weight / _FULL_WEIGHT)
        case.stands = Hit(
            track_id=track_id,
            label=travel.label,
            box=travel.last.box,
            score=score,
            since_ns=case.since_ns,
            last_ns=media_ns,
        )

    def _stays(self, track_id: int, media_ns: int) -> bool:
        walk = self._walks.of(track_id)
        going = walk.going(media_ns - _STAY_NS, media_ns) if walk is not None else None
        return going is not None and going.way_sizes <= _STAY_SIZES

    def _is_open(self, case: _Case, media_ns: int) -> bool:
        last_ns = case.stands.last_ns if case.stands is not None else case.since_ns
        patience_ns = _AFTERMATH_NS if case.weight >= _ENOUGH or media_ns - case.since_ns <= _AFTERMATH_NS else 0
        return media_ns - last_ns <= patience_ns

    def _sizes_apart(self, one: Box, other: Box) -> float:
        (x, y), (to_x, to_y) = one.centre, other.centre
        size = math.sqrt(max(one.w * self._aspect * one.h, 1e-6))
        return math.hypot((to_x - x) * self._aspect, to_y - y) / size


def _came(travel: Travel) -> bool:
    """Whether it moved at all while it was seen: a parked car beside a crash takes no part."""
    first: Look = travel.looks[0]
    return math.hypot(travel.last.x - first.x, travel.last.y - first.y) > _STAND_SIZES * travel.last.size
