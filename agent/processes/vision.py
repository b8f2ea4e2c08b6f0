"""The vision process: sees for all cameras of the node. It builds and connects the parts and decides nothing."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from agent import log, notices
from agent.clock import Clock, SystemClock
from agent.config import CameraConfig, Config
from agent.identity import new_uuid7
from agent.link import LinkClient
from agent.link_server import LinkServer, Peer
from agent.notices import (
    EndWanted,
    Hello,
    IncidentsWanted,
    LoresFrame,
    Notice,
    SheetWanted,
    SnapshotWanted,
    StreamStarted,
    VideoPacket,
    VisionStatus,
)
from agent.notify import Notifier, Progress, watch
from agent.processes.intake import Intake
from agent.processes.lastgood import read_scene
from agent.processes.own_models import OwnModels
from agent.processes.sheets import SheetDesk
from agent.processes.sight import Sight
from agent.processes.snapshot import SnapshotDesk
from agent.processes.spreading import IncidentSpread
from agent.processes.watch import CameraWatch, WatchCounts
from agent.scene.grammar import Scene
from agent.stage import Backoff, Stage

VISION_SOCKET = "vision.sock"
NODE_SOCKET = "node.sock"
_STATUS_S = 1.0
# A stage's own fault must not cost more than this of seeing (product: findings again within 5 s).
_BACKOFF = Backoff(initial_s=0.2, max_s=2.0)
_JOIN_S = 5.0

_log = log.get("vision")


def run_vision(config: Config, stop: threading.Event, path: Path) -> int:
    """See until `stop`; the exit code. `path` is the configuration's file. Raises ModelError when the models cannot be
    used, LinkError when another vision process runs already. With [vision] enabled = false it stays idle and answers
    snapshots with the reason."""
    notifier, progress, clock = Notifier(), Progress(), SystemClock()
    room = _Room(config, path, progress, clock, stop=stop)
    try:
        room.open()
        notifier.ready()
        _log.info("vision ready", cameras=len(room.watches), enabled=config.vision.enabled)
        watch(notifier, progress, stop)
    finally:
        notifier.stopping()
        stop.set()
        room.close()
    return 0


class _Room:
    """Everything the process holds, in the order in which it is opened and, backwards, closed."""

    def __init__(self, config: Config, path: Path, progress: Progress, clock: Clock, *, stop: threading.Event) -> None:
        self.watches: dict[str, CameraWatch] = {}
        self._config = config
        self._path = path
        self._runtime_dir = Path(config.runtime_dir)
        self._progress = progress
        self._clock = clock
        self._stop = stop
        self._sight: Sight | None = None
        self._own: OwnModels | None = None
        self._intakes = {camera.id: Intake() for camera in config.cameras}
        self._server: LinkServer | None = None
        self._spread = IncidentSpread()
        self._stages: list[Stage] = []
        hello = Hello(process="vision", pid=os.getpid(), session=new_uuid7())
        self._desk = SnapshotDesk(self.watches, clock, self._answer, is_enabled=config.vision.enabled)
        self._sheets = SheetDesk(self.watches, self._answer)
        self._node = LinkClient(self._runtime_dir / NODE_SOCKET, hello, on_notice=self._on_node)

    def open(self) -> None:
        if self._config.vision.enabled:
            # First of all: cameras connect and replay their GOP while the models are being opened.
            self._server = LinkServer(
                self._runtime_dir / VISION_SOCKET, on_notice=self._on_camera, on_disconnect=self._spread.leave
            )
            self._sight = Sight(self._config.vision)
            if self._config.vision.own_models_dir:
                self._own = OwnModels(Path(self._config.vision.own_models_dir), self._sight, self._stop)
            for camera in self._config.cameras:
                self._watch(camera, self._sight)
        if self._own is not None:
            self._begin(Stage("own-models", self._own.run_once, stop=self._stop, backoff=_BACKOFF))
        self._begin(Stage("sheets", self._sheets.serve, stop=self._stop, backoff=_BACKOFF))
        self._begin(Stage("vision-status", self._tell_status, stop=self._stop, backoff=_BACKOFF))

    def close(self) -> None:
        """Close open incidents, and give the node a second to take what is still to be told."""
        if self._server is not None:
            self._server.close()
        for intake in self._intakes.values():
            intake.close()
        self._desk.close()
        self._sheets.close()
        for stage in self._stages:
            if not stage.join(_JOIN_S):
                _log.warning("stage did not end", stage=stage.name)
        if self._own is not None:
            self._own.close()
        for camera_watch in self.watches.values():
            camera_watch.finish()
        self._node.close()

    def _watch(self, camera: CameraConfig, sight: Sight) -> None:
        camera_watch = CameraWatch(
            camera.id,
            _scene_of(camera, self._path),
            sight,
            intake=self._intakes[camera.id],
            tell=self._tell,
            clock=self._clock,
            progress=self._progress,
            stop=self._stop,
        )
        self.watches[camera.id] = camera_watch
        self._begin(Stage(f"watch-{camera.id}", camera_watch.run_once, stop=self._stop, backoff=_BACKOFF))

    def _begin(self, stage: Stage) -> None:
        self._stages.append(stage)
        stage.start()

    def _on_camera(self, peer: Peer, notice: Notice, payload: bytes) -> None:
        """On the server's thread. A camera speaks for itself only."""
        if isinstance(notice, IncidentsWanted):
            self._spread.join(peer, notice)
        if not isinstance(notice, StreamStarted | VideoPacket | LoresFrame):
            return
        intake = self._intakes.get(notice.camera)
        if intake is not None and peer.hello is not None and peer.hello.camera == notice.camera:
            intake.offer(notice, payload)

    def _tell(self, finding: notices.Finding, still: bytes) -> None:
        """On a watching thread: the camera first, whose memory reaches back for some seconds only."""
        self._spread.tell(finding)
        self._node.send(finding, still)

    def _on_node(self, notice: Notice, payload: bytes) -> None:
        """On the client's thread."""
        if isinstance(notice, SnapshotWanted):
            self._desk.ask(notice)
        elif isinstance(notice, SheetWanted):
            self._sheets.ask(notice, payload)
        elif isinstance(notice, EndWanted):
            _log.info("asked to end and begin again")
            self._stop.set()

    def _answer(self, taken: notices.SnapshotTaken, jpeg: bytes) -> None:
        self._node.send(taken, jpeg)

    def _tell_status(self) -> None:
        """One round of the status stage: answer snapshots as they come, and each second say how seeing goes."""
        self._desk.serve(_STATUS_S)
        if self._sight is not None and self._node.is_connected and not self._stop.is_set():
            self._node.send(_status(self._sight, [camera_watch.counts for camera_watch in self.watches.values()]))


