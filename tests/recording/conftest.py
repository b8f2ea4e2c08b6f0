from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.recording.ring import Ring


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[Ring]:
    made = Ring(tmp_path / "data")
    yield made
    made.close()
