"""What the office's commands share: its folder, the way to open it, tables for people."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from agent.authority.office import Office

OfficeOption = Annotated[
    Path, typer.Option("--office", envvar="WAYSIDE_OFFICE", help="the office's folder: its register and its keys")
]
OutOption = Annotated[Path | None, typer.Option("--out", help="where the files go  [default: out/ in the office]")]
HERE = Path("office")


def opened(folder: Path) -> Office:
    """Raises RegisterError where there is no office."""
    from agent.authority.office import Office

    return Office.open(folder)


def now_s() -> int:
    return int(time.time())


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def day(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).astimezone().strftime("%Y-%m-%d")
