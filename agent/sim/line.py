"""A broker line without a thread of its own: a loop of many says when it may go on.

It follows the rules of agent.messaging.client.BrokerClient (where to wait, what a short life is, what is void) over the
same Connection; only who waits differs.
"""

from __future__ import annotations

import random
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from agent.errors import BrokerRefused, BrokerUnreachable
from agent.messaging.broker import BrokerEvent, BrokerOptions, Connected, Disconnected, Publication
from agent.messaging.client import SHORT_LIFE_S, loses_place, retry_backoff
from agent.messaging.connection import Connection
from agent.units import NS_PER_S

# Between looks at a connection that is quiet: keepalive, answers that stay away.
_LOOK_S: Final = 5.0
_LOOK_OPENING_S: Final = 1.0


class FleetLine:
    """One node's. Everything on the loop's thread. `due_ns`: when `work` is to be called although nothing was heard."""

    def __init__(self, options: BrokerOptions, hear: Callable[[BrokerEvent], None], wake: socket.socket) -> None:
        """`wake` is never readable: nobody calls from other threads here."""
        self._options = options
        self._hear_event = hear
        self._wake = wake
        self._backoff = retry_backoff(options.connect_spread_s)
        self._failures = 0
        self._connection: Connection | None = None
        self._generation = 0
        self._token = 0
        self._began_ns = 0
        self._queue: deque[tuple[int, Publication]] = deque()
        self.due_ns = 0

    def set_out(self) -> None:
        """Draw a place in the fleet, from now on."""
        self.due_ns = time.monotonic_ns() + self._place_ns()

    @property
    def is_live(self) -> bool:
        return self._connection is not None and self._connection.is_live

    def fileno(self) -> int | None:
        """None while there is no socket to wait for."""
        return None if self._connection is None else self._connection.fileno()

    def publish(self, publication: Publication, *, generation: int | None = None) -> int | None:
        """As BrokerClient.publish; it leaves with the next `work`."""
        if not self.is_live or generation not in (None, self._generation):
            return None
        self._token += 1
        self._queue.append((self._token, publication))
        return self._token

    def work(self) -> None:
        """Connect, read, write, whatever is possible now, without waiting."""
        try:
            if self._connection is None:
                self._begin()
            else:
                if not self._connection.is_live:
                    # What paho says within a callback, SUBSCRIBE after CONNACK, leaves with the next look only.
                    self._connection.pump(0.0)
                self._connection.pump(0.0)
                self._flush()
                self.due_ns = time.monotonic_ns() + int((_LOOK_S if self.is_live else _LOOK_OPENING_S) * NS_PER_S)
        except (BrokerRefused, BrokerUnreachable) as exc:
            self._end(exc)

    def flush(self) -> None:
        """What was published goes onto the wire, as far as the receive maximum allows."""
        try:
            self._flush()
        except BrokerUnreachable as exc:
            self._end(exc)

    def _flush(self) -> None:
        connection = self._connection
        if connection is None or not connection.is_live or not self._queue:
            return
        with connection.batch():
            while self._queue and connection.room > 0:
                connection.send(*self._queue.popleft())

    def close(self) -> None:
        """Say DISCONNECT, so that no will is sent."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _begin(self) -> None:
        self._generation += 1
        self._began_ns = time.monotonic_ns()
        self._connection = Connection(self._options, self._generation, self._hear, filters=self._options.subscriptions)
        self._connection.begin(self._wake)
        self.due_ns = time.monotonic_ns() + int(_LOOK_OPENING_S * NS_PER_S)

    def _hear(self, event: BrokerEvent) -> None:
        self._hear_event(event)
        if isinstance(event, Connected):
            self._failures = 0

    def _end(self, exc: BrokerRefused | BrokerUnreachable) -> None:
        was_live = self.is_live
        if self._connection is not None:
            self._connection.abandon()
            self._connection = None
        self._queue.clear()
        now_ns = time.monotonic_ns()
        lasted_s = (now_ns - self._began_ns) / NS_PER_S
        reason = str(exc.facts.get("reason", ""))
        is_drawn = self._options.connect_spread_s > 0 and loses_place(reason, was_live=was_live)
        if lasted_s < SHORT_LIFE_S and not is_drawn:
            self._failures = self._backoff.count(self._failures, lasted_s)
            wait_ns = int(self._backoff.delay_s(self._failures, random.random()) * NS_PER_S)  # noqa: S311
        else:
            wait_ns = self._place_ns()
        self.due_ns = now_ns + wait_ns
        self._hear_event(Disconnected(self._generation, reason, exc.remedy, isinstance(exc, BrokerRefused)))

    def _place_ns(self) -> int:
        return int(random.uniform(0.0, self._options.connect_spread_s) * NS_PER_S)  # noqa: S311 - spreads load
