"""Options that commands share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import typer

ConfigOption = Annotated[Path, typer.Option("--config", help="the node's configuration (TOML)", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON for programs instead of text for people")]


def json_line(summary: Mapping[str, object]) -> str:
    """One object for programs."""
    return msgspec.json.encode(summary).decode()
