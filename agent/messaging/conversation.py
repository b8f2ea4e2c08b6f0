"""What a node says to its centre and hears from it, over one broker client. On the uplink's thread alone.

The order of a connection: subscribe, `state` online, `info` and the other facts, health, then the outbox, lane a first.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from agent import log
from agent.config import BrokerConfig
from agent.contract.events import Lane
from agent.contract.states import Ack, Health, NodeState, OutboxHealth, Presence
from agent.contract.topics import TopicKind, parse_topic
from agent.contract.wire import decode, encode
from agent.errors import WireError
from agent.health.beat import Beat
from agent.messaging import outbox
from agent.messaging.alarm import Alarm, AlarmKind
from agent.messaging.answers import Answers
from agent.messaging.broker import BrokerEvent, Confirmed, Connected, Disconnected, Message, Outcome, Publication
from agent.messaging.drain import Drain
from agent.messaging.facts import FactBoard, NodeFacts
from agent.messaging.lanes import Moment, Origin
from agent.units import format_rfc3339

_log = log.get("uplink")

# Contract: health every 60 s, gone after 180 s; `lost` is said 30 s after the connection is.
HEALTH_PERIOD_S: Final = 60.0
HEALTH_EXPIRY_S: Final = 180
LIVE_EXPIRY_S: Final = 10
WILL_DELAY_S: Final = 30
# A connection's number within a start; the start's own number stands above it. A million reconnects are 11 days of one
# each second, and numbers still only rise beyond it.
_CONNECTIONS_PER_START: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class UplinkOptions:
    """`health_period_s` below the contract's 60 s is for the demo and tests."""

    broker: BrokerConfig
    origin: Origin
    open_store: Callable[[], sqlite3.Connection]
    health_period_s: float = HEALTH_PERIOD_S
    health_expiry_s: int = HEALTH_EXPIRY_S


class NodeSide(Protocol):
    """What the uplink asks of the node and tells it, on the uplink's thread: answer at once, hand on, never block."""

    def moment(self) -> Moment:
        """Now. The broker's thread asks as well."""
        ...

    def facts(self) -> NodeFacts: ...

    def health(self, waiting: OutboxHealth) -> Health: ...

    def on_command(self, name: str, payload: bytes, *, is_retained: bool) -> None: ...

    def on_desired(self, payload: bytes) -> None: ...

    def on_alarm(self, alarm: Alarm) -> None: ...


class Line(Protocol):
    """Where what is said leaves: `agent.messaging.client.BrokerClient`, or one of a simulated fleet's."""

    def publish(self, publication: Publication, *, generation: int | None = None) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Session:
    """Numbers the connections: they only rise, for the life of the epoch."""

    epoch: str
    starts: int

    def number(self, generation: int) -> int:
        return self.starts * _CONNECTIONS_PER_START + generation


def node_state(presence: Presence, session: Session, generation: int, wall_ns: int) -> bytes:
    """Payload of `state`."""
    number = session.number(generation)
    return encode(NodeState(state=presence, session=number, epoch=session.epoch, at=format_rfc3339(wall_ns)))


