"""The models of the checkout, opened once."""

from __future__ import annotations

import pytest

from agent.vision.detector import Detector
from agent.vision.model import ModelStore, Session, find_models_dir
from tests.conftest import ROOT


@pytest.fixture(scope="session")
def store() -> ModelStore:
    return ModelStore(find_models_dir(str(ROOT / "models")), threads=2)


@pytest.fixture(scope="session")
def motion_session(store: ModelStore) -> Session:
    return store.open(store.entry("motion-320x240", "motion"))


@pytest.fixture(scope="session")
def detector(store: ModelStore) -> Detector:
    return Detector(store.open(store.entry("nanodet-g-416", "nanodet")))
