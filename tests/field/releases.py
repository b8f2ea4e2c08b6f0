"""Release bundles of this checkout's newest commit under other versions, whole and broken in a way of one's choice."""

from __future__ import annotations

import platform
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.signing import key_to_pem, make_key
from provisioning.release.make import Made, Wish, make_bundle
from provisioning.release.source import Source

ROOT: Final = Path(__file__).resolve().parents[2]
Edit = Callable[[Path], None]


def unchanged(_tree: Path) -> None:
    """The release as it is."""


def cannot_start(tree: Path) -> None:
    """Every process ends at once, though all that a self-test imports is there."""
    main = tree / "agent" / "processes" / "__main__.py"
    main.write_text("raise SystemExit(70)\n", encoding="utf-8")


def cannot_be_imported(tree: Path) -> None:
    """What the self-test is for."""
    (tree / "agent" / "processes" / "entry.py").write_text("import not_there\n", encoding="utf-8")


def camera_dies(tree: Path) -> None:
    """Cameras start and say that they are ready; five seconds later their process is gone, each time."""
    camera = tree / "agent" / "processes" / "camera.py"
    text = camera.read_text(encoding="utf-8")
    marked = '        notifier.ready()\n        notifier.status("")\n'
    assert marked in text
    dying = "        import os as _o, threading as _t\n        _t.Timer(5.0, _o._exit, (139,)).start()\n"
    camera.write_text(text.replace(marked, marked + dying, 1), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Office:
    """Makes bundles of `source` below `folder` with one release key; wheels stay in the checkout's cache."""

    folder: Path
    source: Source
    architectures: tuple[str, ...] = (platform.machine(),)

    @property
    def key(self) -> Path:
        return self.folder / "release.key"

    def make(self, version: str, *, floor: str = "0.0.0", edit: Edit = unchanged) -> Made:
        if not self.key.is_file():
            self.key.write_bytes(key_to_pem(make_key()))
        tree = self.folder / f"tree-{version}"
        shutil.copytree(self.source.tree, tree)
        init = tree / "agent" / "__init__.py"
        text = re.sub(r'__version__ = "[^"]+"', f'__version__ = "{version}"', init.read_text(encoding="utf-8"))
        init.write_text(text, encoding="utf-8")
        edit(tree)
        wish = Wish(
            source=tree,
            out=self.folder / "dist",
            cache=ROOT / "build" / "wheelhouse",
            build=f"{self.source.build}.{edit.__name__.replace('_', '-')}",
            epoch_s=self.source.epoch_s,
            floor=floor,
            pythons=("3.11",),
            key=self.key,
            architectures=self.architectures,
        )
        made = make_bundle(wish)
        shutil.rmtree(tree)
        return made
