"""Every message of the contract by its name, and every topic it travels on. The documents are made of this. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from agent.contract.commands import ANSWER_EXPIRY_S, COMMAND_EXPIRY_MAX_S, Answer, CommandPayload, Jws, JwsHeader
from agent.contract.envelope import Envelope
from agent.contract.events import DATA_TYPES, LANES, IncidentKind, type_word
from agent.contract.requests import ARGS_TYPES, RESULT_TYPES
from agent.contract.states import Ack, Alert, CameraState, Desired, Health, Info, NodeState, Reported, TrafficState
from agent.contract.topics import TopicKind
from agent.contract.wire import Down

HEALTH_EXPIRY_S: Final = 180
# A picture that waited longer shows nothing that is now.
LIVE_EXPIRY_S: Final = 10
# Words of these may come to be without a new version; a consumer shows one it does not know by its reason (ADR 36).
OPEN_WORDS: Final[tuple[type[StrEnum], ...]] = (IncidentKind,)


class Way(StrEnum):
    """From node to centre, or from centre to node."""

    UP = "up"
    DOWN = "down"


KINDS: Final[dict[str, type[msgspec.Struct]]] = {
    **DATA_TYPES,
    "envelope": Envelope,
    "state": NodeState,
    "info": Info,
    "health": Health,
    "cam.state": CameraState,
    "cam.traffic": TrafficState,
    "alert": Alert,
    "reported": Reported,
    "ack": Ack,
    "desired": Desired,
    "command": CommandPayload,
    "jws": Jws,
    "jws.header": JwsHeader,
    "answer": Answer,
    **{f"{name.value}.args": kind for name, kind in ARGS_TYPES.items()},
    **{f"{name.value}.result": kind for name, kind in RESULT_TYPES.items()},
}


def way_of(name: str) -> Way:
    """Which way the message of this name goes. `jws` goes down, and is read as strictly."""
    return Way.DOWN if issubclass(KINDS[name], Down) else Way.UP


@dataclass(frozen=True, slots=True)
class Channel:
    """One branch of the tree under the node's root. `messages` are names of KINDS, "" for a message without a schema
    (a picture); `expiry_s` is MQTT 5's message expiry, None where nothing expires. `can_be_empty`: an empty payload
    clears the retained fact."""

    kind: TopicKind
    tail: str
    way: Way
    qos: int
    is_retained: bool
    messages: tuple[str, ...]
    says: str
    expiry_s: int | None = None
    can_be_empty: bool = False
    is_built: bool = True


EVENTS: Final = tuple(name for name in DATA_TYPES if type_word(name) in LANES)
_UP, _DOWN = Way.UP, Way.DOWN

CHANNELS: Final = (
    Channel(
        TopicKind.STATE,
        "state",
        _UP,
        1,
        True,
        ("state",),
        "Whether the node is there; `lost` is its will.",
    ),
    Channel(TopicKind.INFO, "info", _UP, 1, True, ("info",), "What the node is and which commands it understands."),
    Channel(
        *(TopicKind.HEALTH, "health", _UP, 0, True, ("health",)),
        "How the node is, every 60 s and never queued. What is not known is null or `unknown`.",
        expiry_s=HEALTH_EXPIRY_S,
    ),
    Channel(
        TopicKind.CAMERA_STATE, "cam/{camera}/state", _UP, 1, True, ("cam.state",), "One camera's stream and view."
    ),
    Channel(
        *(TopicKind.CAMERA_LIVE, "cam/{camera}/live", _UP, 0, False, ("",)),
        "A JPEG of at most 30 kB a second, for as long as `live.start` leased it.",
        expiry_s=LIVE_EXPIRY_S,
    ),
    Channel(
        *(TopicKind.CAMERA_TRAFFIC, "cam/{camera}/traffic", _UP, 1, True, ("cam.traffic",)),
        "The roads that a camera sees, every minute and on change. After `expires` every level is `unknown`.",
    ),
    Channel(
        *(TopicKind.ALERT, "alert/{alert}", _UP, 1, True, ("alert",)),
        "One alarm about the node itself, while it lasts; an empty payload ends it.",
        can_be_empty=True,
    ),
    Channel(TopicKind.REPORTED, "reported", _UP, 1, True, ("reported",), "The configuration in force."),
    Channel(
        *(TopicKind.EVENT, "evt/{place}/{word}", _UP, 1, False, EVENTS),
        "What happened, as CloudEvents 1.0 from the outbox. `place` is a camera's id or the word `node`.",
    ),
    Channel(
        *(TopicKind.RESPONSE, "rsp/{requester}", _UP, 1, False, ("answer",)),
        "Progress of a command and its one final answer.",
        expiry_s=ANSWER_EXPIRY_S,
    ),
    Channel(
        *(TopicKind.DESIRED, "desired", _DOWN, 1, True, ("desired",)),
        "The configuration wished for, signed as a command is. `reported` tells what became of it.",
    ),
    Channel(
        *(TopicKind.COMMAND, "cmd/{name}", _DOWN, 1, False, tuple(f"{name.value}.args" for name in ARGS_TYPES)),
        "A signed command. It must never be retained.",
        expiry_s=COMMAND_EXPIRY_MAX_S,
    ),
    Channel(
        *(TopicKind.ACK, "ack", _DOWN, 1, True, ("ack",)),
        "The centre has stored lane a of this epoch up to and including `a`.",
    ),
)
