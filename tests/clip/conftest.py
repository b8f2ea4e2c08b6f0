"""Films encoded once for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clip.footage import Film, Settings, encode, record


@pytest.fixture(scope="session")
def film() -> Film:
    """12 s at 25 fps, a GOP a second, no B-frames."""
    return encode(Settings(seconds=12))


@pytest.fixture(scope="session")
def film_with_b_frames() -> Film:
    """12 s with two B-frames; a GOP of 1.92 s, so that fragments also begin between IDRs."""
    return encode(Settings(seconds=12, b_frames=2, gop=48))


@pytest.fixture(scope="session")
def hevc_film() -> Film:
    return encode(Settings(seconds=6, codec="libx265", b_frames=2))


@pytest.fixture(scope="session")
def segment_bytes(film_with_b_frames: Film, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A closed segment of 12 s."""
    data_dir = tmp_path_factory.mktemp("ring")
    return (data_dir / record(data_dir, film_with_b_frames).name.path()).read_bytes()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"
