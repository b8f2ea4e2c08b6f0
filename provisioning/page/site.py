"""What the page's steps know of the node they stand on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from agent.clock import Clock, SystemClock
from agent.enrolment.home import DEFAULT_DATA, DEFAULT_RUNTIME, GROUP_MODE, NodeHome
from agent.errors import EnrolmentError

# What the steps found out, one JSON file a step; the acceptance report is made from them.
_NOTES: Final = "commissioning"
T = TypeVar("T", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class PageContext:
    """`home` keeps the node's papers, `runtime_dir` the agent's sockets, `data_dir` the footage, `boot_dir` what the
    bench put on the boot partition. Handlers run on a pool of threads: what else they share has a lock of its own."""

    home: NodeHome
    runtime_dir: Path = DEFAULT_RUNTIME
    data_dir: Path = DEFAULT_DATA
    boot_dir: Path = Path("/boot/firmware")
    clock: Clock = field(default_factory=SystemClock)

    def now_s(self) -> int:
        """Seconds of UTC, as the work orders count."""
        return self.clock.wall_ns() // 1_000_000_000

    def note(self, name: str, kind: type[T]) -> T | None:
        """What step `name` wrote down; None when it has not yet, or when the file is not what it should be: the step is
        then done again."""
        try:
            return self.home.load(self._note_path(name), kind)
        except EnrolmentError:
            return None

    def write_note(self, name: str, record: msgspec.Struct) -> None:
        """Whole or not at all, and on disk when this returns: the next thing may be that the plug is pulled."""
        path = self._note_path(name)
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        self.home.save(path, record, mode=GROUP_MODE)

    def _note_path(self, name: str) -> Path:
        return self.home.root / _NOTES / f"{name}.json"
