from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import log
from agent.recording.bundle import BundleReport
from agent.recording.signer import Signer
from tests.recording.evidence import make_sealed_bundle, make_signer
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


@pytest.fixture(scope="session")
def signer() -> Signer:
    return make_signer()


@pytest.fixture(scope="session")
def made(signer: Signer, tmp_path_factory: pytest.TempPathFactory) -> BundleReport:
    """A signed bundle of six seconds out of two segments; its ring lies beside it in `data`."""
    return make_sealed_bundle(tmp_path_factory.mktemp("evidence"), signer)
