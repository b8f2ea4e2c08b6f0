"""What every room's tests may ask for. A missing tool or folder skips the test and says what is missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.broker import MOSQUITTO, Broker, unused_port

ROOT = Path(__file__).resolve().parents[1]

# No deadline: a busy machine is no fault of the code. On CI the same examples every time; at a desk new ones.
settings.register_profile("desk", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of labelled footage beside the checkout, or $WAYSIDE_SHARED. Not part of the project."""
    folder = Path(os.environ.get("WAYSIDE_SHARED") or ROOT.parent / "shared")
    if not (folder / "footage" / "manifest.json").is_file():
        pytest.skip(f"no shared footage in {folder}; set WAYSIDE_SHARED")
    return folder


@pytest.fixture(scope="session")
def street_clip() -> Path:
    """The demo's clip: 40 s, 400 frames at 10 fps, 768 × 576, H.264 without B-frames, an IDR every 2 s."""
    return ROOT / "agent" / "demo" / "street.mp4"


@pytest.fixture(scope="session")
def ffmpeg() -> str:
    """The path of ffmpeg."""
    path = shutil.which("ffmpeg")
    if path is None:
        pytest.skip("ffmpeg is not installed")
    return path


@pytest.fixture
def free_port() -> int:
    """A TCP port of loopback that was free a moment ago."""
    return unused_port()


@pytest.fixture
def make_broker(tmp_path: Path) -> Iterator[Callable[[str], Broker]]:
    """Makes and starts mosquittos with these settings, each on its own port and folder; all end with the test."""
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    made: list[Broker] = []

    def make(settings: str = "allow_anonymous true") -> Broker:
        folder = tmp_path / f"broker{len(made)}"
        folder.mkdir()
        made.append(Broker(folder, settings))
        made[-1].start()
        return made[-1]

    yield make
    for broker in made:
        broker.stop()


@pytest.fixture
def broker(make_broker: Callable[[str], Broker]) -> Broker:
    """One running mosquitto that lets everybody in."""
    return make_broker("allow_anonymous true")
