"""The centre's ear: hears every node, stores, and only then confirms: to the broker by PUBACK, to the node by `ack`.

Killed at any moment it loses nothing: what was not stored had no PUBACK, so the broker sends it again, and no ack, so
the node still has it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from agent import log
from agent.centre.eventstore import EventStore, Kept
from agent.centre.intake import Arrival, read_message
from agent.contract.states import Ack
from agent.contract.topics import FleetFilter, NodeAddress
from agent.contract.wire import encode
from agent.errors import MessagingError, StoreError
from agent.mailbox import Mailbox
from agent.messaging.broker import BrokerEvent, BrokerOptions, Connected, Message, Publication, parse_url
from agent.messaging.client import BrokerClient
from agent.messaging.refusals import tls_context
from agent.stage import Backoff, Stage

# Events first: what is told of them should not wait for a province's retained facts.
_HEARS: Final = (
    *("evt/#", "cmd/+", "rsp/+", "state", "info", "health"),
    *("reported", "alert/#", "cam/+/state", "cam/+/traffic", "ack"),
)
# mosquitto sends a whole backlog at once. Beyond this the connection is ended and the rest comes again.
_INBOX_ITEMS: Final = 200_000
_INBOX_BYTES: Final = 256 * 2**20
# One transaction: large enough that its fsync is shared, small enough that an ack is not long in coming.
_BATCH_ITEMS: Final = 500
_TICK_S: Final = 0.5
# A full disk is cleared by people; looking every few seconds is soon enough.
_BACKOFF: Final = Backoff(initial_s=0.5, max_s=5.0)
# Back before the nodes: what reaches a broker that knows no subscriber is lost there, and comes again by doubt only.
_BROKER_BACKOFF: Final = Backoff(initial_s=0.2, max_s=1.0)
# A week: a centre's broker may keep what came while this program was down for repair.
_SESSION_EXPIRY_S: Final = 7 * 86_400

_log = log.get("collector")


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorOptions:
    """`client_id` names the broker's session for this centre, so it must not change from start to start."""

    url: str
    folder: Path
    client_id: str
    ca: str = ""
    certificate: str = ""
    key: str = ""
    protocol: Literal["5", "3.1.1"] = "5"


class Collector:
    """Runs from `start` to `close`, in two threads. `on_kept` hears each stored batch on the storing thread: hand it
    on and return."""

    def __init__(self, options: CollectorOptions, on_kept: Callable[[Kept], None]) -> None:
        self._folder = options.folder
        self._on_kept = on_kept
        self._inbox: Mailbox[Message] = Mailbox(_INBOX_ITEMS, _INBOX_BYTES)
        self._stop = threading.Event()
        self._are_acks_due = threading.Event()
        self._pending: list[Message] = []
        self._trouble = ""
        self._stage = Stage("collector", self._run_once, stop=self._stop, backoff=_BACKOFF, on_failure=self._fail)
        self._options = BrokerOptions(
            url=options.url,
            client_id=options.client_id,
            ca=options.ca,
            certificate=options.certificate,
            key=options.key,
            protocol=options.protocol,
            session_expiry_s=_SESSION_EXPIRY_S,
            subscriptions=tuple(FleetFilter().of(tail) for tail in _HEARS),
            is_manual_ack=True,
        )
        self._broker = BrokerClient(self._options, self._hear, name="collector-broker", backoff=_BROKER_BACKOFF)

    def start(self) -> None:
        """The broker may be away. Raises StoreError when nothing can be stored to begin with, ConfigError and
        BrokerRefused when the broker could never be reached like this."""
        if parse_url(self._options.url).is_tls:
            tls_context(self._options)
        EventStore(self._folder).close()
        self._stage.start()
        self._broker.start()

    def close(self) -> None:
        """Ends within seconds. What was heard and not stored is the broker's again."""
        self._stop.set()
        self._inbox.close()
        self._stage.join()
        self._broker.close()

    @property
    def is_connected(self) -> bool:
        """Safe from any thread."""
        return self._broker.status.is_connected

    @property
    def trouble(self) -> str:
        """Why nothing can be stored now; empty while all is well. Safe from any thread."""
        return self._trouble

    def _hear(self, event: BrokerEvent) -> None:
        """On the broker's thread."""
        if isinstance(event, Connected):
            self._are_acks_due.set()
        elif isinstance(event, Message) and not self._inbox.put(event, len(event.payload)) and not self._stop.is_set():
            # Ends the connection; without PUBACKs all of it comes again.
            raise MessagingError(remedy="the store does not keep up with the broker", waiting=self._inbox.depth)

    def _run_once(self) -> None:
        """One life of a store: after a failure a fresh one knows what the disk knows."""
        store = EventStore(self._folder)
        try:
            while not self._stop.is_set():
                self._work(store)
        finally:
            store.close()

    def _work(self, store: EventStore) -> None:
        if not self._pending:
            self._pending = self._inbox.take_all(_TICK_S)
        if self._are_acks_due.is_set():
            # A kill between commit and ack, or a broker that lost its memory: say the newest word again.
            self._are_acks_due.clear()
            self._say(store.acks())
        while self._pending and not self._stop.is_set():
            batch = self._pending[:_BATCH_ITEMS]
            kept = store.keep(_arrivals(batch), time.time_ns())
            self._trouble = ""
            del self._pending[: len(batch)]
            self._say(kept.acks)
            self._broker.acknowledge(batch)
            self._report(kept)

    def _report(self, kept: Kept) -> None:
        for misfit in kept.misfits:
            _log.warning(
                "message set aside", topic=misfit.topic[:200], reason=misfit.reason, detail=misfit.detail[:200]
            )
        self._on_kept(kept)

    def _say(self, acks: Sequence[tuple[NodeAddress, Ack]]) -> None:
        """One that does not leave is said again with the next event, or at the next connection."""
        for address, ack in acks:
            self._broker.publish(Publication(address.ack, encode(ack), is_retained=True))

    def _fail(self, failure: Exception) -> None:
        """Nothing was confirmed, and the batch waits."""
        self._trouble = str(failure)
        if isinstance(failure, StoreError):
            _log.error("events cannot be stored", problem=str(failure), waiting=len(self._pending))


def _arrivals(batch: Sequence[Message]) -> list[Arrival]:
    read = [read_message(message.topic, message.payload, is_retained=message.is_retained) for message in batch]
    return [arrival for arrival in read if arrival is not None]
