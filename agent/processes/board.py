"""What the uplink is told of this node when it asks: facts, health, and where commands go."""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from agent import __version__, log
from agent.clock import Clock
from agent.commands.dispatch import Inbound
from agent.commands.handlers import HANDLERS
from agent.commands.outlook import Outlook, look
from agent.config import Config
from agent.contract.states import (
    Alert,
    CameraInfo,
    CameraState,
    ClockHealth,
    Health,
    Info,
    ModelInfo,
    OutboxHealth,
    Severity,
)
from agent.enrolment.papers import paper_facts
from agent.errors import DiskError, StoreError
from agent.health.forecast import least_days
from agent.health.holdover import ClockJudgement, Holdover
from agent.health.probes import disk_space, hardware_model, os_name, probe_machine
from agent.health.report import CameraReading, Readings, build_health, camera_state, recorded_ratio
from agent.health.wear import device_number, probe_wear
from agent.messaging.alarm import Alarm
from agent.messaging.facts import NodeFacts
from agent.messaging.lanes import Moment
from agent.notices import VisionStatus
from agent.processes.desired import DesiredDesk
from agent.processes.reception import Reception
from agent.recording import index
from agent.recording.boot import BootNumber
from agent.store import open_store
from agent.units import NS_PER_S, WallSpan, format_rfc3339

_HOUR_NS = 3_600 * NS_PER_S
# A ring of 30 days and four cameras takes 0.1 s to look at, on a Pi some more; days of footage change slowly.
_OUTLOOK_NS = 300 * NS_PER_S

_log = log.get("board")


