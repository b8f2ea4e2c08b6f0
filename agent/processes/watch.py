"""One camera under watch: its packets in, findings and its newest picture out, on a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent import log, notices
from agent.clock import Clock
from agent.contract import events
from agent.contract.events import IncidentData
from agent.errors import FrameShapeError
from agent.identity import new_uuid7
from agent.media.decoder import Decoder, Picture, picture_of_planes
from agent.notices import LoresFrame, StreamStarted, VideoPacket
from agent.notify import Progress
from agent.processes.announce import announce
from agent.processes.intake import Intake
from agent.processes.observe import Observation, Observer, ObserverSettings
from agent.processes.sight import Sight
from agent.scene.engine import Finding
from agent.scene.grammar import Scene
from agent.units import NS_PER_S
from agent.vision.detector import BgrImage
from agent.vision.geometry import Box
from agent.vision.mask import burn_masks
from agent.vision.still import Mark, encode_still

# Pictures older than this against the newest packet are decoded, because the next ones refer to them, and not analysed.
_STALE_NS = 1 * NS_PER_S
# One inference on the smallest board takes 0.3 s; a decoder or a driver that has not returned after this hangs.
_STUCK_S = 5.0
_TAKE_S = 0.5

_log = log.get("vision")


@dataclass(frozen=True, slots=True)
class NewestPicture:
    """The last decoded picture, the wall time it shows, and when it was decoded."""

    picture: Picture
    wall_ns: int
    decoded_mono_ns: int


@dataclass(slots=True)
class WatchCounts:
    """Since the process started. Written by the camera's thread, read by any."""

    decoded: int = 0
    analysed: int = 0
    shed: int = 0
    inferences: int = 0
    motion_spans: int = 0
    tracks: int = 0
    incidents: int = 0


@dataclass(slots=True)
class _Run:
    started: StreamStarted
    observer: Observer
    decoder: Decoder | None
    last_ns: int = -1
    tracks_told: int = 0
    inferences_told: int = 0


