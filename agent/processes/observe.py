"""Where seeing and meaning are joined for one camera: pictures in, findings out. `vision` and `analyse` both use it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from agent.contract import events
from agent.contract.events import TrackData
from agent.media.decoder import Picture
from agent.scene.engine import Finding, SceneEngine, SceneSettings, media_s, wire_box
from agent.scene.grammar import Scene
from agent.scene.moment import Moment, Sighting
from agent.units import NS_PER_S
from agent.vision.geometry import Label
from agent.vision.pipeline import Pipeline, Seen
from agent.vision.track import Track

# A track that has not been seen for this long is over for `analyse --tracks`; the tracker itself gives up sooner.
_TRACK_OVER_NS = 10 * NS_PER_S

Point = tuple[float, float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class Observation:
    """What one analysed picture brought. `sightings` are the tracks in view, for a still to draw."""

    media_ns: int
    findings: tuple[Finding, ...]
    sightings: tuple[Sighting, ...]


@dataclass(frozen=True, slots=True)
class ObserverSettings:
    """`new_id`: makes incident ids; `first_track_id`: where ids go on, so
    that they stay unique over the runs of one process; `keeps_tracks`: also tell of each track with its points."""

    new_id: Callable[[], str]
    first_track_id: int = 1
    keeps_tracks: bool = False


@dataclass(slots=True)
class _Trail:
    label: Label
    points: list[Point] = field(default_factory=list)
    last_ns: int = 0


class Observer:
    """One camera, one run. One owner thread; pictures in the order of their media time.

    The pipeline must be fresh: its tracker and background belong to this run.
    """

    def __init__(self, pipeline: Pipeline, scene: Scene | None, settings: ObserverSettings) -> None:
        self._pipeline = pipeline
        self._scene = scene
        self._settings = settings
        self._engine: SceneEngine | None = None
        self._trails: dict[int, _Trail] = {}
        # Of those in view now; a node that runs for a year sees millions.
        self._counted: set[int] = set()
        self._tracks_seen = 0
        self._last_id = settings.first_track_id - 1
        self._last_ns = 0

    @property
    def tracks_seen(self) -> int:
        """How many tracks were confirmed since the run began."""
        return self._tracks_seen

    @property
    def inferences(self) -> int:
        """How often the detector ran since the run began."""
        return self._pipeline.counters.inferences

    @property
    def passed(self) -> int:
        """How many pictures had their turn and were passed over, because a glance showed no change."""
        return self._pipeline.counters.passed

    @property
    def next_track_id(self) -> int:
        """Where the ids of the next run go on."""
        return self._last_id + 1

    def is_quiet(self, media_ns: int) -> bool:
        """Whether nothing has happened for a while."""
        return self._pipeline.is_quiet(media_ns)

    def stirs(self, picture: Picture) -> bool:
        """Whether this picture shows a change against the last one fed; nothing is kept of it."""
        return self._pipeline.stirs(picture)

    def feed(self, picture: Picture) -> Observation | None:
        """What this picture brought; None when it was not due for analysis. Raises ModelError when a model fails."""
        seen = self._pipeline.process(picture)
        if seen is None:
            return None
        if self._engine is None:
            self._engine = self._engine_for(picture)
        moment = self._moment(seen)
        self._last_ns = moment.media_ns
        self._engine.model = self._pipeline.model
        findings = self._engine.update(moment)
        if self._settings.keeps_tracks:
            findings += self._trail(moment)
        return Observation(moment.media_ns, tuple(findings), tuple(moment.sightings))

    def finish(self) -> tuple[Finding, ...]:
        """Close everything that is open, as of the last analysed picture. The observer is used up."""
        findings = self._engine.finish(self._last_ns) if self._engine is not None else []
        trails, self._trails = self._trails, {}
        findings += [_track_finding(track_id, trail) for track_id, trail in sorted(trails.items())]
        return tuple(findings)

    def _engine_for(self, picture: Picture) -> SceneEngine:
        aspect = picture.width / picture.height
        return SceneEngine(self._scene, SceneSettings(aspect, self._pipeline.model, self._settings.new_id))

    def _moment(self, seen: Seen) -> Moment:
        sightings = [self._sighting(track, seen.is_detected) for track in seen.tracks if track.is_confirmed]
        self._count(seen, sightings)
        motion = seen.motion
        return Moment(
            seen.media_ns,
            sightings,
            motion.ratio,
            motion.regions,
            standing=motion.standing,
            is_upheaval=motion.is_upheaval,
            view=seen.view,
            flames=seen.flames,
        )

    def _count(self, seen: Seen, sightings: Sequence[Sighting]) -> None:
        fresh = {sighting.track_id for sighting in sightings} - self._counted
        self._tracks_seen += len(fresh)
        self._last_id = max({self._last_id, *fresh})
        living = {track.track_id + self._settings.first_track_id - 1 for track in seen.tracks}
        self._counted = (self._counted | fresh) & living

    def _sighting(self, track: Track, is_detected: bool) -> Sighting:
        """Where the detector did not run, every track is a guess."""
        track_id = track.track_id + self._settings.first_track_id - 1
        is_seen = is_detected and not track.is_coasting
        return Sighting(track_id, track.label, track.box, track.score, is_seen, track.early)

    def _trail(self, moment: Moment) -> list[Finding]:
        """Note where each track is, and tell of those that are over."""
        for sighting in moment.sightings:
            if sighting.is_seen:
                trail = self._trails.setdefault(sighting.track_id, _Trail(sighting.label))
                trail.label, trail.last_ns = sighting.label, moment.media_ns
                point = (media_s(moment.media_ns), *wire_box(sighting.box), round(min(sighting.score, 1.0), 4))
                trail.points.append(point)
        over = [key for key, trail in self._trails.items() if moment.media_ns - trail.last_ns > _TRACK_OVER_NS]
        return [_track_finding(track_id, self._trails.pop(track_id)) for track_id in sorted(over)]


def _track_finding(track_id: int, trail: _Trail) -> Finding:
    return Finding(events.TRACK, TrackData(track_id=track_id, label=trail.label.value, points=tuple(trail.points)))
