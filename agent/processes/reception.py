"""The node's side of its runtime socket: who is there, what they say, and pictures asked of vision."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from agent import log
from agent.clock import Clock
from agent.commands.work import Snapshot
from agent.contract.events import TrafficData
from agent.errors import CommandFailed, DiskError, StoreError
from agent.identity import new_uuid7
from agent.link_peer import Peer, Receipt
from agent.mailbox import Mailbox
from agent.notices import (
    CameraStatus,
    EndWanted,
    Finding,
    Goodbye,
    Hello,
    Notice,
    Outage,
    SegmentClosed,
    SegmentOpened,
    SheetWanted,
    SnapshotTaken,
    SnapshotWanted,
    VisionStatus,
)
from agent.processes.keeper import BadNotice, Keeper, Source
from agent.processes.roads import Roads
from agent.units import NS_PER_S

# Vision tells its status each second; one that has been silent for longer hangs, and nobody is to wait for it.
_AWAKE_NS: Final = round(2.5 * NS_PER_S)
# 48 pictures of 4K take a Pi 4 some ten seconds to decode, and others may be asked for before.
_SHEET_LIMIT_S: Final = 60.0
_ROUND_S: Final = 0.5
_BEAT_INTERVAL_S: Final = 60.0
# With Stage's waits between them this bridges a disk that is busy for a minute; a notice that the store will never take
# must not hold up those behind it.
_MOST_TRIES: Final = 5

_log = log.get("reception")


@dataclass(frozen=True, slots=True)
class Arrived:
    """A notice for the keeper, with who sent it. `notice` None: the process connected. The `receipt` is confirmed when
    the notice is stored, or refused for good; until then its sender keeps it."""

    hello: Hello
    notice: Notice | None
    payload: bytes = b""
    receipt: Receipt | None = None


@dataclass(frozen=True, slots=True)
class CameraWord:
    """The newest status of a camera (None: never heard) and when it came; `lost_wall_ns` is when its process last hung
    up, 0 when it never did."""

    status: CameraStatus | None
    heard_mono_ns: int
    lost_wall_ns: int


class Reception:
    """`on_…` run on the server's thread and only sort; `serve` is the keeper's loop; the rest is for any thread."""

    def __init__(self, inbox: Mailbox[Arrived], cameras: frozenset[str], clock: Clock) -> None:
        self._inbox = inbox
        self._cameras = cameras
        self._clock = clock
        self.roads = Roads(clock)
        self._lock = threading.Condition()
        self._statuses: dict[str, tuple[CameraStatus, int]] = {}
        self._connected: dict[str, Peer] = {}
        self._lost_wall_ns: dict[str, int] = {}
        self._vision: Peer | None = None
        self._vision_status: VisionStatus | None = None
        self._vision_heard_ns = 0
        self._todo: deque[Arrived] = deque()
        self._tries = 0
        self._pictures: dict[str, Mailbox[tuple[SnapshotTaken, bytes]]] = {}

    # --- the server's thread

    def on_connect(self, peer: Peer) -> None:
        hello = peer.hello
        if hello is None or not self._is_known(hello):
            return
        with self._lock:
            if hello.process == "vision":
                self._vision = peer
            else:
                self._connected[hello.camera] = peer
        self._inbox.put(Arrived(hello, None))

    def on_disconnect(self, peer: Peer) -> None:
        with self._lock:
            if peer is self._vision:
                self._vision = self._vision_status = None
            for camera, known in list(self._connected.items()):
                if known is peer:
                    del self._connected[camera]
                    self._lost_wall_ns[camera] = self._clock.wall_ns()
            self._lock.notify_all()

    def on_notice(self, peer: Peer, notice: Notice, payload: bytes) -> None:
        hello = peer.hello
        if hello is None or not self._is_known(hello):
            return
        if isinstance(notice, CameraStatus | VisionStatus | SnapshotTaken):
            self._hear(hello, notice, payload)
        elif not self._inbox.put(Arrived(hello, notice, payload, peer.defer()), len(payload)):
            # A store that stands still this long; the folder and the ledger are reconciled at the next start.
            _log.error("keeper does not keep up", waiting=self._inbox.depth)

    def _hear(self, hello: Hello, notice: CameraStatus | VisionStatus | SnapshotTaken, payload: bytes) -> None:
        if isinstance(notice, CameraStatus):
            if (hello.process, hello.camera) == ("camera", notice.camera):
                self._statuses[notice.camera] = (notice, self._clock.mono_ns())
        elif hello.process != "vision":
            return
        elif isinstance(notice, VisionStatus):
            self._vision_status, self._vision_heard_ns = notice, self._clock.mono_ns()
        else:
            with self._lock:
                waiting = self._pictures.get(notice.request_id)
            if waiting is not None:
                waiting.put((notice, payload))

    # --- the keeper's thread

    def serve(self, keeper: Keeper, stop: threading.Event, tick: Callable[[], None]) -> None:
        """Hand each notice to the keeper until `stop`; `tick` is called each round."""
        beaten_s = time.monotonic()
        while not (stop.is_set() and self._inbox.depth == 0 and not self._todo):
            # Kept between calls: what raises out of here is tried again, and the rest must not go with it.
            if not self._todo:
                self._todo.extend(self._inbox.take_all(_ROUND_S))
            if self._todo:
                self._keep_or_retry(keeper, self._todo[0])
                arrived = self._todo.popleft()
                if arrived.receipt is not None:
                    arrived.receipt.confirm()
            tick()
            if time.monotonic() - beaten_s > _BEAT_INTERVAL_S:
                beaten_s = time.monotonic()
                keeper.beat()

    def _keep_or_retry(self, keeper: Keeper, arrived: Arrived) -> None:
        """Raises StoreError and DiskError while trying again may help: Stage waits and calls `serve` again."""
        try:
            self._keep(keeper, arrived)
        except (StoreError, DiskError) as exc:
            self._tries += 1
            if self._tries < _MOST_TRIES:
                raise
            _log.error("notice lost", process=arrived.hello.process, camera=arrived.hello.camera, problem=str(exc))
        self._tries = 0

    def _keep(self, keeper: Keeper, arrived: Arrived) -> None:
        hello, notice = arrived.hello, arrived.notice
        source = Source(hello, arrived.receipt.number) if arrived.receipt is not None else None
        try:
            if notice is None:
                keeper.greet(hello)
            elif source is not None and keeper.is_stored(source):
                _log.info("notice came again", process=hello.process, camera=hello.camera, number=source.number)
            elif isinstance(notice, Goodbye):
                keeper.part(hello, source)
            elif not self._may_say(hello, notice):
                _log.warning(
                    "notice not credible", process=hello.process, camera=hello.camera, notice=type(notice).__name__
                )
            elif isinstance(notice, SegmentOpened):
                keeper.segment_opened(notice, source)
            elif isinstance(notice, SegmentClosed):
                keeper.segment_closed(notice, source)
            elif isinstance(notice, Outage):
                keeper.outage(notice, source)
            elif isinstance(notice, Finding):
                data = keeper.finding(notice, arrived.payload, hello.session, source)
                if isinstance(data, TrafficData):
                    self.roads.note(notice.camera, data)
        except BadNotice as exc:
            _log.error("notice refused", process=hello.process, camera=hello.camera, problem=str(exc))

    def _may_say(self, hello: Hello, notice: Notice) -> bool:
        """A camera tells of its own footage, vision of what it saw on the cameras that there are."""
        if isinstance(notice, Finding):
            return hello.process == "vision" and notice.camera in self._cameras
        if isinstance(notice, SegmentOpened | SegmentClosed | Outage):
            return hello.process == "camera" and notice.camera == hello.camera
        return False

    def _is_known(self, hello: Hello) -> bool:
        return hello.process == "vision" or hello.camera in self._cameras

    # --- any thread

    def camera(self, camera: str) -> CameraWord:
        with self._lock:
            status, heard_ns = self._statuses.get(camera, (None, 0))
            return CameraWord(status, heard_ns, self._lost_wall_ns.get(camera, 0))

    def session_of(self, process: str, camera: str) -> str:
        """Which life of a process is connected; "" when none is."""
        peer = self._peer(process, camera)
        return "" if peer is None or peer.hello is None else peer.hello.session

    def end(self, process: str, camera: str) -> None:
        """Ask a process to end in order; one that is not connected is starting as it is."""
        peer = self._peer(process, camera)
        if peer is not None:
            peer.send(EndWanted())

    def _peer(self, process: str, camera: str) -> Peer | None:
        with self._lock:
            return self._vision if process == "vision" else self._connected.get(camera)

    @property
    def vision_status(self) -> VisionStatus | None:
        """None while vision does not run."""
        return self._vision_status

    @property
    def is_vision_awake(self) -> bool:
        return self._vision_status is not None and self._clock.mono_ns() - self._vision_heard_ns < _AWAKE_NS

    def snapshot(self, camera: str, limit_s: float) -> Snapshot:
        """Ask vision for its newest picture and wait for it. Raises CommandFailed, which says what is away."""
        return self._picture(SnapshotWanted(new_uuid7(), camera), b"", limit_s)

    def sheet(self, wanted: SheetWanted, pictures: bytes) -> bytes:
        """Have vision make a contact sheet (JPEG) and wait for it. Raises CommandFailed, which says what is away."""
        return self._picture(wanted, pictures, _SHEET_LIMIT_S).jpeg

    def _picture(self, wanted: SnapshotWanted | SheetWanted, payload: bytes, limit_s: float) -> Snapshot:
        camera = wanted.camera
        waiting: Mailbox[tuple[SnapshotTaken, bytes]] = Mailbox(1)
        with self._lock:
            vision = self._vision
            self._pictures[wanted.request_id] = waiting
        try:
            if vision is None:
                raise CommandFailed(
                    reason="vision_away", camera=camera, remedy="vision is starting; ask again in a moment"
                )
            vision.send(wanted, payload)
            answer = waiting.take(limit_s)
        finally:
            with self._lock:
                del self._pictures[wanted.request_id]
        if answer is None:
            raise CommandFailed(reason="vision_silent", camera=camera, remedy="vision did not answer; ask again")
        taken, jpeg = answer
        if taken.error or not jpeg:
            raise CommandFailed(reason="no_picture", camera=camera, remedy=taken.error or "there is no picture")
        return Snapshot(camera, jpeg, taken.wall_ns)

    def wait_for_goodbyes(self, timeout_s: float) -> None:
        """Until every process hung up, at most `timeout_s`: their last segments belong into this run's index."""
        with self._lock:
            self._lock.wait_for(lambda: not self._connected and self._vision is None, timeout_s)