class Conversation:
    """Between connections it goes on hearing requests and writing down what was confirmed."""

    def __init__(
        self,
        options: UplinkOptions,
        node: NodeSide,
        *,
        conn: sqlite3.Connection,
        session: Session,
        client: Line,
    ) -> None:
        self._address = options.origin.address
        self._options = options
        self._node = node
        self._conn = conn
        self._session = session
        self._client = client
        self._drain = Drain(conn, options.origin, publish=self._publish, alarm=node.on_alarm)
        self._live: Connected | None = None
        self._board = FactBoard(self._address)
        self._are_facts_due = False
        self._beat = Beat(options.health_period_s)
        self._answers = Answers()
        self._topics: dict[int, str] = {}
        self._presence: Presence | None = None

    @property
    def is_live(self) -> bool:
        return self._live is not None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left to send and every PUBACK has come."""
        return self._drain.is_empty and self._answers.is_empty

    def hear(self, event: BrokerEvent) -> None:
        """Raises StoreError when the store does not take an ack, and what the node raises."""
        match event:
            case Connected():
                self._connected(event)
            case Disconnected():
                self._disconnected(event)
            case Confirmed():
                self._confirmed(event)
            case Message():
                self._message(event)

    def respond(self, requester: str, payload: bytes) -> None:
        self._answers.add(self._address.response(requester), payload, time.monotonic_ns())

    def show(self, camera: str, jpeg: bytes) -> None:
        """A live picture. Without a connection nobody looks."""
        self._say(Publication(self._address.camera_live(camera), jpeg, qos=0, expiry_s=LIVE_EXPIRY_S))

    def republish(self, lane: Lane, first: int) -> None:
        self._drain.republish(lane, first)

    def facts_changed(self) -> None:
        self._are_facts_due = True

    def speak(self) -> None:
        """Say all that is due, and write down what was confirmed. Raises StoreError; call again later."""
        mono_ns = time.monotonic_ns()
        if self._live is not None:
            self._say_facts()
            if self._beat.is_due(mono_ns):
                self._say_health()
            self._say_answers(mono_ns)
        self._drain.work(self._node.moment())

    def say_state(self, presence: Presence) -> None:
        """Nothing while not connected, and each state once a connection."""
        if self._live is not None and presence is not self._presence:
            self._presence = presence
            payload = node_state(presence, self._session, self._live.generation, self._node.moment().wall_ns)
            self._say(Publication(self._address.state, payload, is_retained=True))

    def _connected(self, event: Connected) -> None:
        self._live = event
        self._topics.clear()
        self._board.forget()
        self._beat.reset()
        self._are_facts_due = True
        self._presence = None
        self.say_state(Presence.ONLINE)
        self._drain.begin(window=event.window, is_session_present=event.is_session_present)
        refused = ", ".join(event.refused_filters)
        self._node.on_alarm(Alarm(AlarmKind.BROKER_REFUSED, is_active=False))
        self._node.on_alarm(Alarm(AlarmKind.PUBLISH_REFUSED, is_active=False))
        self._node.on_alarm(Alarm(AlarmKind.SUBSCRIPTION_REFUSED, is_active=bool(refused), detail=refused))

    def _disconnected(self, event: Disconnected) -> None:
        self._live = None
        self._drain.end()
        self._answers.recall()
        if event.is_refusal:
            detail = f"{event.reason}: {event.remedy}"
            self._node.on_alarm(Alarm(AlarmKind.BROKER_REFUSED, is_active=True, detail=detail))

    def _confirmed(self, event: Confirmed) -> None:
        if self._live is None or event.generation != self._live.generation:
            return
        if self._drain.settle(event, time.monotonic_ns()):
            return
        self._answers.settle(event.token)
        topic = self._topics.pop(event.token, "")
        if event.outcome is not Outcome.DELIVERED:
            self._board.unsay(topic)
            detail = f"{topic}: {event.reason}"
            self._node.on_alarm(Alarm(AlarmKind.PUBLISH_REFUSED, is_active=True, detail=detail))

    def _message(self, message: Message) -> None:
        try:
            topic = parse_topic(message.topic)
            match topic.kind if topic.address == self._address else None:
                case TopicKind.COMMAND:
                    self._node.on_command(topic.name, message.payload, is_retained=message.is_retained)
                case TopicKind.ACK:
                    self._drain.acknowledge(decode(message.payload, Ack), time.monotonic_ns())
                case TopicKind.DESIRED:
                    self._node.on_desired(message.payload)
                case _:
                    raise WireError(what="topic", text=message.topic)
        except WireError as exc:
            _log.warning("message refused", topic=message.topic, problem=str(exc))
            if message.topic == self._address.ack:
                self._node.on_alarm(Alarm(AlarmKind.ACK_REFUSED, is_active=True, detail=str(exc)))

    def _say_facts(self) -> None:
        if self._are_facts_due:
            self._are_facts_due = False
            for publication in self._board.changes(self._node.facts()):
                self._say(publication)

    def _say_health(self) -> None:
        waiting = outbox.waiting(self._conn, self._node.moment().wall_ns)
        payload = encode(self._node.health(waiting))
        self._say(
            Publication(self._address.health, payload, qos=0, is_retained=True, expiry_s=self._options.health_expiry_s)
        )

    def _say_answers(self, mono_ns: int) -> None:
        while (answer := self._answers.next(mono_ns)) is not None:
            token = self._say(answer)
            if token is None:
                return
            self._answers.sent(token)

    def _say(self, publication: Publication) -> int | None:
        token = self._publish(publication)
        if token is not None:
            self._topics[token] = publication.topic
        return token

    def _publish(self, publication: Publication) -> int | None:
        if self._live is None:
            return None
        return self._client.publish(publication, generation=self._live.generation)
