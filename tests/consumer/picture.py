"""What a stranger's centre knows of a fleet, folded from docs/asyncapi.yaml and docs/centre.md alone.

Nothing here or beside it may import the agent: test_consumer.py sees to it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from tests.consumer.book import Book

Fact = dict[str, object]


@dataclass(frozen=True, slots=True)
class Saying:
    """What this centre has to publish, retained."""

    topic: str
    payload: bytes


@dataclass(slots=True)
class Node:
    """`online` is the newest session's own word; `state` is what is believed."""

    online: Fact = field(default_factory=dict)
    state: Fact = field(default_factory=dict)
    info: Fact = field(default_factory=dict)
    health: Fact = field(default_factory=dict)
    cameras: dict[str, Fact] = field(default_factory=dict)
    alerts: dict[str, Fact] = field(default_factory=dict)
    wills_ignored: int = 0


class Picture:
    """Folds messages of one connection; the events lie in the book, so they outlive this process."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._nodes: dict[str, Node] = {}
        self.is_connected = False
        self.misfits: list[str] = []

    def fold(self, topic: str, payload: bytes) -> Saying | None:
        """Take one message in; returns the ack that is due for it."""
        words = topic.split("/")
        root, rest = "/".join(words[2:5]), words[5:]
        try:
            if rest[0] == "evt":
                return self._event(root, json.loads(payload))
            self._fact(self._nodes.setdefault(root, Node()), rest, json.loads(payload) if payload else {})
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            self.misfits.append(f"{topic}: {problem!r}")
        return None

    def _event(self, root: str, event: Fact) -> Saying | None:
        place = (root, str(event["epoch"]), str(event["lane"]))
        self._book.store(str(event["id"]), place, int(str(event["sequence"])), event)
        whole = self._book.whole(place)
        if event["lane"] != "a" or whole == 0:
            return None
        ack = {"epoch": event["epoch"], "a": f"{whole:020d}"}
        return Saying(f"wayside/v1/{root}/ack", json.dumps(ack).encode())

    def _fact(self, node: Node, rest: list[str], fact: Fact) -> None:
        match rest:
            case ["state"]:
                self._state(node, fact)
            case ["info"]:
                node.info = fact
            case ["health"]:
                node.health = fact
            case ["cam", camera, "state"]:
                _put(node.cameras, camera, fact)
            case ["alert", alert]:
                _put(node.alerts, alert, fact)

    def _state(self, node: Node, fact: Fact) -> None:
        if fact["state"] == "online":
            node.online = fact
        elif fact["state"] == "lost" and node.online:
            is_of_now = fact["epoch"] == node.online["epoch"]
            if not is_of_now or int(str(fact["session"])) < int(str(node.online["session"])):
                node.wills_ignored += 1
                return
        node.state = fact

    def told(self) -> Fact:
        """The whole picture, for a wall of screens."""
        replaced = {
            f"{root.rpartition('/')[0]}/{node.info['replaces']}": root
            for root, node in self._nodes.items()
            if node.info.get("replaces")
        }
        return {
            "connected": self.is_connected,
            "misfits": self.misfits,
            "nodes": {root: self._told(node, replaced.get(root)) for root, node in self._nodes.items()},
            "sites": {root.rpartition("/")[0]: root.rpartition("/")[2] for root in self._nodes if root not in replaced},
            "lanes": self._book.lanes(),
        }

    def _told(self, node: Node, successor: str | None) -> Fact:
        presence = node.state.get("state", "unknown") if self.is_connected else "unknown"
        return {
            "presence": "retired" if successor else presence,
            "epoch": node.state.get("epoch"),
            "session": node.state.get("session"),
            "replaces": node.info.get("replaces"),
            "commands": node.info.get("commands", []),
            "waiting": node.health.get("outbox"),
            "alerts": sorted(node.alerts),
            "alarm": successor is None and presence == "lost",
        }


def _put(facts: dict[str, Fact], name: str, fact: Fact) -> None:
    if fact:
        facts[name] = fact
    else:
        facts.pop(name, None)
