from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import log
from tests.recording.ring import Ring


@pytest.fixture(autouse=True)
def _logs_go_where_the_test_looks() -> Iterator[None]:
    """A command run in this process points the logs at its own captured stderr, which is closed afterwards."""
    log.setup(as_json=True)
    yield
    log.setup(as_json=True)


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[Ring]:
    made = Ring(tmp_path / "data")
    yield made
    made.close()
