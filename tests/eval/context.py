"""What a module with rows is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.eval.watching import Watcher


@dataclass(frozen=True, slots=True)
class Context:
    """`shared`: the folder of labelled footage; `wanted`: what the caller asked for by name, everything when empty."""

    shared: Path
    wanted: frozenset[str]
    watcher: Watcher

    def wants(self, *names: str) -> bool:
        """Whether a row that goes by any of these names is asked for: ask before doing its work."""
        return not self.wanted or any(part in name for part in self.wanted for name in names)
