"""One camera under watch: its packets in, findings and its newest picture out, on a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from agent import log, notices
from agent.clock import Clock
from agent.contract import events
from agent.contract.events import IncidentData
from agent.errors import FrameShapeError
from agent.heap import give_back
from agent.identity import new_uuid7
from agent.media.decoder import Picture, picture_of_planes
from agent.media.sparse import Decoded, SparseDecoder
from agent.notices import LoresFrame, StreamRole, StreamStarted, VideoPacket
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
# While nothing happens packets are taken in handfuls: a burst of five costs half of five wake-ups with cold caches.
_GATHER_S = 0.4
# Of media time; the heap's holes grow within hours.
_TIDY_NS = 600 * NS_PER_S

_log = log.get("vision")


@dataclass(frozen=True, slots=True)
class NewestPicture:
    """The last decoded picture, the wall time it shows, and when it was decoded."""

    picture: Picture
    wall_ns: int
    decoded_mono_ns: int


@dataclass(slots=True)
class WatchCounts:
    """Since the process started. Written by the camera's thread, read by any.

    What each stage left out: `packets_passed` were not decoded and `frames_passed` not looked at, because
    nothing happened; `shed` ones because they were late.
    """

    decoded: int = 0
    packets_passed: int = 0
    frames_passed: int = 0
    analysed: int = 0
    shed: int = 0
    inferences: int = 0
    motion_spans: int = 0
    tracks: int = 0
    incidents: int = 0


@dataclass(slots=True)
class _Run:
    """Also who watches for its own decoder."""

    started: StreamStarted
    observer: Observer
    decoder: SparseDecoder | None = None
    last_ns: int = -1
    packets_passed_told: int = 0
    frames_passed_told: int = 0
    tracks_told: int = 0
    inferences_told: int = 0

    def is_quiet(self, media_ns: int) -> bool:
        return self.observer.is_quiet(media_ns)

    def stirs(self, picture: Picture) -> bool:
        return self.observer.stirs(picture)


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
        self._newest_ns = 0
        self._tidied_ns = 0
        self._name = f"watch-{camera}"
        progress.register(self._name, _STUCK_S)

    def run_once(self, *, patiently: bool = True) -> None:
        """Decode and analyse what waits. Raises ModelError when a model fails.

        patiently: wait for a handful of packets while nothing happens.
        """
        if patiently and self._run is not None and self._run.is_quiet(self._newest_ns):
            self._stop.wait(_GATHER_S)
        batch = self._intake.take(_TAKE_S)
        self._newest_ns = batch.newest_media_ns or self._newest_ns
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
        self._tidy()
        self._progress.beat(self._name)

    def finish(self) -> None:
        """Close what is open: the run ended, or the process ends."""
        run, self._run = self._run, None
        if run is None:
            return
        self._announce(run, run.observer.finish(), now_media_ns=max(run.last_ns, 0))
        self._next_track_id = run.observer.next_track_id
        # A run and its decoder know each other: Python would let go of the two, and of 4 MiB of pictures, hours later.
        run.decoder = None

    def _tidy(self) -> None:
        """Now and then, and when a run began anew."""
        if not 0 <= self._newest_ns - self._tidied_ns < _TIDY_NS:
            give_back()
            self._tidied_ns = self._newest_ns

    def unmasked(self, bgr: BgrImage) -> BgrImage:
        """The part of a picture that may leave the node: the scene's masks are black."""
        return burn_masks(bgr, [mask.polygon for mask in self._scene.masks] if self._scene else [])

    def _begin(self, started: StreamStarted, extradata: bytes) -> None:
        """A new run, or the same one again after the link was lost: then incidents and tracks live on."""
        run = self._run
        if run is not None and _is_same_run(run.started, started):
            run.started = started
        else:
            self.finish()
            run = self._run = _Run(started, self._observer())
            _log.info(
                "run under watch", camera=self.camera, run=started.run, codec=started.codec, role=started.role.value
            )
        run.decoder, run.packets_passed_told = self._decoder(run, extradata), 0

    def _decoder(self, run: _Run, extradata: bytes) -> SparseDecoder | None:
        """Pictures are passed over of main streams only: a sub stream costs little, and two a second are the floor."""
        if run.started.codec == "raw":
            return None
        may_skip = run.started.role is StreamRole.MAIN and not (self._scene is not None and self._scene.has_traffic)
        return SparseDecoder(run.started.codec, extradata, run, may_skip=may_skip)

    def _see(self, run: _Run, notice: VideoPacket | LoresFrame, data: bytes, newest_media_ns: int) -> None:
        for each in _pictures(run, notice, data):
            is_stale = not each.is_late and newest_media_ns - each.picture.media_ns > _STALE_NS
            self._look(run, each.picture, is_stale=is_stale)
        self._count(run)

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
        self.counts.analysed += 1
        self._announce(run, observation.findings, now_media_ns=picture.media_ns, seen=(picture, observation))

    def _restart(self, run: _Run) -> None:
        self._announce(run, run.observer.finish(), now_media_ns=max(run.last_ns, 0))
        self._next_track_id = run.observer.next_track_id
        run.tracks_told = run.inferences_told = run.frames_passed_told = 0
        run.observer = self._observer()

    def _observer(self) -> Observer:
        settings = ObserverSettings(new_uuid7, first_track_id=self._next_track_id)
        return Observer(self._sight.pipeline(), self._scene, settings)

    def _count(self, run: _Run) -> None:
        passed = run.decoder.passed if run.decoder is not None else 0
        observer = run.observer
        self.counts.packets_passed += passed - run.packets_passed_told
        self.counts.frames_passed += observer.passed - run.frames_passed_told
        self.counts.tracks += observer.tracks_seen - run.tracks_told
        self.counts.inferences += observer.inferences - run.inferences_told
        run.packets_passed_told, run.frames_passed_told = passed, observer.passed
        run.tracks_told, run.inferences_told = observer.tracks_seen, observer.inferences

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


def _pictures(run: _Run, notice: VideoPacket | LoresFrame, data: bytes) -> Iterable[Decoded]:
    if isinstance(notice, VideoPacket):
        return () if run.decoder is None else run.decoder.decode(data, notice.media_ns, is_idr=notice.is_idr)
    # One that another run of the camera sent says another time.
    if notice.run != run.started.run:
        return ()
    picture = picture_of_planes(
        data,
        width=notice.width,
        height=notice.height,
        layout=notice.layout,
        is_full_range=notice.is_full_range,
        media_ns=notice.media_ns,
    )
    return () if picture is None else (Decoded(picture),)


def _is_same_run(one: StreamStarted, other: StreamStarted) -> bool:
    return (one.boot, one.run, one.role, one.anchor_wall_ns) == (
        other.boot,
        other.run,
        other.role,
        other.anchor_wall_ns,
    )
