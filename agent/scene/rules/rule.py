"""What the engine asks of a rule, whether it watches one zone or the whole picture. Pure."""

from __future__ import annotations

from typing import Protocol

from agent.contract.events import IncidentKind
from agent.scene.moment import Hit, Moment


class Rule(Protocol):
    """One incident kind at one place. One owner; fed every moment in order."""

    @property
    def kind(self) -> IncidentKind: ...

    def update(self, moment: Moment) -> list[Hit]:
        """Who fulfils the rule now, the one that has longest first."""
        ...
