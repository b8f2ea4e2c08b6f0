"""The node's leases on live pictures: who may look until when, and the processes that show it to them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from agent import log
from agent.clock import Clock
from agent.commands.work import LiveShown, Snapshot
from agent.errors import CommandFailed, LiveError
from agent.identity import new_uuid7
from agent.notices import LeaseTold, LiveWanted, SnapshotTaken, StreamStarted
from agent.processes.onlooker import OnlookerKind
from agent.processes.onlooking import Onlookers, Told
from agent.units import NS_PER_S

# The push process starts in under a second, waits 11 s for a first picture at most and for its ingest 3 times 10 s.
_BEGIN_S: Final = 45.0
_ROUND_S: Final = 1.0
# An eye opens within 2 s, on a Pi 4 perhaps 5, and waits 2 s for a first picture.
_PICTURE_S: Final = 10.0

_log = log.get("live")


@dataclass(frozen=True, slots=True)
class _Lease:
    """`url` is empty for pictures by MQTT. `until_mono_s` is when it ends by itself."""

    lease_id: str
    camera: str
    url: str
    until_mono_s: float
    shown: StreamStarted | None = None

    @property
    def kind(self) -> OnlookerKind:
        return OnlookerKind.PUSH if self.url else OnlookerKind.EYE


class LiveDesk:
    """`start` and `stop` from the command threads, `keep` on a thread of its own.

    show: publishes a picture of a camera on its topic; called on the threads of the eyes.
    """

    def __init__(self, config: Path, clock: Clock, show: Callable[[str, bytes], None]) -> None:
        self._clock = clock
        self._show = show
        self._lock = threading.Lock()
        self._leases: dict[str, _Lease] = {}
        self._onlookers = Onlookers(config, self._hear, self._lose)

    def start(self, camera: str, url: str, lease_s: float) -> LiveShown:
        """Show it, or go on showing it; returns when the first picture is on its way. Raises LiveError, CommandFailed.
        One address a camera at a time: a site's line carries a few streams and no more."""
        lease = self._claim(camera, url, lease_s)
        wanted = LiveWanted(lease.lease_id, lease_s, url)
        if lease.shown is not None:
            self._onlookers.order(lease.kind, camera, wanted)
            return self._answer(lease, lease.shown)
        try:
            told = self._onlookers.begin_lease(lease.kind, camera, wanted, _BEGIN_S)
        except CommandFailed:
            self._forget(lease.lease_id)
            raise
        if told is None or told.stream is None:
            self._forget(lease.lease_id)
            if told is not None:
                raise LiveError(reason=told.reason, camera=camera, remedy=told.detail)
            raise CommandFailed(reason="no_picture", camera=camera, remedy="no picture came in time; ask again")
        _log.info(
            "live picture shown", camera=camera, lease=lease.lease_id, lease_s=lease_s, stream=told.stream.role.value
        )
        return self._answer(lease, told.stream)

    def stop(self, camera: str, lease_id: str) -> int:
        """How many leases were ended: this one, or with "" all of the camera."""
        with self._lock:
            ended = [
                lease for lease in self._leases.values() if lease.camera == camera and lease_id in ("", lease.lease_id)
            ]
        for lease in ended:
            self._forget(lease.lease_id)
            self._onlookers.end_lease(lease.kind, camera, lease.lease_id)
        return len(ended)

    def picture(self, camera: str) -> Snapshot:
        """The camera's newest picture by its eye, whatever vision does. Raises CommandFailed."""
        return self._onlookers.picture(camera, _PICTURE_S)

    def keep(self, stop: threading.Event) -> None:
        """Body of a stage: ends what is over until `stop`, then everything."""
        try:
            while not stop.wait(_ROUND_S):
                self._expire()
                self._onlookers.tidy(self._is_busy)
        finally:
            self._onlookers.close()

    def _claim(self, camera: str, url: str, lease_s: float) -> _Lease:
        until_s = time.monotonic() + lease_s
        with self._lock:
            kind = OnlookerKind.PUSH if url else OnlookerKind.EYE
            known = next((one for one in self._leases.values() if (one.camera, one.kind) == (camera, kind)), None)
            if known is not None and known.url != url:
                left_s = round(max(known.until_mono_s - time.monotonic(), 0))
                remedy = f"it is shown elsewhere for {left_s} s more; ask for live.stop, or look there"
                raise LiveError(reason="busy", camera=camera, lease=known.lease_id, remedy=remedy)
            if known is not None:
                lease = replace(known, until_mono_s=max(known.until_mono_s, until_s))
            else:
                lease = _Lease(new_uuid7(), camera, url, until_s)
            self._leases[lease.lease_id] = lease
        return lease

    def _answer(self, lease: _Lease, stream: StreamStarted) -> LiveShown:
        # From now and not from the order: the requester's clock is compared with this one.
        with self._lock:
            until_s = self._leases[lease.lease_id].until_mono_s if lease.lease_id in self._leases else time.monotonic()
        left_ns = round(max(until_s - time.monotonic(), 0.0) * NS_PER_S)
        return LiveShown(
            lease_id=lease.lease_id,
            until_wall_ns=self._clock.wall_ns() + left_ns,
            stream=stream.role.value,
            codec=stream.codec,
            width=stream.width,
            height=stream.height,
        )

    def _hear(self, told: Told, payload: bytes) -> None:
        key = told.lease_id if isinstance(told, LeaseTold) else told.request_id
        with self._lock:
            lease = self._leases.get(key)
            if lease is not None and isinstance(told, LeaseTold) and told.stream is not None:
                self._leases[key] = replace(lease, shown=told.stream)
        if lease is None:
            return
        if isinstance(told, SnapshotTaken):
            if payload:
                self._show(lease.camera, payload)
        elif told.stream is None:
            self._forget(key)
            _log.info("live picture ended", camera=lease.camera, lease=key, reason=told.reason, detail=told.detail)

    def _lose(self, kind: OnlookerKind, camera: str) -> None:
        with self._lock:
            lost = [one for one in self._leases.values() if (one.kind, one.camera) == (kind, camera)]
        for lease in lost:
            self._forget(lease.lease_id)
            _log.warning("live picture lost", camera=camera, lease=lease.lease_id)

    def _is_busy(self, kind: OnlookerKind, camera: str) -> bool:
        with self._lock:
            return any((one.kind, one.camera) == (kind, camera) for one in self._leases.values())

    def _expire(self) -> None:
        """The processes end leases themselves; one that hangs is ended here."""
        now_s = time.monotonic()
        with self._lock:
            over = [one for one in self._leases.values() if now_s > one.until_mono_s + _BEGIN_S]
        for lease in over:
            self._forget(lease.lease_id)

    def _forget(self, lease_id: str) -> None:
        with self._lock:
            self._leases.pop(lease_id, None)
