from __future__ import annotations

from pathlib import Path

import pytest

from agent.authority.office import Office
from tests.authority.applicant import make_office


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return make_office(tmp_path / "office")
