"""What is heard is handed on with the pictures, in its place, and only once that is known."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import cast

import pytest
from av.packet import Packet
from av.video.stream import VideoStream

from agent.media.ear import Ear
from agent.media.sound import CapturedSound, SourceSound
from agent.media.sound_feed import SoundFeed
from agent.media.sound_shape import SoundShape
from agent.media.timeline import Anchor, Timeline
from agent.units import NS_PER_MS, NS_PER_S
from tests.media.test_timeline import a_timeline

STEP_NS = 20 * NS_PER_MS
ANCHOR_NS = 500 * NS_PER_S
CLOCK_US = 1_700_000_000_000_000


class Sink:
    def __init__(self) -> None:
        self.heard: list[CapturedSound] = []

    def tune(self, shape: SoundShape) -> None:
        raise AssertionError(shape)

    def hear(self, captured: CapturedSound) -> None:
        self.heard.append(captured)


@dataclass(slots=True)
class Reported:
    """A picture as FFmpeg gives it, with the camera's time where there was a report."""

    ntp_us: int | None

    def has_sidedata(self, name: str) -> bool:
        return self.ntp_us is not None

    def get_sidedata(self, name: str) -> bytes:
        return struct.pack("=qi", self.ntp_us or 0, 0)


def play(ear: Ear, seconds: float, *, reports_from_s: float, late_ms: int, begin_s: float = 0.0, line: int = 1) -> None:
    """Pictures and sound of each 20 ms; the sound, on a line of its own, comes so late."""
    for number in range(int(begin_s * 50), int(seconds * 50)):
        at_ns = number * STEP_NS
        is_reported = at_ns >= reports_from_s * NS_PER_S
        ntp_ns = CLOCK_US * 1000 + at_ns if is_reported else None
        arrived_ns = ANCHOR_NS + at_ns + STEP_NS + late_ms * NS_PER_MS
        ear.feed.put(SourceSound(b"%d" % number, line * NS_PER_S + at_ns, STEP_NS, line, arrived_ns, ntp_ns))
        packet = Reported(CLOCK_US + at_ns // 1000 if is_reported else None)
        ear.listen(cast("Packet[VideoStream]", packet), at_ns, ANCHOR_NS + at_ns)


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def ear(sink: Sink) -> Ear:
    made = Ear(SoundFeed(), sink)
    made.begin(Anchor(0, ANCHOR_NS), begun_timeline())
    return made


def begun_timeline() -> Timeline:
    timeline = a_timeline()
    timeline.stamp(0, 0)
    return timeline


def test_what_is_heard_before_the_first_report_is_placed_by_it_as_well(ear: Ear, sink: Sink) -> None:
    play(ear, 3.5, reports_from_s=3.6, late_ms=250)
    assert sink.heard == []
    play(ear, 8, reports_from_s=3.6, late_ms=250, begin_s=3.5)
    assert [each.media_ns for each in sink.heard] == [number * STEP_NS for number in range(400)]
    assert [each.data for each in sink.heard] == [b"%d" % number for number in range(400)]


def test_a_camera_that_never_reports_is_heard_by_its_arrivals(ear: Ear, sink: Sink) -> None:
    play(ear, 5.9, reports_from_s=1e6, late_ms=30)
    assert sink.heard == []
    play(ear, 8, reports_from_s=1e6, late_ms=30, begin_s=5.9)
    assert {each.media_ns - int(each.data) * STEP_NS for each in sink.heard} == {30 * NS_PER_MS}
    assert len(sink.heard) == 400


def test_a_line_that_ends_before_it_was_reported_is_heard_all_the_same(ear: Ear, sink: Sink) -> None:
    play(ear, 2, reports_from_s=2, late_ms=30)
    play(ear, 4, reports_from_s=2, late_ms=30, begin_s=2, line=2)
    assert [each.media_ns - int(each.data) * STEP_NS for each in sink.heard] == [30 * NS_PER_MS] * 100 + [0] * 100


def test_a_films_sound_needs_no_report(sink: Sink) -> None:
    ear = Ear(SoundFeed(), sink)
    ear.feed.put(SourceSound(b"early", 0, STEP_NS))
    ear.begin(Anchor(0, ANCHOR_NS), begun_timeline())
    ear.listen(cast("Packet[VideoStream]", Reported(None)), 0, ANCHOR_NS)
    assert [(each.media_ns, each.data) for each in sink.heard] == [(0, b"early")]


def test_without_pictures_nothing_is_wanted(ear: Ear) -> None:
    assert ear.feed.wanted.is_set()
    ear.end()
    assert not ear.feed.wanted.is_set()
