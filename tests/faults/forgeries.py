"""Forged commands by the thousand, against the real checks and a real store."""

from __future__ import annotations

from pathlib import Path

from tests.commands.attacks import attack, guarded_node


def forgeries(folder: Path, count: int) -> list[str]:
    """What came of so many; a crash comes out of here. Raises nothing else."""
    folder.mkdir(parents=True)
    node = guarded_node(folder)
    try:
        return [f"forgeries: {attack(node, count, seed=20).line()}"]
    finally:
        node.close()
