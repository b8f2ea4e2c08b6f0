"""A run's labels are held to the system clock, by at most 500 ppm."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from fractions import Fraction

import pytest

from agent.media.steering import Steering, TimesParted
from agent.media.timeline import Anchor, ClockStepped, RunBroken, Timeline
from agent.units import NS_PER_MS, NS_PER_S

FRAME_NS = 40 * NS_PER_MS
FRAME_TICKS = 3600
WALL_NS = 1_795_356_180 * NS_PER_S
OFFSET_NS = WALL_NS - 77 * NS_PER_S
HOUR_S = 3600


@dataclass
class Film:
    """A camera of 25 fps with an IDR each 2 s whose crystal is off, on a line that delays; the clocks are true but for
    `stepped_ns`, which a test adds to the wall clock. Labels are judged against the moment of filming."""

    ppm: float = 0.0
    jitter_ms: float = 15.0
    stepped_ns: int = 0
    breaks: list[RunBroken] = field(default_factory=list)
    errors_ns: list[int] = field(default_factory=list)
    paces: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._frame = 0
        self._chance = random.Random(7)
        self._begin(Anchor(WALL_NS, WALL_NS - OFFSET_NS))

    def _begin(self, anchor: Anchor) -> None:
        self._anchor = anchor
        self._timeline = Timeline("c01", Fraction(1, 90_000), FRAME_TICKS)
        self._steering = Steering("c01", anchor)
        self._last_ns: int | None = None

    def play(self, seconds: float) -> None:
        for _ in range(int(seconds * 25)):
            self._send()

    def _send(self) -> None:
        # By the true clock a frame comes the later the slower the crystal runs.
        filmed_ns = int(self._frame * FRAME_NS * (1 - self.ppm * 1e-6))
        mono_ns = WALL_NS - OFFSET_NS + filmed_ns + int(self._chance.expovariate(1 / self.jitter_ms) * NS_PER_MS)
        now = Anchor(mono_ns + OFFSET_NS + self.stepped_ns, mono_ns)
        ticks = self._frame * FRAME_TICKS
        media_ns = self._timeline.stamp(ticks, ticks).media_ns
        self._steering.note(media_ns, mono_ns)
        if self._frame % 50 == 0:
            try:
                if by_ns := self._steering.judge(media_ns, now):
                    self._timeline.bend(by_ns, self._steering.window_ns)
            except RunBroken as broken:
                self.breaks.append(broken)
                self._begin(self._steering.anchor_of(media_ns, now, broken=broken))
                media_ns = self._timeline.stamp(ticks, ticks).media_ns
        if self._last_ns is not None:
            self.paces.append((media_ns - self._last_ns) / FRAME_NS - 1)
        self._last_ns = media_ns
        self.errors_ns.append(self._anchor.wall_ns + media_ns - (WALL_NS + filmed_ns + self.stepped_ns))
        self._frame += 1


@pytest.mark.parametrize("ppm", [0, 20, -50, 200, -400])
def test_a_camera_whose_crystal_is_off_is_labelled_within_two_frames_for_hours(ppm: float) -> None:
    film = Film(ppm)
    film.play(HOUR_S)
    assert film.breaks == []
    assert max(map(abs, film.errors_ns)) < 2 * FRAME_NS
    # A tick of 90 kHz is 278 ppm of a frame of 40 ms.
    assert max(map(abs, film.paces)) <= 500e-6 + 278e-6


def test_on_a_steady_line_nothing_is_bent() -> None:
    film = Film(jitter_ms=5.0)
    film.play(600)
    assert set(film.paces) == {0.0}


@pytest.mark.parametrize("step_ms", [300, -300])
def test_a_small_step_of_the_clock_is_taken_up_slowly_and_within_the_run(step_ms: int) -> None:
    film = Film()
    film.play(60)
    film.stepped_ns = step_ms * NS_PER_MS
    film.play(1_000)
    assert film.breaks == []
    assert max(map(abs, film.paces)) <= 500e-6 + 278e-6
    assert abs(film.errors_ns[-1]) < FRAME_NS


def test_small_steps_that_add_up_are_no_jump_once_they_were_taken_up() -> None:
    film = Film()
    for count in range(1, 6):
        film.stepped_ns = count * 300 * NS_PER_MS
        film.play(800)
    assert film.breaks == []
    assert abs(film.errors_ns[-1]) < 2 * FRAME_NS


@pytest.mark.parametrize("step_s", [0.6, -0.6, 3600, -3600, 1.7e9])
def test_a_jump_begins_a_run_that_is_right_at_once(step_s: float) -> None:
    film = Film(ppm=100)
    film.play(120)
    film.stepped_ns = int(step_s * NS_PER_S)
    film.play(4)
    film.errors_ns.clear()
    film.play(10)
    assert [type(each) for each in film.breaks] == [ClockStepped]
    assert max(map(abs, film.errors_ns)) < 2 * FRAME_NS


@pytest.mark.parametrize("ppm", [3_000, -3_000])
def test_a_camera_that_no_steering_can_hold_gets_a_new_run_before_it_is_a_second_off(ppm: float) -> None:
    film = Film(ppm)
    film.play(HOUR_S)
    assert {type(each) for each in film.breaks} == {TimesParted}
    assert max(map(abs, film.errors_ns)) < 1.2 * NS_PER_S


def test_a_line_that_is_late_for_a_while_bends_little_and_breaks_nothing() -> None:
    film = Film()
    film.play(60)
    film.jitter_ms = 400.0
    film.play(300)
    film.jitter_ms = 15.0
    film.play(600)
    assert film.breaks == []
    assert max(map(abs, film.errors_ns)) < 150 * NS_PER_MS
    assert abs(film.errors_ns[-1]) < FRAME_NS
