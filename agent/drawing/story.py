"""What has been found up to a moment of the film: open incidents, counts of lines, the level of each road. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from agent.contract.events import CrossingData, EventData, IncidentData, TrafficData


@dataclass(slots=True)
class Story:
    """One owner; told of findings in their order. `incidents`: those open now, by id; `crossings`: by line and
    direction; `roads`: the newest measurement of each approach."""

    incidents: dict[str, IncidentData] = field(default_factory=dict)
    crossings: Counter[tuple[str, str]] = field(default_factory=Counter)
    roads: dict[str, TrafficData] = field(default_factory=dict)

    def tell(self, findings: Iterable[EventData]) -> None:
        for data in findings:
            if isinstance(data, IncidentData):
                if data.end_s is None:
                    self.incidents[data.incident_id] = data
                else:
                    self.incidents.pop(data.incident_id, None)
            elif isinstance(data, CrossingData):
                self.crossings[data.line, data.direction.value] += 1
            elif isinstance(data, TrafficData):
                self.roads[data.approach] = data