def _scene_of(camera: CameraConfig, path: Path) -> Scene | None:
    """A wrong one is said loudly: the last right one goes on, and without any the camera is watched for motion only."""
    read = read_scene(camera, path)
    if read.fault:
        _log.error(
            "scene not usable", camera=camera.id, goes_on="the last right one" if read.scene else "", problem=read.fault
        )
    return read.scene


def _status(sight: Sight, counts: list[WatchCounts]) -> VisionStatus:
    trial = sight.trial
    return VisionStatus(
        provider=sight.serving.provider,
        detector=sight.serving.id,
        detector_sha256=sight.serving.sha256,
        motion_sha256=sight.motion.sha256,
        frames_decoded=sum(one.decoded for one in counts),
        frames_analysed=sum(one.analysed for one in counts),
        frames_shed=sum(one.shed for one in counts),
        inferences=sum(one.inferences for one in counts),
        motion_spans=sum(one.motion_spans for one in counts),
        tracks=sum(one.tracks for one in counts),
        incidents=sum(one.incidents for one in counts),
        packets_passed=sum(one.packets_passed for one in counts),
        frames_passed=sum(one.frames_passed for one in counts),
        model_problem=sight.problem,
        shadow="" if trial is None else trial.model.name,
        shadow_looks=0 if trial is None else trial.looks,
        shadow_agreed=0 if trial is None else trial.agreed,
        shadow_missed=0 if trial is None else trial.missed,
        shadow_extra=0 if trial is None else trial.extra,
    )