class CameraWatch:
    """`run_once` is called by the camera's own thread, `finish` when that has ended, the rest by any.

    intake: where the link puts the camera's packets.
    tell: takes a finding and the incident's still (JPEG, or nothing); must not block.
    """

    def __init__(
        self,
        camera: str,
        scene: Scene | None,
        sight: Sight,
        *,
        intake: Intake,
        tell: Callable[[notices.Finding, bytes], None],
        clock: Clock,
        progress: Progress,
        stop: threading.Event,
    ) -> None:
        self.camera = camera
        self.counts = WatchCounts()
        self.newest: NewestPicture | None = None
        self._scene = scene
        self._sight = sight
        self._tell = tell
        self._clock = clock
        self._progress = progress
        self._stop = stop
        self._intake = intake
        self._run: _Run | None = None
        self._next_track_id = 1
        self._name = f"watch-{camera}"
        progress.register(self._name, _STUCK_S)

    def run_once(self) -> None:
        """Decode and analyse what waits. Raises ModelError when a model fails."""
        batch = self._intake.take(_TAKE_S)
        self.counts.shed += batch.shed
        if batch.shed:
            _log.warning("decoder late", camera=self.camera, shed=batch.shed)
        for arrival in batch.arrivals:
            self._progress.beat(self._name)
            if self._stop.is_set():
                return
            if isinstance(arrival.notice, StreamStarted):
                self._begin(arrival.notice, arrival.payload)
            elif self._run is not None:
                self._see(self._run, arrival.notice, arrival.payload, batch.newest_media_ns or 0)
        self._progress.beat(self._name)

    def finish(self) -> None:
        """Close what is open: the run ended, or the process ends."""
        run, self._run = self._run, None
        if run is None:
            return
        self._announce(run, run.observer.finish(), now_media_ns=max(run.last_ns, 0))
        self._next_track_id = run.observer.next_track_id

    def unmasked(self, bgr: BgrImage) -> BgrImage:
        """The part of a picture that may leave the node: the scene's masks are black."""
        return burn_masks(bgr, [mask.polygon for mask in self._scene.masks] if self._scene else [])

    def _begin(self, started: StreamStarted, extradata: bytes) -> None:
        """A new run, or the same one again after the link was lost: then incidents and tracks live on."""
        decoder = None if started.codec == "raw" else Decoder(started.codec, extradata)
        run = self._run
        if run is not None and _is_same_run(run.started, started):
            run.decoder, run.started = decoder, started
            return
        self.finish()
        self._run = _Run(started, self._observer(), decoder)
        _log.info("run under watch", camera=self.camera, run=started.run, codec=started.codec, role=started.role.value)

    def _see(self, run: _Run, notice: VideoPacket | LoresFrame, data: bytes, newest_media_ns: int) -> None:
        for picture in _pictures(run, notice, data):
            self._look(run, picture, is_stale=newest_media_ns - picture.media_ns > _STALE_NS)

    def _look(self, run: _Run, picture: Picture, *, is_stale: bool) -> None:
        self.counts.decoded += 1
        self.newest = NewestPicture(picture, run.started.anchor_wall_ns + picture.media_ns, self._clock.mono_ns())
        if is_stale or picture.media_ns <= run.last_ns:
            self.counts.shed += is_stale
            return
        try:
            observation = run.observer.feed(picture)
        except FrameShapeError:
            # The camera was set to another size within one run: what was learnt of the old one is worth nothing.
            self._restart(run)
            return
        if observation is None:
            return
        run.last_ns = picture.media_ns
        self._count(run)
        self._announce(run, observation.findings, now_media_ns=picture.media_ns, seen=(picture, observation))

    def _restart(self, run: _Run) -> None:
        self._announce(run, run.observer.finish(), now_media_ns=max(run.last_ns, 0))
        self._next_track_id, run.tracks_told, run.inferences_told = run.observer.next_track_id, 0, 0
        run.observer = self._observer()

    def _observer(self) -> Observer:
        settings = ObserverSettings(self._sight.detector.name, new_uuid7, first_track_id=self._next_track_id)
        return Observer(self._sight.pipeline(), self._scene, settings)

    def _count(self, run: _Run) -> None:
        self.counts.analysed += 1
        self.counts.tracks += run.observer.tracks_seen - run.tracks_told
        self.counts.inferences += run.observer.inferences - run.inferences_told
        run.tracks_told, run.inferences_told = run.observer.tracks_seen, run.observer.inferences

    def _announce(
        self,
        run: _Run,
        findings: Sequence[Finding],
        *,
        now_media_ns: int,
        seen: tuple[Picture, Observation] | None = None,
    ) -> None:
        for finding in findings:
            self.counts.motion_spans += finding.type == events.MOTION
            self.counts.incidents += finding.type == events.INCIDENT_OPENED
            still = b""
            if seen is not None and finding.type == events.INCIDENT_OPENED and isinstance(finding.data, IncidentData):
                still = self._still_of(finding.data, *seen)
            notice = announce(
                finding, camera=self.camera, anchor_wall_ns=run.started.anchor_wall_ns, now_media_ns=now_media_ns
            )
            self._tell(notice, still)

    def _still_of(self, incident: IncidentData, picture: Picture, observation: Observation) -> bytes:
        """The picture with the incident's tracks marked, the main one standing out."""
        marks = [
            Mark(
                sighting.box,
                f"{sighting.label.value} {sighting.track_id}",
                is_main=sighting.track_id == incident.tracks[0],
            )
            for sighting in observation.sightings
            if sighting.track_id in incident.tracks
        ]
        if not incident.tracks:
            marks.append(Mark(Box(*incident.box), incident.kind.value, is_main=True))
        return encode_still(self.unmasked(picture.bgr()), marks)


def _pictures(run: _Run, notice: VideoPacket | LoresFrame, data: bytes) -> list[Picture]:
    if isinstance(notice, VideoPacket):
        return run.decoder.decode(data, notice.media_ns) if run.decoder is not None else []
    # One that another run of the camera sent says another time.
    if notice.run != run.started.run:
        return []
    picture = picture_of_planes(
        data,
        width=notice.width,
        height=notice.height,
        layout=notice.layout,
        is_full_range=notice.is_full_range,
        media_ns=notice.media_ns,
    )
    return [] if picture is None else [picture]


def _is_same_run(one: StreamStarted, other: StreamStarted) -> bool:
    return (one.boot, one.run, one.role, one.anchor_wall_ns) == (
        other.boot,
        other.run,
        other.role,
        other.anchor_wall_ns,
    )
