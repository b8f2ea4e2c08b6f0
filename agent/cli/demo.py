"""`wayside demo`: the main job in one go, on real footage."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from agent.cli.faults import EXIT_FAILED, explained
from agent.cli.settings import JsonOption

# Long enough for an incident, its clip and some events more; a second `make demo` ends within 20 s.
_SECONDS = 10.0


@explained
def demo(
    *,
    seconds: Annotated[
        float, typer.Option(min=0, help="watch at least this long, from the first footage on")
    ] = _SECONDS,
    data: Annotated[Path | None, typer.Option(help="folder for the ring, the clip and the logs; kept")] = None,
    as_json: JsonOption = False,
) -> None:
    """Play real street footage as a camera: record, see, tell, and pull a verified clip of an incident."""
    import msgspec

    from agent.cli.pulling import ProgressBar
    from agent.demo.scenario import DemoOptions, run_demo

    folder = data or Path(tempfile.mkdtemp(prefix="wayside-demo-"))

    def say(line: str) -> None:
        print(line, file=sys.stderr if as_json else sys.stdout, flush=True)

    bar = ProgressBar(is_shown=not as_json and sys.stderr.isatty())
    summary = run_demo(DemoOptions(seconds, folder.resolve(), say, bar.update_shown))
    bar.close()
    if as_json:
        print(msgspec.json.encode(summary).decode())
    else:
        for name in summary.__struct_fields__:
            print(f"{name.replace('_', ' '):>16}  {getattr(summary, name)}")
    raise typer.Exit(0 if summary.is_good else EXIT_FAILED)
