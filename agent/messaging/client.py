"""A broker connection that lasts: connects, keeps connecting, and is told what to publish from any thread.

paho is wrapped because its defaults lose messages quietly (the traps are listed in the contract, and each has a test):
one thread owns each connection and does all its talking, nothing is handed over while offline, a PUBACK's refusal is
reported, and what is not confirmed when a connection ends is void; its owner sends it again.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from agent import log
from agent.errors import BrokerRefused, BrokerUnreachable, MessagingError
from agent.messaging.broker import BrokerEvent, BrokerOptions, Connected, Disconnected, Message, Publication, parse_url
from agent.messaging.connection import Connection
from agent.messaging.handshake import try_certificate
from agent.stage import Backoff, Stage
from agent.units import NS_PER_S

_log = log.get("broker")

# One that ended sooner counts as a failed attempt, so that two nodes with one id do not take turns at full speed.
SHORT_LIFE_S: Final = 10.0
# Between these the waits of a client of its own double: a broker that restarts is met soon.
_BACKOFF: Final = Backoff(initial_s=0.5, max_s=60.0)
# Messages handed over and not yet on the wire. The owner paces itself by the window; this only bounds a mistake.
_QUEUE_ITEMS = 10_000
# How long one wait for traffic lasts at most; keepalive and stop are looked at in between.
_TICK_S = 0.5


def retry_backoff(connect_spread_s: float) -> Backoff:
    """The wait after a failed attempt. One of a fleet waits the spread itself, so that it keeps its place in it.

    Places are drawn evenly over `connect_spread_s` once, and stay so however long the broker is away: whenever it is
    back, no second of the next 30 sees more than its share. With waits that begin short and are drawn anew, a broker
    that is back after 20 s met 6.5 % of the fleet in one second (docs/decisions/0039).
    """
    if connect_spread_s <= 0:
        return _BACKOFF
    return Backoff(initial_s=connect_spread_s, max_s=connect_spread_s, jitter_ratio=0.0)


def loses_place(reason: str, *, was_live: bool) -> bool:
    """Whether an attempt or a connection ended in the same moment for many nodes, as when a broker is killed: then each
    draws its place anew, because equal waits would bring them back in step. Nobody answering is a node's own moment."""
    return was_live or reason in ("connection_lost", "network")


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """`since_mono_ns`: of the last change. `reason` and `remedy` say why not, while not connected."""

    is_connected: bool
    since_mono_ns: int
    reason: str = "never_connected"
    remedy: str = ""
    is_refusal: bool = False


