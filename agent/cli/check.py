"""`wayside check`: is this node ready, and what to do where it is not."""

from __future__ import annotations

import typer

from agent.cli.faults import EXIT_FAILED, explained
from agent.cli.settings import ConfigOption, JsonOption

_STYLES = {"ok": "green", "warning": "yellow", "failed": "red", "unknown": "cyan"}


@explained
def check(config: ConfigOption, *, as_json: JsonOption = False) -> None:
    """Try the configuration and everything it names: disk, clock, models, broker, cameras. Exit 1 when one fails."""
    import msgspec
    from rich.console import Console
    from rich.markup import escape

    from agent.processes.entry import load_config
    from agent.processes.readiness import CheckResult, Verdict, check_node

    console = Console()
    results: list[CheckResult] = []
    for result in check_node(load_config(config)):
        results.append(result)
        if not as_json:
            style = _STYLES[result.verdict.value]
            console.print(f"[{style}]{result.verdict.value:>8}[/]  [bold]{result.about}[/]  {escape(result.message)}")
    is_ready = not any(result.verdict is Verdict.FAILED for result in results)
    if as_json:
        print(msgspec.json.encode({"ready": is_ready, "checks": results}).decode())
    raise typer.Exit(0 if is_ready else EXIT_FAILED)
