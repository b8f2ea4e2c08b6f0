"""The doctor's one screen: what is wrong comes first, each with what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from provisioning.checks.result import CheckResult, Verdict
from provisioning.doctor.diagnosis import worst_first
from provisioning.texts import Language, say

# A mark and a colour each: the screen is read in the sun, and by people who do not see red from green.
_MARKS = {
    Verdict.FAILED: ("✗", "bold red"),
    Verdict.WARNING: ("!", "bold yellow"),
    Verdict.UNKNOWN: ("?", "cyan"),
    Verdict.OK: ("✓", "green"),
}


@dataclass(frozen=True, slots=True)
class Headline:
    """What the screen is about. `node` and `site` are empty before enrolment."""

    node: str
    site: str
    software: str
    at: str


def show(console: Console, headline: Headline, results: Sequence[CheckResult], language: Language) -> None:
    name = f"{headline.node} · {headline.site}" if headline.node else say(language, "doctor.not_enrolled")
    console.print(Text(f"{name} · Wayside {headline.software} · {headline.at}", style="bold"))
    failed = sum(result.verdict is Verdict.FAILED for result in results)
    warned = sum(result.verdict is Verdict.WARNING for result in results)
    if failed:
        console.print(Text(say(language, "doctor.failed", failed=failed, warned=warned), style="bold red"))
    elif warned:
        console.print(Text(say(language, "doctor.warned", warned=warned), style="bold yellow"))
    else:
        console.print(Text(say(language, "doctor.well"), style="bold green"))
    console.print()
    for result in worst_first(results):
        mark, style = _MARKS[result.verdict]
        title = result.title(language) + (f" {result.about}" if result.id == "recording" else "")
        console.print(Text(f" {mark} {title}", style=style))
        console.print(Padding(Text(result.sentence(language)), (0, 0, 0, 3)))
