from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker import MOSQUITTO
from tests.broker_kit.province import Province


@pytest.fixture
def province(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Province]:
    """A whole office with the shipped broker, into which nodes are enrolled."""
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    monkeypatch.setenv("WAYSIDE_DATA", "")
    monkeypatch.setenv("WAYSIDE_RUNTIME", "")
    made = Province(tmp_path)
    made.start()
    yield made
    made.close()
