"""What a check found. Pure: the sentence for it stands in the texts, under `checks.{id}.{reason}`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from provisioning.texts import Language, say


class Verdict(StrEnum):
    """WARNING: it works and somebody should look at it. UNKNOWN: this machine does not tell."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """`id` names the check (link, dns, clock …), `about` what it looked at (an interface, a camera; empty: the node).

    `reason` is a machine word; `facts` fill the braces of its sentence. Where the verdict is not OK, the sentence says
    what to do.
    """

    id: str
    verdict: Verdict
    reason: str
    about: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)

    def sentence(self, language: Language) -> str:
        return say(language, f"checks.{self.id}.{self.reason}", **self.facts)

    def title(self, language: Language) -> str:
        return say(language, f"checks.{self.id}.title")
