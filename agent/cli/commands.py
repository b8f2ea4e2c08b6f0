"""The command line, whole or as much of it as one call needs: imports are most of what a short command takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from agent import __version__


def build(first_word: str = "") -> typer.Typer:
    """All commands in one application; with the name of one of them as `first_word` only that one is loaded."""
    app = typer.Typer(name="wayside", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    app.callback()(wayside)
    for name, add in _COMMANDS.items():
        if first_word not in _COMMANDS or name == first_word:
            add(app)
    return app


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        print(f"wayside {__version__}")
        raise typer.Exit


def wayside(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="print the version and leave", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """The agent in the box on the pole: records cameras, sees with ONNX models, tells a centre over MQTT."""


def _add_demo(app: typer.Typer) -> None:
    from agent.cli.demo import demo

    app.command()(demo)


def _add_run(app: typer.Typer) -> None:
    from agent.cli.run import run

    app.command()(run)


def _add_camera(app: typer.Typer) -> None:
    from agent.cli.run import camera

    app.command()(camera)


def _add_vision(app: typer.Typer) -> None:
    from agent.cli.run import vision

    app.command()(vision)


def _add_node(app: typer.Typer) -> None:
    from agent.cli.run import node

    app.command()(node)


def _add_check(app: typer.Typer) -> None:
    from agent.cli.check import check

    app.command()(check)


def _add_analyse(app: typer.Typer) -> None:
    from agent.cli.analyse import analyse

    app.command()(analyse)


def _add_footage(app: typer.Typer) -> None:
    from agent.cli import footage

    app.add_typer(footage.app)


def _add_centre(app: typer.Typer) -> None:
    from agent.cli import centre, centre_verify, serve

    centre.app.command()(serve.serve)
    centre.app.command()(centre_verify.verify)
    app.add_typer(centre.app)


def _add_fleet_sim(app: typer.Typer) -> None:
    from agent.cli.fleet_sim import fleet_sim

    app.command("fleet-sim")(fleet_sim)


def _add_bench(app: typer.Typer) -> None:
    from agent.cli import bench

    app.add_typer(bench.app)


def _add_contract(app: typer.Typer) -> None:
    from agent.cli.contract import contract

    app.command()(contract)


# In the order in which the help shows them.
_COMMANDS: dict[str, Callable[[typer.Typer], None]] = {
    "demo": _add_demo,
    "run": _add_run,
    "camera": _add_camera,
    "vision": _add_vision,
    "node": _add_node,
    "check": _add_check,
    "analyse": _add_analyse,
    "footage": _add_footage,
    "centre": _add_centre,
    "fleet-sim": _add_fleet_sim,
    "bench": _add_bench,
    "contract": _add_contract,
}
