"""`wayside check`: is this node ready, and what to do where it is not."""

from __future__ import annotations

import typer

from agent.cli.faults import EXIT_FAILED, explained
from agent.cli.settings import ConfigOption, JsonOption, json_line

_STYLES = {"ok": "green", "warning": "yellow", "failed": "red", "unknown": "cyan"}


@explained
def check(config: ConfigOption, *, as_json: JsonOption = False) -> None:
    """Try the configuration and everything it names: disk, clock, models, broker, cameras. Exit 1 when one fails."""
    import logging

    from rich.console import Console
    from rich.markup import escape

    from agent import log
    from agent.processes.entry import load_config
    from agent.processes.readiness import CheckResult, Verdict, check_node

    # What is tried here may well fail, and each result says so itself: the agent's log lines would only spill between.
    log.setup(level=logging.CRITICAL)
    console = Console()
    results: list[CheckResult] = []
    for result in check_node(load_config(config)):
        results.append(result)
        if not as_json:
            style = _STYLES[result.verdict.value]
            console.print(f"[{style}]{result.verdict.value:>8}[/]  [bold]{result.about}[/]  {escape(result.message)}")
    is_ready = not any(result.verdict is Verdict.FAILED for result in results)
    if as_json:
        print(json_line({"ready": is_ready, "checks": results}))
    raise typer.Exit(0 if is_ready else EXIT_FAILED)
