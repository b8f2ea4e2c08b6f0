"""What a message of the fleet is to the store: an event, a fact, a request, or a misfit to look at. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agent.centre.acks import LAST_SEQUENCE, NumberRange
from agent.centre.asked import AnswerArrival, AskArrival, read_answer, read_ask
from agent.contract.envelope import Envelope, WirePosition, data_of, decode_envelope, event_topic
from agent.contract.events import LANES, Lane, ShedData, type_word
from agent.contract.records import ClipData
from agent.contract.states import Ack, NodeState, Presence
from agent.contract.topics import NodeAddress, ParsedTopic, TopicKind, parse_topic
from agent.contract.wire import MAX_MESSAGE_BYTES, decode, parse_sequence
from agent.errors import WireError

# Facts of which the newest is kept with its instant: whoever shows `health` or traffic says how old they are.
_FACTS: Final = frozenset(
    {
        TopicKind.STATE,
        TopicKind.INFO,
        TopicKind.HEALTH,
        TopicKind.REPORTED,
        TopicKind.ALERT,
        TopicKind.CAMERA_STATE,
        TopicKind.CAMERA_TRAFFIC,
    }
)


@dataclass(frozen=True, slots=True)
class EventArrival:
    """An event as it came. `shed`: the numbers of lane b that this event explains; `clip`: the end of a request."""

    address: NodeAddress
    position: WirePosition
    envelope: Envelope
    payload: bytes
    shed: NumberRange | None = None
    clip: ClipData | None = None


@dataclass(frozen=True, slots=True)
class FactArrival:
    """A retained fact; an empty payload ends it. `epoch`: the node's own word on its epoch, empty when it said none."""

    address: NodeAddress
    topic: str
    payload: bytes
    epoch: str = ""


@dataclass(frozen=True, slots=True)
class Misfit:
    """What cannot be stored as what it pretends to be. It is kept aside: asking for it again would bring the same."""

    topic: str
    payload: bytes
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class AckArrival:
    """The ack that stood on the broker when this centre connected: of this store, or of one that came before it."""

    address: NodeAddress
    epoch: str
    up_to: int


Arrival = EventArrival | FactArrival | AckArrival | AskArrival | AnswerArrival | Misfit


def read_message(topic: str, payload: bytes, *, is_retained: bool = False) -> Arrival | None:
    """None for what is not the store's business; an ack that is not retained is the echo of this centre's own."""
    try:
        parsed = parse_topic(topic)
        if parsed.kind is TopicKind.EVENT:
            return _event(parsed, topic, payload)
        if parsed.kind is TopicKind.ACK:
            return _ack(parsed.address, payload) if is_retained and payload else None
        if parsed.kind is TopicKind.COMMAND:
            # A retained command is refused by every node: nobody asked anything now.
            return None if is_retained else read_ask(parsed, payload)
        if parsed.kind is TopicKind.RESPONSE:
            return None if is_retained else read_answer(parsed, payload)
        return _fact(parsed, topic, payload) if parsed.kind in _FACTS else None
    except WireError as exc:
        return Misfit(topic, payload[:MAX_MESSAGE_BYTES], "not_understood", str(exc))


def _event(parsed: ParsedTopic, topic: str, payload: bytes) -> EventArrival:
    if len(payload) > MAX_MESSAGE_BYTES:
        raise WireError(what="event", bytes=len(payload))
    envelope = decode_envelope(payload)
    # The broker's access list binds a node to its topics; so its events must say the same of where they come from.
    if envelope.source != parsed.address.urn or event_topic(parsed.address, envelope) != topic:
        raise WireError(what="event", detail="source or subject is not that of its topic", source=envelope.source)
    position = _position(envelope)
    return EventArrival(parsed.address, position, envelope, payload, _shed(envelope), _clip(envelope))


def _position(envelope: Envelope) -> WirePosition:
    """As agent.contract.envelope.position_of, but a type that is newer than this centre may travel in either lane."""
    if envelope.lane is None or envelope.epoch is None or envelope.sequence is None:
        raise WireError(what="envelope", detail="lane, epoch and sequence are required on the wire")
    if LANES.get(type_word(envelope.type), envelope.lane) is not envelope.lane:
        raise WireError(what="envelope", detail="this type travels in the other lane", type=envelope.type)
    sequence = parse_sequence(envelope.sequence)
    if not 1 <= sequence <= LAST_SEQUENCE:
        raise WireError(what="sequence", detail="out of range")
    return WirePosition(envelope.epoch, envelope.lane, sequence)


def _shed(envelope: Envelope) -> NumberRange | None:
    if type_word(envelope.type) != "shed" or envelope.lane is not Lane.A:
        return None
    data = data_of(envelope)
    if not isinstance(data, ShedData):
        return None
    first, last = parse_sequence(data.first), parse_sequence(data.last)
    return NumberRange(first, last) if 1 <= first <= last <= LAST_SEQUENCE else None


def _clip(envelope: Envelope) -> ClipData | None:
    """A node newer than this centre may say more or other of a clip: the event is stored all the same."""
    if type_word(envelope.type) != "clip":
        return None
    try:
        data = data_of(envelope)
    except WireError:
        return None
    return data if isinstance(data, ClipData) else None


def _ack(address: NodeAddress, payload: bytes) -> AckArrival:
    ack = decode(payload, Ack)
    return AckArrival(address, ack.epoch, min(parse_sequence(ack.a), LAST_SEQUENCE))


def _fact(parsed: ParsedTopic, topic: str, payload: bytes) -> FactArrival:
    if len(payload) > MAX_MESSAGE_BYTES:
        raise WireError(what="fact", bytes=len(payload))
    epoch = ""
    if parsed.kind is TopicKind.STATE and payload:
        state = decode(payload, NodeState)
        # A will is written before its connection and may be said long after the next one began.
        epoch = "" if state.state is Presence.LOST else state.epoch
    return FactArrival(parsed.address, topic, payload, epoch)
