"""The camera process: one camera opened, recorded and shown to vision. No keys, no broker, no pictures."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent import log
from agent.clock import Clock, SystemClock
from agent.config import CameraConfig, Config
from agent.errors import CameraError, CameraHung, DiskError, RingMissing, UnknownCamera
from agent.health.held_clock import HeldClock
from agent.identity import new_uuid7
from agent.link import LinkClient
from agent.media.capture import Capture, CapturedPacket, Session, Sink
from agent.media.ear import Ear
from agent.media.sound_feed import SoundFeed
from agent.media.source import Shape, SourceAddress, read_password
from agent.notices import (
    EndWanted,
    Goodbye,
    Hello,
    Notice,
    SegmentClosed,
    SegmentOpened,
    StreamRole,
)
from agent.notify import Notifier, Progress, wait_for_stop, watch
from agent.packet_sender import PacketFan, PacketSender
from agent.processes.condition import Condition
from agent.processes.gating import IncidentEar, mode_of
from agent.processes.onlooker import OnlookerKind, onlooker_socket
from agent.processes.showing import Showing, VisionSink, shows_pictures
from agent.recording.boot import BootNumber, claim_boot, ensure_ring
from agent.recording.gate import AroundMode, Gate
from agent.recording.outages import OutageBook
from agent.recording.recorder import Recorder, RecorderSettings
from agent.stage import Backoff, Stage

# A disk gets 30 s for a command before the kernel gives up on it (/sys/block/*/device/timeout): a recorder that waits
# longer is hung by itself. The mailbox meanwhile holds 20 s, which a restart would lose.
_RECORDER_LIMIT_S: Final = 40.0
# Two times 5 s to open, 5 s to stall, 13 s of back-off, and a resolver that may take 20 s by itself (resolv.conf(5)).
_CAPTURE_LIMIT_S: Final = 60.0
_STATUS_INTERVAL_S: Final = 1.0
# Mounting a disk takes seconds; within the watchdog's 3 s.
_RING_RETRY_S: Final = 0.5
_JOIN_S: Final = 6.0
# A camera that is just being called or has gone silent holds its thread for up to 5 s; footage does not wait for that.
_CAPTURE_JOIN_S: Final = 0.7
# A camera is asked again soon, because the line to it is ours; ten seconds spare a camera that refuses.
_BACKOFF: Final = Backoff(initial_s=0.3, max_s=10.0)
# A microphone that is off stays off for long; pictures need the camera's attention more.
_SOUND_BACKOFF: Final = Backoff(initial_s=1.0, max_s=30.0)

_log = log.get("camera")


def run_camera(config: Config, camera_id: str, stop: threading.Event) -> int:
    """Record until `stop`. Raises UnknownCamera. A ring that is not mounted is waited for, as a gap of that name."""
    camera = config.camera(camera_id)
    if camera is None:
        there = ", ".join(one.id for one in config.cameras) or "none"
        raise UnknownCamera(camera=camera_id, remedy=f"the configuration has: {there}")
    notifier = Notifier()
    claim = _wait_for_ring(config, stop, notifier)
    if claim is not None:
        _CameraProcess(config, camera, claim, stop).run(notifier)
    return 0


@dataclass(frozen=True, slots=True)
class _Claim:
    """The ring's boot number, since when this process looks after the camera, and what the ring said until then."""

    boot: BootNumber
    since_wall_ns: int
    refusal: DiskError | RingMissing | None


def _wait_for_ring(config: Config, stop: threading.Event, notifier: Notifier) -> _Claim | None:
    """None when stopped before the ring was there."""
    since_wall_ns = SystemClock().wall_ns()
    refusal: DiskError | RingMissing | None = None
    while not stop.is_set():
        try:
            ensure_ring(Path(config.data_dir), config.storage.ring_id)
            return _Claim(claim_boot(Path(config.data_dir)), since_wall_ns, refusal)
        except (DiskError, RingMissing) as exc:
            if refusal is None:
                _log.error("no ring to record to", problem=str(exc), reason=exc.reason)
                notifier.ready()
                notifier.status(str(exc))
            refusal = exc
        notifier.feed()
        wait_for_stop(stop, _RING_RETRY_S)
    return None