class BrokerClient:
    """`on_event` hears everything on the client's own thread: put it in a mailbox and return.

    An exception out of `on_event` ends the connection, is logged, and a new connection follows.
    """

    def __init__(
        self,
        options: BrokerOptions,
        on_event: Callable[[BrokerEvent], None],
        *,
        name: str = "broker",
        backoff: Backoff | None = None,
    ) -> None:
        """`backoff`: the waits after failed attempts, else those of `retry_backoff`."""
        self._options = options
        self._on_event = on_event
        self._stop = threading.Event()
        waits = backoff or retry_backoff(options.connect_spread_s)
        self._stage = Stage(name, self.run_once, stop=self._stop, backoff=waits)
        self._has_failed = False
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._lock = threading.Lock()
        self._queue: deque[tuple[int, Publication]] = deque()
        self._new_filters: deque[str] = deque()
        self._receipts: deque[Message] = deque()
        self._filters = options.subscriptions
        self._generation = 0
        self._live_generation: int | None = None
        self._next_token = 1
        self._close_by_ns: int | None = None
        self._renewed_generation = 0
        self._status = ConnectionStatus(False, time.monotonic_ns())

    def start(self) -> None:
        self._stage.start()

    @property
    def status(self) -> ConnectionStatus:
        """Safe from any thread."""
        return self._status

    def publish(self, publication: Publication, *, generation: int | None = None) -> int | None:
        """A token, under which Confirmed follows, or None when it was not taken: not connected, no longer connected in
        `generation`, closing, or the queue is full. Never blocks. Safe from any thread.
        """
        with self._lock:
            live = self._live_generation
            is_other = generation is not None and generation != live
            if live is None or is_other or self._close_by_ns is not None or len(self._queue) >= _QUEUE_ITEMS:
                return None
            token = self._next_token
            self._next_token += 1
            is_first = not self._queue
            self._queue.append((token, publication))
        # What waits already has woken the thread, or waits for room, which a PUBACK makes.
        if is_first:
            self._wake()
        return token

    def subscribe(self, *filters: str) -> None:
        """Subscribe now, if connected, and at every later connection. Safe from any thread."""
        with self._lock:
            fresh = [one for one in filters if one not in self._filters]
            self._filters = (*self._filters, *fresh)
            if self._live_generation is not None:
                self._new_filters.extend(fresh)
        self._wake()

    def ask_again(self, one: str) -> None:
        """Have the broker send again what is retained under a filter that is subscribed (MQTT 5, 3.8.4). Safe from any
        thread; without a connection the next one brings it anyway."""
        with self._lock:
            if self._live_generation is not None:
                self._new_filters.append(one)
        self._wake()

    def acknowledge(self, messages: Iterable[Message]) -> None:
        """PUBACK these, in the order in which they came (MQTT 5, 4.6); those of an ended connection come again instead.

        After what was published before: so an `ack` leaves earlier than the PUBACK that it stands for. Never blocks.
        """
        with self._lock:
            self._receipts.extend(message for message in messages if message.receipt)
        self._wake()

    def reconnect(self) -> None:
        """End this connection in order and make a new one, which reads certificate and key anew; nothing while not
        connected, because the next attempt does that anyhow. Safe from any thread."""
        with self._lock:
            self._renewed_generation = self._live_generation or 0
        self._wake()

    def close(self, timeout_s: float = 5.0) -> None:
        """Wait up to `timeout_s` for outstanding PUBACKs, say DISCONNECT (so no will is sent) and end the thread.

        A second call does nothing.
        """
        with self._lock:
            if self._close_by_ns is not None:
                return
            self._close_by_ns = time.monotonic_ns() + int(timeout_s * NS_PER_S)
        self._stop.set()
        self._wake()
        # The disconnect itself takes up to a second, a connection attempt up to its limit.
        if self._stage.is_alive and not self._stage.join(timeout_s + 20.0):
            raise MessagingError(remedy="the broker's thread does not end", stage=self._stage.name)
        with self._lock:
            self._wake_read.close()
            self._wake_write.close()

    def run_once(self) -> None:
        """One attempt and, if it succeeds, one connection to its end. Raises when it failed or soon ended."""
        # Contract: 0-30 s, so that all nodes of a province do not return to a restarted broker at once.
        spread_s = 0.0 if self._has_failed else self._options.connect_spread_s
        if self._stop.wait(random.uniform(0.0, spread_s)):  # noqa: S311 - spreads load
            return
        self._has_failed = False
        self._generation += 1
        generation = self._generation
        started_ns = time.monotonic_ns()
        connection: Connection | None = None
        try:
            connection = Connection(self._options, generation, self._hear, filters=self._filters)
            connection.open(self._wake_read)
            while self._may_go_on(connection) and self._renewed_generation != generation:
                with connection.batch():
                    self._hand_over(connection)
                connection.pump(_TICK_S)
            connection.close()
            self._end(generation, BrokerUnreachable(reason="closed"))
        except (BrokerRefused, BrokerUnreachable) as exc:
            told = self._explain(exc, connection)
            self._end(generation, told)
            was_live = connection is not None and connection.is_live
            is_drawn = self._options.connect_spread_s > 0 and loses_place(
                str(told.facts.get("reason")), was_live=was_live
            )
            is_short = time.monotonic_ns() - started_ns < SHORT_LIFE_S * NS_PER_S
            if is_short and not is_drawn and not self._stop.is_set():
                self._has_failed = True
                raise told from exc
        except BaseException:
            self._end(generation, BrokerUnreachable(reason="internal"))
            raise
        finally:
            if connection is not None:
                connection.abandon()

    def _explain(
        self, exc: BrokerRefused | BrokerUnreachable, connection: Connection | None
    ) -> BrokerRefused | BrokerUnreachable:
        """Hung up on before any answer: the refusal of our certificate may be lost, so it is asked for by itself."""
        is_cut = exc.facts.get("reason") == "connection_lost" and connection is not None and not connection.is_live
        if not is_cut or self._stop.is_set() or not parse_url(self._options.url).is_tls:
            return exc
        try:
            try_certificate(self._options)
        except (BrokerRefused, BrokerUnreachable) as told:
            return told
        return exc

    def _may_go_on(self, connection: Connection) -> bool:
        if not self._stop.is_set():
            return True
        with self._lock:
            is_idle = not self._queue and not self._receipts and connection.outstanding == 0
            return not is_idle and self._close_by_ns is not None and time.monotonic_ns() < self._close_by_ns

    def _hand_over(self, connection: Connection) -> None:
        """Move what waits onto the wire, as far as the receive maximum allows."""
        while True:
            with self._lock:
                filters = tuple(self._new_filters)
                self._new_filters.clear()
                item = self._queue.popleft() if self._queue and connection.room > 0 else None
            if filters:
                connection.subscribe(*filters)
            if item is None:
                self._confirm(connection)
                return
            connection.send(*item)

    def _confirm(self, connection: Connection) -> None:
        with self._lock:
            # Not before what was published earlier is on the wire.
            receipts = [] if self._queue else list(self._receipts)
            if receipts:
                self._receipts.clear()
        for message in receipts:
            connection.acknowledge(message)

    def _hear(self, event: BrokerEvent) -> None:
        if isinstance(event, Connected):
            with self._lock:
                self._live_generation = event.generation
            _log.info("broker connected", url=self._options.url, session_present=event.is_session_present)
            if event.refused_filters:
                _log.error("broker refused subscriptions", filters=event.refused_filters)
        self._on_event(event)
        if isinstance(event, Connected):
            self._status = ConnectionStatus(True, time.monotonic_ns(), "", "")

    def _end(self, generation: int, exc: BrokerRefused | BrokerUnreachable) -> None:
        """Everything not confirmed is void from here on; say so once."""
        with self._lock:
            was_live = self._live_generation is not None
            self._live_generation = None
            self._queue.clear()
            self._receipts.clear()
            self._new_filters.clear()
        reason = str(exc.facts.get("reason", ""))
        is_refusal = isinstance(exc, BrokerRefused)
        status = self._status
        if was_live or status.reason != reason:
            self._status = ConnectionStatus(False, time.monotonic_ns(), reason, exc.remedy, is_refusal)
            tell = _log.info if self._stop.is_set() else _log.warning
            tell("broker not connected", url=self._options.url, reason=reason, remedy=exc.remedy)
        self._on_event(Disconnected(generation, reason, exc.remedy, is_refusal))

    def _wake(self) -> None:
        with self._lock:
            if self._wake_write.fileno() < 0:
                return
            try:
                self._wake_write.send(b"w")
            except BlockingIOError:
                return  # the thread has wake-ups enough to read
