"""What the engine asks of a rule that watches one zone. Pure."""

from __future__ import annotations

from typing import Protocol

from agent.contract.events import IncidentKind
from agent.scene.moment import Hit, Moment


class ZoneRule(Protocol):
    """One incident kind in one zone. One owner; fed every moment in order."""

    @property
    def kind(self) -> IncidentKind: ...

    def update(self, moment: Moment) -> list[Hit]:
        """Who fulfils the rule now, the one that has longest first."""
        ...
