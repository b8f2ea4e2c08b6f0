"""The push process of one camera: its packets, as they come, to RTSP ingests under leases. It decodes nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from agent import log
from agent.commands.ingest import camera_networks, may_reach
from agent.commands.upload_line import believing
from agent.config import Config
from agent.errors import LiveError, UploadError
from agent.media.packet import Codec
from agent.media.publisher import Ingest, Publisher
from agent.media.rtp import PushedStream
from agent.notices import LeaseTold, LiveWanted, Notice, StreamStarted, VideoPacket
from agent.processes.intake import Intake
from agent.processes.onlooker import NewestGop, OnlookerKind, Orders, Packets, onlooker_socket
from agent.stage import Backoff, Stage

# How late the end of a lease is noticed.
_LOOK_S = 0.25
# A camera dials four times a second; with an IDR each 10 s, which is the longest that cameras are set to.
_FIRST_PICTURE_S = 11.0
# An ingest that restarts is back within seconds, and a lease is short.
_BACKOFF = Backoff(initial_s=0.5, max_s=5.0)

_log = log.get("push")


def run_push(config: Config, camera_id: str) -> int:
    """Push what is ordered on stdin until that ends. Raises LinkError when another push process is there."""
    orders = Orders()
    pushes = _Pushes(config, camera_id, orders)
    packets = Packets(onlooker_socket(Path(config.runtime_dir), OnlookerKind.PUSH, camera_id), camera_id, pushes.take)
    try:
        orders.read(pushes.order)
    finally:
        pushes.close()
        packets.close()
    return 0


class _Pushes:
    """Those that run now. `take` on the link's thread, `order` and `close` on the main one."""

    def __init__(self, config: Config, camera: str, orders: Orders) -> None:
        self._camera = camera
        self._orders = orders
        self._is_open = config.trust == "open"
        self._networks = camera_networks(config.sources)
        try:
            self._tls = believing(config.broker.ca if config.broker else "")
        except UploadError as exc:
            _log.warning("only the system's authorities are believed", problem=str(exc))
            self._tls = None
        self._lock = threading.Lock()
        self._gop = NewestGop()
        self._running: dict[str, _Push] = {}

    def take(self, notice: StreamStarted | VideoPacket, payload: bytes) -> None:
        with self._lock:
            self._gop.take(notice, payload)
            for push in self._running.values():
                push.intake.offer(notice, payload)

    def _refill(self, push: _Push) -> None:
        """Give it a fresh intake that begins with the newest GOP."""
        with self._lock:
            push.intake = Intake()
            gop = self._gop.wait(0.0)
            if gop is not None:
                push.intake.offer(gop.started, gop.extradata)
                for packet in gop.packets:
                    push.intake.offer(packet.notice, packet.data)

    def order(self, order: Notice) -> None:
        with self._lock:
            self._running = {key: push for key, push in self._running.items() if push.is_alive}
            known = self._running.get(order.lease_id) if isinstance(order, LiveWanted) else None
            if known is not None and isinstance(order, LiveWanted):
                known.extend(order.lease_s)
            elif isinstance(order, LiveWanted) and order.lease_s > 0:
                push = _Push(order, self._ingest(order.url), self._gop, self._orders, self._refill)
                self._running[order.lease_id] = push
                push.begin()

    def close(self) -> None:
        for push in self._running.values():
            push.end()
        for push in self._running.values():
            push.join()

    def _ingest(self, url: str) -> Ingest:
        def may(address: str) -> bool:
            return may_reach(address, self._networks, allows_loopback=self._is_open)

        return Ingest(url, self._camera, may, self._tls)


class _Push:
    """One lease on a thread of its own. A line that is cut is tried again while the lease lasts; one that could not be
    begun is told and given up."""

    def __init__(
        self, order: LiveWanted, ingest: Ingest, gop: NewestGop, orders: Orders, refill: Callable[[_Push], None]
    ) -> None:
        self.intake = Intake()
        self._lease_id = order.lease_id
        self._ingest = ingest
        self._gop = gop
        self._orders = orders
        self._refill = refill
        self._stop = threading.Event()
        self._until_s = time.monotonic() + order.lease_s
        self._is_shown = False
        self._why = ("lease_over", "")
        self._stage = Stage(
            f"push-{order.lease_id[-4:]}", self._run_once, stop=self._stop, backoff=_BACKOFF, on_failure=self._failed
        )

    @property
    def is_alive(self) -> bool:
        return self._stage.is_alive

    def begin(self) -> None:
        self._stage.start()

    def extend(self, lease_s: float) -> None:
        self._until_s = max(self._until_s, time.monotonic() + lease_s)
        if lease_s <= 0:
            self.end()

    def end(self) -> None:
        self._why = ("stopped", "")
        self._stop.set()

    def join(self) -> None:
        self._stage.join(2.0)

    def _run_once(self) -> None:
        gop = None if self._is_over() else self._gop.wait(min(_FIRST_PICTURE_S, self._left_s))
        if gop is None:
            raise LiveError(reason="no_picture", remedy="the camera sends nothing; see its state")
        publisher = Publisher(self._ingest, PushedStream(Codec(gop.started.codec), gop.extradata))
        try:
            self._refill(self)
            self._push(publisher, gop.started)
        finally:
            publisher.close()
        if self._is_over():
            self._conclude()

    def _push(self, publisher: Publisher, started: StreamStarted) -> None:
        """Until the lease is over or another stream begins, which the ingest must be told of."""
        while not self._is_over():
            for arrival in self.intake.take(_LOOK_S).arrivals:
                notice = arrival.notice
                if isinstance(notice, StreamStarted) and notice != started:
                    return
                if isinstance(notice, VideoPacket) and not self._stop.is_set():
                    wall_ns = started.anchor_wall_ns + notice.media_ns
                    publisher.send(arrival.payload, notice.media_ns, wall_ns, is_idr=notice.is_idr)
                    self._tell_shown(started)

    def _tell_shown(self, started: StreamStarted) -> None:
        if not self._is_shown:
            self._is_shown = True
            self._orders.tell(LeaseTold(self._lease_id, started))

    @property
    def _left_s(self) -> float:
        return max(self._until_s - time.monotonic(), 0.0)

    def _is_over(self) -> bool:
        return self._stop.is_set() or self._left_s == 0.0

    def _failed(self, exc: Exception) -> None:
        if isinstance(exc, LiveError) and not self._is_shown:
            self._why = (str(exc.facts.get("reason")), str(exc))
        if not self._is_shown or self._is_over():
            self._conclude()

    def _conclude(self) -> None:
        self._stop.set()
        reason, detail = self._why
        self._orders.tell(LeaseTold(self._lease_id, reason=reason, detail=detail))
