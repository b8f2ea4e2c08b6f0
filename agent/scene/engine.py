"""One camera's scene at work: moments in, findings out. Pure: media time, ids and the model's name are handed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from agent.contract import events
from agent.contract.events import CrossingData, EventData, IncidentData, MotionData, TrafficData
from agent.contract.wire import WireBox
from agent.scene.grammar import Scene
from agent.scene.ground import Ground
from agent.scene.incident import Incident, IncidentChange, IncidentKeeper
from agent.scene.moment import PEOPLE, Moment, Stage
from agent.scene.motion_span import MotionSpan, MotionSpans
from agent.scene.reason import explain
from agent.scene.rules.crossing import Crossing, CrossingCounter
from agent.scene.rules.fire import burning_rules
from agent.scene.rules.rule import Rule
from agent.scene.rules.view import view_rules
from agent.scene.speed import Speeds
from agent.scene.traffic import ApproachMeter
from agent.scene.wander import Wander
from agent.scene.watchlist import zone_rules
from agent.scene.zone import contains
from agent.units import NS_PER_S
from agent.vision.geometry import Box

_TYPES = {
    Stage.OPENED: events.INCIDENT_OPENED,
    Stage.UPDATED: events.INCIDENT_UPDATED,
    Stage.CLOSED: events.INCIDENT_CLOSED,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something the scene saw. `type` is the full CloudEvents type of `data`; times in `data` are media time."""

    type: str
    data: EventData


@dataclass(frozen=True, slots=True)
class SceneSettings:
    """What an engine is given besides the scene. `aspect`: the picture's width over its height.

    `model` names what saw, as name@first 12 digits of its SHA-256; `new_id` makes incident ids.
    """

    aspect: float
    model: str
    new_id: Callable[[], str]


@dataclass(frozen=True, slots=True)
class _Watch:
    rule: Rule
    keeper: IncidentKeeper


class SceneEngine:
    """All rules of one camera. One owner; fed every moment in order.

    Without a scene it tells of motion, of fire and of the view itself.
    """

    def __init__(self, scene: Scene | None, settings: SceneSettings) -> None:
        scene = scene or Scene()
        # What incidents name as their model; a node may be given another while it watches.
        self.model = settings.model
        self._masks = [mask.polygon for mask in scene.masks]
        self._wander = Wander(aspect=settings.aspect)
        self._motion = MotionSpans()
        self._counters = [CrossingCounter(line.id, line.points, aspect=settings.aspect) for line in scene.lines]
        self._speeds = Speeds(Ground(scene.calibration) if scene.calibration is not None else None)
        self._meters = _meters_of(scene, settings.aspect)
        whole: list[Rule] = [*view_rules(), *(burning_rules() if scene.fire.enabled else ())]
        self._is_frozen = False
        self._whole = [_Watch(rule, IncidentKeeper(rule.kind, None, new_id=settings.new_id)) for rule in whole]
        self._in_zones = [
            _Watch(rule, IncidentKeeper(rule.kind, zone.id, new_id=settings.new_id))
            for zone in scene.zones
            for rule in zone_rules(zone, aspect=settings.aspect)
        ]

    @property
    def open_incidents(self) -> int:
        return sum(watch.keeper.is_open for watch in (*self._whole, *self._in_zones))

    def update(self, moment: Moment) -> list[Finding]:
        """What this moment brought, in a fixed order: motion, crossings by line, traffic, incidents of the view, then
        those by zone and rule."""
        moment = self._unmasked(moment)
        if moment.view is not None:
            self._is_frozen = moment.view.is_same
        if self._is_frozen:
            # The very same picture again is no evidence that anything still stands there: no clock but the view's runs.
            return self._judge(self._whole, moment)
        found: list[Finding] = []
        people = [one.box for one in moment.sightings if one.label in PEOPLE]
        going = self._wander.update(moment.media_ns, moment.regions, people)
        since_ns = min((each.since_ns for each in going), default=moment.media_ns)
        boxes = [each.box for each in going]
        span = self._motion.update(moment.media_ns, moment.motion_ratio, boxes, since_ns=since_ns)
        if span is not None:
            found.append(_motion_finding(span))
        self._speeds.update(moment)
        crossings = [crossing for counter in self._counters for crossing in counter.update(moment)]
        found.extend(_crossing_finding(one, self._speeds.kmh(one.track_id)) for one in crossings)
        for meter in self._meters:
            measured = meter.update(moment, crossings, self._speeds)
            if measured is not None:
                found.append(Finding(events.TRAFFIC, measured))
        return found + self._judge(self._whole, moment) + self._judge(self._in_zones, moment)

    def _judge(self, watches: Sequence[_Watch], moment: Moment) -> list[Finding]:
        return [
            self._incident_finding(change)
            for watch in watches
            for change in watch.keeper.update(moment.media_ns, watch.rule.update(moment))
        ]

    def traffic(self) -> tuple[TrafficData, ...]:
        """The last minute of every approach as it stands now."""
        return tuple(meter.measure() for meter in self._meters)

    def finish(self, media_ns: int) -> list[Finding]:
        """Close everything that is open: the run or the video ended at this media time."""
        found: list[Finding] = []
        span = self._motion.finish()
        if span is not None:
            found.append(_motion_finding(span))
        for watch in (*self._whole, *self._in_zones):
            found.extend(self._incident_finding(change) for change in watch.keeper.finish(media_ns))
        return found

    def _unmasked(self, moment: Moment) -> Moment:
        """The moment without what lies in a mask. A track is judged by its centre, as it is drawn."""
        if not self._masks:
            return moment
        return replace(
            moment,
            sightings=[sighting for sighting in moment.sightings if not self._is_masked(sighting.box)],
            regions=[region for region in moment.regions if not self._is_masked(region)],
            standing=[piece for piece in moment.standing if not self._is_masked(piece.box)],
            flames=moment.flames and [sight for sight in moment.flames if not self._is_masked(sight.box)],
        )

    def _is_masked(self, box: Box) -> bool:
        x, y = box.x + box.w / 2, box.y + box.h / 2
        return any(contains(polygon, x, y) for polygon in self._masks)

    def _incident_finding(self, change: IncidentChange) -> Finding:
        return Finding(_TYPES[change.stage], _incident_data(change.incident, self.model))