class _CameraProcess:
    """Builds and connects the parts; each knows only what it needs."""

    def __init__(self, config: Config, camera: CameraConfig, claim: _Claim, stop: threading.Event) -> None:
        data_dir = Path(config.data_dir)
        runtime_dir = Path(config.runtime_dir)
        clock = HeldClock(SystemClock())
        boot = claim.boot
        hello = Hello(process="camera", pid=os.getpid(), session=new_uuid7(), camera=camera.id)
        self._camera = camera
        self._session = hello.session
        self._boot = boot
        self._stop = stop
        self._progress = Progress()
        self._node = LinkClient(runtime_dir / "node.sock", hello, on_notice=self._on_node)
        self._outages = OutageBook(camera.id, boot.boot, self._node.send, clock, since_wall_ns=claim.since_wall_ns)
        if claim.refusal is not None:
            self._outages.begin(claim.refusal.reason, str(claim.refusal))
        settings = RecorderSettings(
            camera=camera.id,
            data_dir=data_dir,
            ring_id=config.storage.ring_id,
            boot=boot,
            segment_s=config.storage.segment_s,
            durability_s=config.storage.durability_s,
        )
        self._recorder = Recorder(settings, _Telling(self._node), self._outages, clock)
        self._showing = Showing(camera, PacketSender(runtime_dir / "vision.sock", hello), clock)
        self._vision = VisionSink(camera, StreamRole.MAIN, self._showing, boot, self._recorder)
        # Whoever looks on for a while (agent.processes.onlooker) listens there; mostly nobody does.
        onlookers = [PacketSender(onlooker_socket(runtime_dir, kind, camera.id), hello) for kind in OnlookerKind]
        self._onlooking = Showing(camera, PacketFan(onlookers), clock)
        mode = mode_of(config, camera, clock)
        gate = None if mode is None else Gate(self._recorder, mode, self._outages, clock, camera=camera.id)
        # Without a gate everything is recorded.
        self._inlet = gate or self._recorder
        self._ear = IncidentEar(runtime_dir / "vision.sock", hello, mode) if isinstance(mode, AroundMode) else None
        self._condition = Condition(
            camera.id, self._recorder, self._outages, clock, vision_dropped=lambda: self._showing.dropped, gate=gate
        )
        main_sinks: list[Sink] = [self._inlet, self._onlook(StreamRole.MAIN)]
        # Twice the rate of analysis: vision's own grid begins when it does, and would miss every other one of the same.
        self._frames_fps = 2 * config.vision.rate_fps if config.vision.enabled and shows_pictures(camera) else 0.0
        self._sound = SoundFeed()
        self._stages = [self._capture(main_sinks, camera.main, clock, StreamRole.MAIN)]
        if camera.audio and not camera.main.startswith("file:"):
            self._stages.append(self._hear(clock))
        if not config.vision.enabled:
            return
        main_sinks.append(self._vision)
        if camera.sub:
            sub = VisionSink(camera, StreamRole.SUB, self._showing, boot, self._recorder)
            self._stages.append(self._capture([sub, self._onlook(StreamRole.SUB)], camera.sub, clock, StreamRole.SUB))

    def _on_node(self, notice: Notice, _payload: bytes) -> None:
        """On the client's thread."""
        if isinstance(notice, EndWanted):
            _log.info("asked to end and begin again", camera=self._camera.id)
            self._stop.set()

    def run(self, notifier: Notifier) -> None:
        self._progress.register("recorder", _RECORDER_LIMIT_S)
        recorder_stop = threading.Event()
        recorder = Stage("recorder", lambda: self._record_once(recorder_stop), stop=recorder_stop)
        # Not the recorder's thread: a disk that stands still is just what the node must hear of.
        telling = Stage("status", self._tell_once, stop=self._stop)
        for stage in (recorder, telling, *self._stages):
            stage.start()
        notifier.ready()
        notifier.status("")
        _log.info("camera process runs", camera=self._camera.id)
        watch(notifier, self._progress, self._stop)
        notifier.stopping()
        for stage in self._stages:
            stage.join(_CAPTURE_JOIN_S)
        recorder_stop.set()
        self._recorder.rouse()
        recorder.join(_JOIN_S)
        self._recorder.finish()
        telling.join(_JOIN_S)
        self._node.send(self._condition.tell())
        self._node.send(Goodbye(session=self._session))
        for stage in self._stages:
            stage.join(_JOIN_S)
        self._showing.close()
        self._onlooking.close()
        if self._ear is not None:
            self._ear.close()
        self._node.close()

    def _onlook(self, role: StreamRole) -> VisionSink:
        return VisionSink(self._camera, role, self._onlooking, self._boot, self._recorder, are_packets_wanted=True)

    def _capture(self, sinks: list[Sink], url: str, clock: Clock, role: StreamRole) -> Stage:
        camera = self._camera

        loop = f"capture-{role.value}"
        self._progress.register(loop, _CAPTURE_LIMIT_S)

        def session() -> None:
            self._progress.beat(loop)
            address = self._address(url)
            viewer = self._vision if self._frames_fps else None
            pulse = _Pulse(self._progress, loop)
            ear = Ear(self._sound, self._recorder) if camera.audio and role is StreamRole.MAIN else None
            Capture(address, [pulse, *sinks], clock, self._stop, viewer=viewer, ear=ear).run_once()

        def failed(exc: Exception) -> None:
            # Told again by the session that it ended; where none could begin, only here.
            if role is StreamRole.MAIN and isinstance(exc, CameraError):
                self._inlet.end(exc)
            if isinstance(exc, CameraHung):
                # Nothing in this process opens the camera again: the watchdog ends it, and nothing is tried until then.
                self._progress.register(loop, 0.0)
                self._stop.wait()

        return Stage(loop, session, stop=self._stop, backoff=_BACKOFF, on_failure=failed)

    def _address(self, url: str) -> SourceAddress:
        camera = self._camera
        password = read_password(camera.password_file, camera=camera.id)
        return SourceAddress(camera.id, url, camera.username, password, camera.loop, self._frames_fps)

    def _hear(self, clock: Clock) -> Stage:
        """Sound's own session and thread, which the watchdog leaves alone: without it there are still pictures."""
        # With it comes numpy, which is half of this process's start and of no use to a silent camera.
        from agent.media.sound_session import SoundSession

        session = SoundSession(lambda: self._address(self._camera.main), self._sound, clock, self._stop)
        return Stage("sound", session.run_once, stop=self._stop, backoff=_SOUND_BACKOFF)

    def _record_once(self, recorder_stop: threading.Event) -> None:
        self._recorder.run_once(recorder_stop)
        self._progress.beat("recorder")

    def _tell_once(self) -> None:
        self._stop.wait(_STATUS_INTERVAL_S)
        # Nobody misses a status of the past: while the node is away they must not pile up.
        if self._node.is_connected:
            self._node.send(self._condition.tell())


class _Pulse:
    """The watchdog's ear on a capture: FFmpeg may hang where none of its limits holds, in a driver for example."""

    def __init__(self, progress: Progress, loop: str) -> None:
        self._progress = progress
        self._loop = loop

    def begin(self, session: Session) -> None:
        return

    def change(self, shape: Shape) -> None:
        return

    def take(self, captured: CapturedPacket) -> None:
        self._progress.beat(self._loop)

    def end(self, failure: CameraError | None = None) -> None:
        self._progress.beat(self._loop)


class _Telling:
    """Segments to the node."""

    def __init__(self, node: LinkClient) -> None:
        self._node = node

    def opened(self, notice: SegmentOpened) -> None:
        self._node.send(notice)

    def closed(self, notice: SegmentClosed) -> None:
        self._node.send(notice)
