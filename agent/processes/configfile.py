"""The configuration as a file: read, or the last right one in its place."""

from __future__ import annotations

from pathlib import Path

from agent import log
from agent.config import Config, decode_config
from agent.errors import ConfigError
from agent.processes.lastgood import copy_of

_log = log.get("config")


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


def load_usable(path: Path) -> Config:
    """The configuration, or the last right one where somebody edited it wrongly: a node records all the same. Raises
    ConfigError where there never was one."""
    try:
        return load_config(path)
    except ConfigError as exc:
        copy = copy_of(path, path.name)
        if not copy.is_file():
            raise
        _log.error("configuration not usable, the last right one is taken", problem=str(exc))
        return load_config(copy)