def _incident_data(incident: Incident, model: str) -> IncidentData:
    reason = explain(incident)
    return IncidentData(
        incident_id=incident.incident_id,
        kind=incident.kind,
        zone=incident.zone,
        begin_s=media_s(incident.begin_ns),
        end_s=None if incident.end_ns is None else media_s(incident.end_ns),
        score=_fraction(incident.score),
        box=wire_box(incident.box),
        tracks=incident.tracks,
        model=model,
        reason_en=reason.english,
        reason_th=reason.thai,
    )


def _motion_finding(span: MotionSpan) -> Finding:
    data = MotionData(
        begin_s=media_s(span.begin_ns),
        end_s=media_s(span.end_ns),
        ratio=_fraction(span.ratio),
        regions=tuple(wire_box(region) for region in span.regions),
    )
    return Finding(events.MOTION, data)


def _meters_of(scene: Scene, aspect: float) -> list[ApproachMeter]:
    lines = {line.id: line.points for line in scene.lines}
    zones = {zone.id: zone.polygon for zone in scene.zones}
    return [
        ApproachMeter(
            approach,
            line=lines[approach.line],
            zone=zones[approach.zone],
            aspect=aspect,
            metric=scene.calibration is not None,
        )
        for approach in scene.approaches
    ]


def _crossing_finding(crossing: Crossing, speed_kmh: float | None) -> Finding:
    data = CrossingData(
        line=crossing.line,
        direction=crossing.direction,
        label=crossing.label.value,
        track_id=crossing.track_id,
        at_s=media_s(crossing.at_ns),
        speed_kmh=None if speed_kmh is None else round(speed_kmh, 1),
    )
    return Finding(events.CROSSING, data)


def media_s(media_ns: int) -> float:
    """Seconds to the millisecond, as events write media time: no rule needs it finer."""
    return round(media_ns / NS_PER_S, 3)


def wire_box(box: Box) -> WireBox:
    """The part of the box inside the picture, to four digits: a fifth of a pixel of 1080p."""
    left, top = _fraction(box.x), _fraction(box.y)
    right, bottom = _fraction(box.x + box.w), _fraction(box.y + box.h)
    return (left, top, round(right - left, 4), round(bottom - top, 4))


def _fraction(value: float) -> float:
    return round(min(max(value, 0.0), 1.0), 4)
