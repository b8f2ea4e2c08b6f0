"""The CloudEvents 1.0 envelope, structured mode, of the wire and of `analyse`. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Final, Literal

import msgspec

from agent.contract.events import EventData, Lane, decode_data, lane_of, type_word
from agent.contract.topics import NODE_PLACE, NodeAddress, check_identifier
from agent.contract.wire import Instant, Sequence, Up, Uuid7, decode, encode, format_sequence, parse_sequence
from agent.errors import WireError
from agent.units import format_rfc3339

# What `analyse` prints comes from no node.
ANALYSE_SOURCE: Final = "urn:wayside:local:local:analyse"

Monons = Annotated[str, msgspec.Meta(pattern=r"^\d{1,20}$")]


class Envelope(Up, frozen=True, kw_only=True):
    """One event. On the wire every field is there; `analyse` leaves out the six that only a node can fill.

    `time` is when the event was made, by a clock of quality `clockq`; it never orders events, `lane` and `sequence`
    within `epoch` do. `monons` counts since the boot named by `bootid`. `data` stays JSON until `data_of`.
    """

    specversion: Literal["1.0"]
    id: Uuid7
    source: Annotated[str, msgspec.Meta(pattern=r"^urn:wayside:[a-z0-9-]{1,32}:[a-z0-9-]{1,32}:[a-z0-9-]{1,32}$")]
    type: Annotated[str, msgspec.Meta(pattern=r"^wayside(\.[a-z]+){1,2}\.v[0-9]+$")]
    subject: Annotated[str, msgspec.Meta(pattern=r"^(node|cam/[a-z0-9-]{1,32})$")]
    time: Instant
    datacontenttype: Literal["application/json"]
    dataschema: str
    lane: Lane | None = None
    epoch: Uuid7 | None = None
    sequence: Sequence | None = None
    bootid: str | None = None
    monons: Monons | None = None
    clockq: Literal["synced", "holdover", "unsynced"] | None = None
    data: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Stamp:
    """What only a node can say: where the event stands in its lane and by which clocks it was made."""

    lane: Lane
    epoch: str
    sequence: int
    boot_id: str
    mono_ns: int
    clock_quality: Literal["synced", "holdover", "unsynced"]


@dataclass(frozen=True, slots=True)
class WirePosition:
    """Where an event of the wire stands; within one source and epoch each lane counts 1, 2, 3 … without a hole."""

    epoch: str
    lane: Lane
    sequence: int


def camera_subject(camera: str) -> str:
    """`subject` of a camera's events; the node's own use NODE_PLACE itself."""
    return f"cam/{check_identifier(camera, what='camera')}"


def place_of(subject: str) -> str:
    """The word of the topic for a subject: the camera's id or NODE_PLACE."""
    return NODE_PLACE if subject == NODE_PLACE else subject.removeprefix("cam/")


def make_envelope(
    event_type: str,
    data: EventData | msgspec.Raw,
    *,
    id: str,
    source: str,
    subject: str,
    wall_ns: int,
    stamp: Stamp | None,
) -> Envelope:
    """An envelope around `data`; without a stamp it is one that `analyse` prints."""
    raw = data if isinstance(data, msgspec.Raw) else msgspec.Raw(encode(data))
    return Envelope(
        specversion="1.0",
        id=id,
        source=source,
        type=event_type,
        subject=subject,
        time=format_rfc3339(wall_ns),
        datacontenttype="application/json",
        dataschema=_schema(event_type),
        lane=stamp.lane if stamp else None,
        epoch=stamp.epoch if stamp else None,
        sequence=format_sequence(stamp.sequence) if stamp else None,
        bootid=stamp.boot_id if stamp else None,
        monons=str(stamp.mono_ns) if stamp else None,
        clockq=stamp.clock_quality if stamp else None,
        data=raw,
    )


@lru_cache(maxsize=64)
def _schema(event_type: str) -> str:
    return f"urn:wayside:schema:{type_word(event_type)}"


def decode_envelope(payload: bytes) -> Envelope:
    """Raises WireError for anything but a CloudEvent of ours."""
    return decode(payload, Envelope)


def data_of(envelope: Envelope) -> EventData:
    """The event's data in its own type. Raises WireError."""
    return decode_data(envelope.type, envelope.data)


def position_of(envelope: Envelope) -> WirePosition:
    """Raises WireError when the event is not one of the wire, or travels in a lane that is not its type's."""
    if envelope.lane is None or envelope.epoch is None or envelope.sequence is None:
        raise WireError(what="envelope", detail="lane, epoch and sequence are required on the wire")
    if lane_of(envelope.type) is not envelope.lane:
        raise WireError(what="envelope", detail="this type travels in the other lane", type=envelope.type)
    return WirePosition(envelope.epoch, envelope.lane, parse_sequence(envelope.sequence))


def event_topic(address: NodeAddress, envelope: Envelope) -> str:
    """The topic on which this node sends this event."""
    return _event_topic(address, envelope.subject, envelope.type)


# A node has a few dozen: a camera's types.
@lru_cache(maxsize=512)
def _event_topic(address: NodeAddress, subject: str, event_type: str) -> str:
    return address.event(place_of(subject), type_word(event_type))
