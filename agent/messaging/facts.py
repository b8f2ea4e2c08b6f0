"""The retained facts of a node: which of them must be said now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from agent.contract.states import Alert, CameraState, Info, Reported, TrafficState
from agent.contract.topics import NodeAddress
from agent.contract.wire import encode
from agent.messaging.broker import Publication


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What holds now. An alert given as None is over: its retained message is cleared, also after a restart."""

    info: Info
    cameras: Mapping[str, CameraState]
    alerts: Mapping[str, Alert | None] = field(default_factory=dict)
    traffic: Mapping[str, TrafficState] = field(default_factory=dict)
    reported: Reported | None = None


class FactBoard:
    """Remembers what this connection was told, so that only changes are said."""

    def __init__(self, address: NodeAddress) -> None:
        self._address = address
        self._said: dict[str, bytes] = {}

    def forget(self) -> None:
        """A new connection: everything is said again."""
        self._said.clear()

    def unsay(self, topic: str) -> None:
        """The broker did not take it: say it again when asked next."""
        self._said.pop(topic, None)

    def changes(self, facts: NodeFacts) -> list[Publication]:
        """What differs from what was said last, which the caller says now."""
        fresh = [(topic, payload) for topic, payload in self._all(facts) if self._said.get(topic) != payload]
        self._said.update(fresh)
        return [Publication(topic, payload, is_retained=True) for topic, payload in fresh]

    def _all(self, facts: NodeFacts) -> Iterator[tuple[str, bytes]]:
        yield self._address.info, encode(facts.info)
        for camera, state in facts.cameras.items():
            yield self._address.camera_state(camera), encode(state)
        for camera, traffic in facts.traffic.items():
            yield self._address.camera_traffic(camera), encode(traffic)
        for name, alert in facts.alerts.items():
            yield self._address.alert(name), b"" if alert is None else encode(alert)
        if facts.reported is not None:
            yield self._address.reported, encode(facts.reported)
