"""`wayside-provision` and `python -m provisioning`: all its commands in one application."""

from __future__ import annotations

from typing import Annotated

import typer

from agent import __version__
from provisioning.cli import doctor, office, page

app = typer.Typer(
    name="wayside-provision",
    help="The office's and the technician's tool.",
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"wayside-provision {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def provision(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Typer needs a callback to accept options without a command."""


app.add_typer(office.app)
app.command()(page.page)
app.command()(doctor.doctor)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
