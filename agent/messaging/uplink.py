"""The node's line to its centre, as a thread that others nudge.

It owns the outbox's second connection to the store; what it says and hears is agent.messaging.conversation's business.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Final

from agent.contract.events import Lane
from agent.contract.states import Presence
from agent.errors import MessagingError
from agent.mailbox import Mailbox
from agent.messaging import outbox
from agent.messaging.alarm import Alarm
from agent.messaging.broker import BrokerEvent, BrokerOptions, Message, Publication, Will
from agent.messaging.client import BrokerClient, ConnectionStatus
from agent.messaging.conversation import WILL_DELAY_S, Conversation, NodeSide, Session, UplinkOptions, node_state
from agent.stage import Stage
from agent.units import NS_PER_S

__all__ = ["NodeSide", "Uplink", "UplinkOptions"]

# Broker events that wait while the store is busy. Confirmations are bounded by the window, so this bounds messages.
_INBOX_ITEMS: Final = 20_000
_INBOX_BYTES: Final = 32 << 20
_TICK_S: Final = 0.5


class _Nudge(Enum):
    """Other threads' requests without content."""

    NEWS = 1
    FACTS = 2
    PAPERS = 3
    DESIRED = 4


@dataclass(frozen=True, slots=True)
class _Respond:
    requester: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class _Republish:
    lane: Lane
    first: int


@dataclass(frozen=True, slots=True)
class _Show:
    camera: str
    jpeg: bytes


_Item = BrokerEvent | _Nudge | _Respond | _Republish | _Show | Alarm


def line_options(options: UplinkOptions, node: NodeSide, session: Session) -> BrokerOptions:
    """How a node comes to its broker, and what the broker says when it goes without a word."""
    address, broker = options.origin.address, options.broker

    def will(generation: int) -> Will:
        lost = node_state(Presence.LOST, session, generation, node.moment().wall_ns)
        return Will(Publication(address.state, lost, is_retained=True), delay_s=WILL_DELAY_S)

    return BrokerOptions(
        url=broker.url,
        client_id=address.node,
        ca=broker.ca,
        certificate=broker.certificate,
        key=broker.key,
        protocol=broker.protocol,
        connect_spread_s=broker.connect_spread_s,
        subscriptions=(address.commands, address.ack, address.desired),
        will=will,
    )


class Uplink:
    """`start` once, `stop` once; everything else may be called from any thread and never blocks."""

    def __init__(self, options: UplinkOptions, node: NodeSide) -> None:
        self._options = options
        self._node = node
        self._inbox: Mailbox[_Item] = Mailbox(_INBOX_ITEMS, _INBOX_BYTES)
        self._todo: deque[_Item] = deque()
        self._stop = threading.Event()
        self._stop_by_ns: int | None = None
        self._stage = Stage("uplink", self.run_once, stop=self._stop)
        self._conn: sqlite3.Connection | None = None
        self._client: BrokerClient | None = None
        self._talk: Conversation | None = None
        self._never = ConnectionStatus(is_connected=False, since_mono_ns=time.monotonic_ns())

    def start(self) -> None:
        self._stage.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Say `draining`, send what there is for at most `timeout_s`, say `offline`, disconnect and end the thread."""
        self._stop_by_ns = time.monotonic_ns() + int(timeout_s * NS_PER_S)
        self.wake()
        # The broker's thread needs up to 25 s more to give up an attempt in progress.
        if not self._stage.join(timeout_s + 30.0):
            raise MessagingError(remedy="the uplink's thread does not end", stage=self._stage.name)

    @property
    def status(self) -> ConnectionStatus:
        """How the connection is."""
        return self._never if self._client is None else self._client.status

    def wake(self) -> None:
        """The outbox has news."""
        self._inbox.put(_Nudge.NEWS)

    def facts_changed(self) -> None:
        """Facts differ from what they were: ask for them and say what is new."""
        self._inbox.put(_Nudge.FACTS)

    def papers_changed(self) -> None:
        """The node has another certificate: connect with it."""
        self._inbox.put(_Nudge.PAPERS)

    def ask_again(self) -> None:
        """The broker is to send the `desired` document again."""
        self._inbox.put(_Nudge.DESIRED)

    def alarm(self, alarm: Alarm) -> None:
        """Something beside the connection is wrong, or is well again: the node hears it where it hears the rest."""
        self._inbox.put(alarm)

    def respond(self, requester: str, payload: bytes) -> bool:
        """Send an answer now or when there is a connection, within the hour. False: too much waits already."""
        return self._inbox.put(_Respond(requester, payload), len(payload))

    def show(self, camera: str, jpeg: bytes) -> bool:
        """A live picture, now or never. False: too much waits already."""
        return self._inbox.put(_Show(camera, jpeg), len(jpeg))

    def republish(self, lane: Lane, first: int) -> bool:
        """Send again what is still kept of `lane` from this sequence on."""
        return self._inbox.put(_Republish(lane, first))

    def run_once(self) -> None:
        """One round: hear what came, then say what is due. Stage calls it again at once."""
        talk = self._talk or self._begin()
        self._todo.extend(self._inbox.take_all(_TICK_S))
        while self._todo:
            # Taken out first: one that fails is logged by Stage and must not come again.
            self._apply(talk, self._todo.popleft())
        talk.speak()
        if self._stop_by_ns is not None:
            talk.say_state(Presence.DRAINING)
            if not talk.is_live or talk.is_empty or time.monotonic_ns() >= self._stop_by_ns:
                self._finish(talk)

    def _begin(self) -> Conversation:
        if self._stop_by_ns is not None:
            # Stopped before the store could be opened.
            self._stop.set()
        conn = self._conn = self._conn or self._options.open_store()
        starts = outbox.prepare(conn)
        session = Session(outbox.status(conn).epoch, starts)
        options = line_options(self._options, self._node, session)
        self._client = BrokerClient(options, self._put_event)
        self._talk = Conversation(self._options, self._node, conn=conn, session=session, client=self._client)
        self._client.start()
        return self._talk

    def _put_event(self, event: BrokerEvent) -> None:
        """On the broker's thread."""
        size_bytes = len(event.payload) if isinstance(event, Message) else 0
        if not self._inbox.put(event, size_bytes):
            # Ends the connection; after the next one all that was not confirmed is sent again.
            raise MessagingError(remedy="the uplink does not keep up", waiting=self._inbox.depth)

    def _apply(self, talk: Conversation, item: _Item) -> None:
        match item:
            case _Respond():
                talk.respond(item.requester, item.payload)
            case _Show():
                talk.show(item.camera, item.jpeg)
            case _Republish():
                talk.republish(item.lane, item.first)
            case _Nudge.FACTS:
                talk.facts_changed()
            case Alarm():
                self._node.on_alarm(item)
            case _Nudge.PAPERS:
                if self._client is not None:
                    self._client.reconnect()
            case _Nudge.DESIRED:
                if self._client is not None:
                    self._client.ask_again(self._options.origin.address.desired)
            case _Nudge.NEWS:
                pass
            case _:
                talk.hear(item)

    def _finish(self, talk: Conversation) -> None:
        """Last words. The thread ends here whatever happens: what was not written down is only sent again."""
        self._stop.set()
        talk.say_state(Presence.OFFLINE)
        if self._client is not None:
            self._client.close(2.0)
        for item in self._inbox.take_all(0.0):
            self._apply(talk, item)
        talk.speak()
        if self._conn is not None:
            self._conn.close()
