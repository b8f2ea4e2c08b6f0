from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.desk import Node


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node with four seconds of footage of c01, ten seconds later."""
    made = Node(tmp_path)
    yield made
    made.close()
