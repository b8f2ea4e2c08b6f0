"""The centre's ear in a test: everything a node says, with when it was heard."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from types import TracebackType

from agent.centre.client import CentreClient, CentreOptions
from agent.centre.lanes import LaneBook
from agent.contract.envelope import Envelope, decode_envelope, position_of
from agent.contract.topics import FleetFilter, NodeAddress, TopicKind, parse_topic
from agent.units import parse_rfc3339
from tests.broker import Broker, wait_until

ADDRESS = NodeAddress("test-org", "test-site", "test-node")


@dataclass(frozen=True, slots=True)
class Heard:
    envelope: Envelope
    heard_wall_ns: int


class Ear:
    """A context; `events` grows on its own thread. Its client may be asked, too."""

    def __init__(self, broker: Broker) -> None:
        self.client = CentreClient(
            CentreOptions(broker.url, hears=(FleetFilter().of("evt/#"), FleetFilter().of("state")))
        )
        self.events: list[Heard] = []
        self.births: list[int] = []
        self.book = LaneBook()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="ear")

    def __enter__(self) -> Ear:
        self.client.connect()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self.client.close()

    def wait_for_event(self, word: str, after_wall_ns: int) -> int:
        """When the first event of this type that was made after a moment was heard."""
        found: list[int] = []

        def heard() -> bool:
            found[:] = [
                each.heard_wall_ns
                for each in list(self.events)
                if word in each.envelope.type and parse_rfc3339(each.envelope.time) > after_wall_ns
            ]
            return bool(found)

        wait_until(heard, f"no {word} after the fault", limit_s=60.0)
        return found[0]

    def wait_for_birth(self, after_wall_ns: int) -> int:
        """When the first `online` after a moment was heard."""
        wait_until(lambda: any(at > after_wall_ns for at in list(self.births)), "the node was not born", limit_s=60.0)
        return next(at for at in self.births if at > after_wall_ns)

    def _listen(self) -> None:
        while not self._stop.is_set():
            message = self.client.inbox.take(0.2)
            if message is None:
                continue
            kind = parse_topic(message.topic).kind
            if kind is TopicKind.EVENT:
                envelope = decode_envelope(message.payload)
                self.book.take(position_of(envelope))
                self.events.append(Heard(envelope, time.time_ns()))
            elif kind is TopicKind.STATE and b'"online"' in message.payload and not message.is_retained:
                self.births.append(time.time_ns())
