"""The topic tree wayside/v1/{org}/{site}/{node}/…: built and parsed strictly, never by hand. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from agent.contract.wire import ID_PATTERN
from agent.errors import WireError

ROOT: Final = "wayside/v1"
# The node's own events use this word where a camera's id stands; it is no camera id.
NODE_PLACE: Final = "node"

_IDENTIFIER = re.compile(ID_PATTERN.replace("$", r"\Z"))
_COMMAND_NAME = re.compile(r"[a-z]{1,24}(\.[a-z]{1,24}){0,2}\Z")


class TopicKind(StrEnum):
    STATE = "state"
    INFO = "info"
    HEALTH = "health"
    CAMERA_STATE = "cam/state"
    CAMERA_LIVE = "cam/live"
    CAMERA_TRAFFIC = "cam/traffic"
    ALERT = "alert"
    REPORTED = "reported"
    EVENT = "evt"
    RESPONSE = "rsp"
    DESIRED = "desired"
    COMMAND = "cmd"
    ACK = "ack"


_ALONE = {
    kind.value: kind
    for kind in (
        TopicKind.STATE,
        TopicKind.INFO,
        TopicKind.HEALTH,
        TopicKind.REPORTED,
        TopicKind.DESIRED,
        TopicKind.ACK,
    )
}
_CAMERA = {
    "state": TopicKind.CAMERA_STATE,
    "live": TopicKind.CAMERA_LIVE,
    "traffic": TopicKind.CAMERA_TRAFFIC,
}


def check_identifier(text: str, *, what: str) -> str:
    """`text` itself. Raises WireError when it cannot stand as one word of a topic."""
    if not _IDENTIFIER.match(text):
        raise WireError(what=what, text=text[:64], remedy="ids are 1 to 32 of a-z, 0-9 and -")
    return text


@dataclass(frozen=True, slots=True, order=True)
class NodeAddress:
    """One node and its topics. Raises WireError when made from a word that is no id."""

    org: str
    site: str
    node: str

    def __post_init__(self) -> None:
        check_identifier(self.org, what="org")
        check_identifier(self.site, what="site")
        check_identifier(self.node, what="node")

    @property
    def root(self) -> str:
        return f"{ROOT}/{self.org}/{self.site}/{self.node}"

    @property
    def urn(self) -> str:
        """`source` of its events and `aud` of its commands."""
        return f"urn:wayside:{self.org}:{self.site}:{self.node}"

    @property
    def state(self) -> str:
        return f"{self.root}/state"

    @property
    def info(self) -> str:
        return f"{self.root}/info"

    @property
    def health(self) -> str:
        return f"{self.root}/health"

    @property
    def reported(self) -> str:
        return f"{self.root}/reported"

    @property
    def desired(self) -> str:
        return f"{self.root}/desired"

    @property
    def ack(self) -> str:
        return f"{self.root}/ack"

    @property
    def commands(self) -> str:
        """The filter a node subscribes to."""
        return f"{self.root}/cmd/#"

    def camera_state(self, camera: str) -> str:
        return f"{self.root}/cam/{check_identifier(camera, what='camera')}/state"

    def camera_live(self, camera: str) -> str:
        return f"{self.root}/cam/{check_identifier(camera, what='camera')}/live"

    def camera_traffic(self, camera: str) -> str:
        return f"{self.root}/cam/{check_identifier(camera, what='camera')}/traffic"

    def alert(self, alert: str) -> str:
        return f"{self.root}/alert/{check_identifier(alert, what='alert')}"

    def event(self, place: str, word: str) -> str:
        """`place`: a camera's id or NODE_PLACE; `word`: the second word of the CloudEvents type."""
        return f"{self.root}/evt/{check_identifier(place, what='place')}/{check_identifier(word, what='type')}"

    def response(self, requester: str) -> str:
        return f"{self.root}/rsp/{check_identifier(requester, what='requester')}"

    def command(self, name: str) -> str:
        if not _COMMAND_NAME.match(name):
            raise WireError(what="command", text=name[:64])
        return f"{self.root}/cmd/{name}"


@dataclass(frozen=True, slots=True)
class ParsedTopic:
    """`camera` is set for cam/…, and for evt/… unless the event is the node's own; `name` is the last word of
    alert/…, evt/…, rsp/… and cmd/… . Both are empty otherwise."""

    address: NodeAddress
    kind: TopicKind
    camera: str = ""
    name: str = ""


def parse_topic(topic: str) -> ParsedTopic:
    """Raises WireError for every topic that none of the builders above would make."""
    words = topic.split("/")
    if len(words) < 6 or "/".join(words[:2]) != ROOT:
        raise WireError(what="topic", text=topic[:200])
    address = NodeAddress(*words[2:5])
    match words[5:]:
        case [alone] if alone in _ALONE:
            return ParsedTopic(address, _ALONE[alone])
        case ["cam", camera, leaf] if leaf in _CAMERA:
            return ParsedTopic(address, _CAMERA[leaf], camera=check_identifier(camera, what="camera"))
        case ["evt", place, word]:
            camera = "" if place == NODE_PLACE else check_identifier(place, what="place")
            return ParsedTopic(address, TopicKind.EVENT, camera=camera, name=check_identifier(word, what="type"))
        case ["alert", alert]:
            return ParsedTopic(address, TopicKind.ALERT, name=check_identifier(alert, what="alert"))
        case ["rsp", requester]:
            return ParsedTopic(address, TopicKind.RESPONSE, name=check_identifier(requester, what="requester"))
        case ["cmd", name] if _COMMAND_NAME.match(name):
            return ParsedTopic(address, TopicKind.COMMAND, name=name)
    raise WireError(what="topic", text=topic[:200])


@dataclass(frozen=True, slots=True)
class FleetFilter:
    """Subscription filters over many nodes; an empty word means every one. For the centre."""

    org: str = ""
    site: str = ""
    node: str = ""

    def of(self, tail: str) -> str:
        """`tail` such as "state", "evt/#" or "cam/+/state"."""
        words = [(self.org, "org"), (self.site, "site"), (self.node, "node")]
        head = [check_identifier(word, what=what) if word else "+" for word, what in words]
        return "/".join([ROOT, *head, tail])