class Board:
    """The node's side of the uplink; called on the uplink's thread, `has_changed` on the keeper's."""

    def __init__(self, config: Config, data_dir: Path, reception: Reception, clock: Clock, boot: BootNumber) -> None:
        self._config = config
        self._data_dir = data_dir
        self._reception = reception
        self._clock = clock
        self._boot = boot
        self._started = format_rfc3339(clock.wall_ns())
        self._alerts: dict[str, Alert | None] = {}
        self._last_shown: tuple[object, ...] = ()
        self._conn: sqlite3.Connection | None = None
        self._holdover = Holdover()
        self._foreseen: tuple[int, Outlook] | None = None
        self.commands: Callable[[Inbound], None] | None = None
        self.desired: DesiredDesk | None = None

    def moment(self) -> Moment:
        mono_ns = self._clock.mono_ns()
        return Moment(self._clock.wall_ns(), mono_ns, self._judge_clock(mono_ns).quality)

    def facts(self) -> NodeFacts:
        return NodeFacts(
            info=self._info(),
            cameras=self._camera_states(),
            alerts=dict(self._alerts),
            traffic=self._reception.roads.states(),
            reported=None if self.desired is None else self.desired.reported(),
        )

    def health(self, waiting: OutboxHealth) -> Health:
        clock = self._judge_clock(self._clock.mono_ns())
        space = disk_space(self._data_dir)
        footage_bytes = self._footage_bytes()
        outlook = self._outlook()
        wear = probe_wear(device_number(self._data_dir))
        if outlook is not None:
            wear = replace(wear, used_ratio=outlook.endurance.used_ratio)
        readings = Readings(
            wall_ns=self._clock.wall_ns(),
            cameras=tuple(self._reading(camera.id, with_ratio=True) for camera in self._config.cameras),
            vision=self._reception.vision_status,
            clock=ClockHealth(quality=clock.quality, error_s=clock.error_s, holdover_s=clock.since_s),
            space=space,
            machine=probe_machine(),
            footage_bytes=footage_bytes,
            forecast_days=None if outlook is None else least_days(outlook.cameras),
            wear=wear,
        )
        return build_health(readings, waiting)

    def on_command(self, name: str, payload: bytes, *, is_retained: bool) -> None:
        if self.commands is not None:
            self.commands(Inbound(name, payload, is_retained))

    def on_desired(self, payload: bytes) -> None:
        if self.desired is not None:
            self.desired.offer(payload)

    def upload_hosts(self) -> tuple[str, ...]:
        """From any thread."""
        return () if self.desired is None else self.desired.upload_hosts()

    def on_alarm(self, alarm: Alarm) -> None:
        name = alarm.kind.value.replace("_", "-")
        _log.warning("alarm", kind=alarm.kind.value, is_active=alarm.is_active, detail=alarm.detail)
        now = format_rfc3339(self._clock.wall_ns())
        alert = Alert(kind=alarm.kind.value, severity=Severity.WARNING, since=now, message_en=alarm.detail)
        self._alerts = {**self._alerts, name: alert if alarm.is_active else None}

    def has_changed(self) -> bool:
        """Whether facts differ from the last call, so that the uplink need not be woken each round."""
        shown = (
            self._camera_states(),
            self._models(),
            tuple(self._alerts.items()),
            self._reception.roads.states(),
        )
        has_changed = shown != self._last_shown
        self._last_shown = shown
        return has_changed

    def _info(self) -> Info:
        broker = self._config.broker
        papers = paper_facts(Path(broker.certificate)) if broker is not None and broker.certificate else None
        return Info(
            at=self._started,
            software=__version__,
            hardware=hardware_model(),
            os=os_name(),
            python=platform.python_version(),
            boot_id=self._boot.boot_id,
            timezone=self._config.timezone,
            trust=self._config.trust,
            cameras=tuple(CameraInfo(id=camera.id, name=camera.name) for camera in self._config.cameras),
            models=self._models(),
            commands=tuple(sorted(name.value for name in HANDLERS)),
            key_fingerprint=papers.key_fingerprint if papers else None,
            certificate_end=format_rfc3339(papers.not_after_s * NS_PER_S) if papers else None,
            replaces=papers.replaces if papers else None,
        )

    def _models(self) -> tuple[ModelInfo, ...]:
        vision: VisionStatus | None = self._reception.vision_status
        if vision is None:
            return ()
        motion = ModelInfo(name=self._config.vision.motion, sha256=vision.motion_sha256, provider=vision.provider)
        if vision.detector_sha256 == vision.motion_sha256:
            # Without a detector motion is what findings name.
            return (motion,)
        return (ModelInfo(name=vision.detector, sha256=vision.detector_sha256, provider=vision.provider), motion)

    def _camera_states(self) -> dict[str, CameraState]:
        states: dict[str, CameraState] = {}
        for camera in self._config.cameras:
            lost_ns = self._reception.camera(camera.id).lost_wall_ns
            states[camera.id] = camera_state(self._reading(camera.id), silent_since_wall_ns=lost_ns or None)
        return states

    def _reading(self, camera: str, *, with_ratio: bool = False) -> CameraReading:
        word = self._reception.camera(camera)
        age_s = (self._clock.mono_ns() - word.heard_mono_ns) / NS_PER_S if word.status else 0.0
        return CameraReading(camera, word.status, age_s, self._recorded_ratio(camera) if with_ratio else None)

    def _recorded_ratio(self, camera: str) -> float | None:
        """Of the hour before; the segment that is open now counts from its start, as far as frames still come."""
        now_ns = self._clock.wall_ns()
        window = WallSpan(now_ns - _HOUR_NS, now_ns)
        try:
            rows = index.segments(self._store(), camera, window)
        except (StoreError, sqlite3.Error):
            return None
        return recorded_ratio([WallSpan(r.start_wall_ns, now_ns if r.is_open else r.end_wall_ns) for r in rows], window)

    def _footage_bytes(self) -> int | None:
        try:
            return sum(camera.bytes for camera in index.usage(self._store()))
        except (StoreError, DiskError, sqlite3.Error):
            return None

    def _outlook(self) -> Outlook | None:
        mono_ns = self._clock.mono_ns()
        if self._foreseen is not None and mono_ns - self._foreseen[0] < _OUTLOOK_NS:
            return self._foreseen[1]
        try:
            seen = look(self._store(), self._data_dir, self._clock.wall_ns(), mono_ns / NS_PER_S)
        except (StoreError, DiskError, sqlite3.Error):
            return None
        self._foreseen = (mono_ns, seen)
        return seen

    def _judge_clock(self, mono_ns: int) -> ClockJudgement:
        """Unlike the clock itself it remembers that the time was good."""
        return self._holdover.judge(self._clock.status().error_s, mono_ns)

    def _store(self) -> sqlite3.Connection:
        """The uplink thread's own reading connection."""
        if self._conn is None:
            self._conn = open_store(self._data_dir, readonly=True)
        return self._conn
