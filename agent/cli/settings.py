"""Reading the configuration file for a command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent.config import Config, decode_config
from agent.errors import ConfigError

ConfigOption = Annotated[Path, typer.Option("--config", help="the node's configuration (TOML)", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="print one JSON object for programs instead of text for people")]


def load_config(path: Path) -> Config:
    """Raises ConfigError when the file cannot be read or is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as exc:
        reason = exc.strerror or "unreadable"
        raise ConfigError(file=str(path), remedy=f"it cannot be read ({reason}); give the right --config") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(file=str(path), remedy="it is not UTF-8 text; save it as UTF-8") from exc
    return decode_config(text, name=str(path))
