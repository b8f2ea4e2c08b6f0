"""`wayside-provision doctor`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from agent import __version__
from agent.cli.faults import EXIT_FAILED, explained
from agent.cli.settings import JsonOption, json_line
from provisioning.texts import Language


@explained
def doctor(
    *,
    home: Annotated[Path | None, typer.Option(help="the node's home", envvar="WAYSIDE_HOME")] = None,
    config: Annotated[Path | None, typer.Option(help="another configuration than the home's")] = None,
    language: Annotated[Language, typer.Option("--lang", help="th or en")] = Language.THAI,
    as_json: JsonOption = False,
) -> None:
    """One screen that says what is wrong with this node and what to do. Changes nothing. Exit 1 when something is."""
    from rich.console import Console

    from agent.clock import SystemClock
    from agent.enrolment.home import DEFAULT_HOME, NodeHome
    from provisioning.checks.result import Verdict
    from provisioning.doctor.examination import Patient, examine
    from provisioning.doctor.screen import Headline, show

    node_home = NodeHome(home or DEFAULT_HOME)
    console = Console()
    patient = Patient(node_home, config or node_home.config)
    if as_json:
        results = list(examine(patient, SystemClock()))
        rows = [
            {
                "id": each.id,
                "about": each.about,
                "verdict": each.verdict.value,
                "reason": each.reason,
                "message": each.sentence(language),
            }
            for each in results
        ]
        print(json_line({"well": not any(each.verdict is Verdict.FAILED for each in results), "findings": rows}))
    else:
        with console.status("…"):
            results = list(examine(patient, SystemClock()))
        record = node_home.load_enrolment()
        place = f"{record.org}/{record.site}" if record.site else ""
        at = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        show(console, Headline(record.node, place, __version__, at), results, language)
    raise typer.Exit(EXIT_FAILED if any(each.verdict is Verdict.FAILED for each in results) else 0)
