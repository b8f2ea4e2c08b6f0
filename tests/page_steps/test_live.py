"""The live picture: pictures while somebody looks, and nothing afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.clock import SystemClock
from agent.errors import CameraUnreachable
from agent.media.source import SourceAddress
from provisioning.page.steps.live import LivePicture, LivePictures, LiveSource
from tests.broker import wait_until
from tests.clip.footage import Where
from tests.recording.ring import Ring


@pytest.fixture
def live(tmp_path: Path, street_clip: Path) -> Iterator[LivePicture]:
    made = LivePicture(LiveSource("c77", SourceAddress("c77", f"file:{street_clip}"), tmp_path), SystemClock())
    yield made
    made.close()


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("live-c77")]


def test_each_look_gets_a_newer_picture_with_its_focus(live: LivePicture) -> None:
    first = live.shot()
    second = live.shot(after=first.number)
    assert (first.number, second.number) == (1, 2)
    assert second.jpeg[:2] == b"\xff\xd8"
    assert (second.width, second.height) == (768, 576)
    assert second.score > 100
    assert not second.is_from_ring


def test_the_best_is_kept_until_somebody_starts_over(live: LivePicture) -> None:
    wait_until(lambda: live.shot(wait_s=0.5).best > 0, "no best was found")
    live.start_over()
    wait_until(lambda: live.shot(wait_s=0.5).best == 0, "the best outlived the view")


def test_it_ends_with_its_owner(live: LivePicture) -> None:
    live.shot()
    assert threads() == ["live-c77"]
    live.close()
    assert threads() == []


class LateClock(SystemClock):
    """Monotonic time that a test sets forward."""

    later_ns = 0

    def mono_ns(self) -> int:
        return super().mono_ns() + self.later_ns


def test_it_ends_by_itself_when_nobody_looks_and_begins_again(tmp_path: Path, street_clip: Path) -> None:
    clock = LateClock()
    live = LivePicture(LiveSource("c77", SourceAddress("c77", f"file:{street_clip}"), tmp_path), clock)
    number = live.shot().number
    clock.later_ns = 60_000_000_000
    wait_until(lambda: not threads(), "it goes on although nobody looks")
    assert live.shot(after=number).number > number
    live.close()


def test_a_dead_camera_says_why_at_once(tmp_path: Path) -> None:
    live = LivePicture(LiveSource("c77", SourceAddress("c77", "rtsp://127.0.0.1:1/cam"), tmp_path), SystemClock())
    shot = live.shot()
    live.close()
    assert shot.jpeg == b""
    assert isinstance(shot.problem, CameraUnreachable)


def test_a_camera_that_opens_only_once_is_seen_through_the_ring(tmp_path: Path) -> None:
    ring = Ring(tmp_path)
    ring.index(ring.record(0, Where(camera="c77")))
    ring.close()
    live = LivePicture(LiveSource("c77", None, tmp_path), SystemClock())
    shot = live.shot()
    live.close()
    assert shot.is_from_ring
    assert (shot.width, shot.height) == (96, 64)


def test_a_changed_address_gets_a_picture_of_its_own(tmp_path: Path) -> None:
    pictures = LivePictures(SystemClock())
    source = LiveSource("c77", None, tmp_path)
    assert pictures.of(source) is pictures.of(source)
    assert pictures.of(replace(source, stream=SourceAddress("c77", "rtsp://127.0.0.1:1/cam"))) is not pictures.of(
        source
    )
    pictures.close()
