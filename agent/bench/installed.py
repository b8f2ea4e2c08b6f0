"""The environment in which a bench starts our processes: as on a node, whose installation compiled the code once."""

from __future__ import annotations

import os
from pathlib import Path

from agent.bench.films import cache_folder


def installed_environment(folder: Path | None = None) -> dict[str, str]:
    """Compiled code is kept in `folder`, else in the user's cache: the first process of all compiles it."""
    kept = folder or cache_folder() / "bytecode"
    environment = os.environ | {"PYTHONPYCACHEPREFIX": str(kept)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment
