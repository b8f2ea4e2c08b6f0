"""All commands in one application."""

from __future__ import annotations

import typer

from agent.cli import analyse, centre, demo, footage, run

app = typer.Typer(
    name="wayside",
    help="The agent in the box on the pole: records cameras, sees with ONNX models, tells a centre over MQTT.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(demo.demo)
app.command()(run.run)
app.command()(run.camera)
app.command()(run.vision)
app.command()(run.node)
app.command()(analyse.analyse)
app.add_typer(footage.app)
app.add_typer(centre.app)
