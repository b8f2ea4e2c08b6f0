"""All commands in one application."""

from __future__ import annotations

from typing import Annotated

import typer

from agent import __version__
from agent.cli import analyse, bench, centre, check, demo, footage, run, serve

app = typer.Typer(
    name="wayside",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        print(f"wayside {__version__}")
        raise typer.Exit


@app.callback()
def wayside(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="print the version and leave", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """The agent in the box on the pole: records cameras, sees with ONNX models, tells a centre over MQTT."""


app.command()(demo.demo)
app.command()(run.run)
app.command()(run.camera)
app.command()(run.vision)
app.command()(run.node)
app.command()(check.check)
app.command()(analyse.analyse)
app.add_typer(footage.app)
centre.app.command()(serve.serve)
app.add_typer(centre.app)
app.add_typer(bench.app)
