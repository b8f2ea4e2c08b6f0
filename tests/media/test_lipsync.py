"""Where a sound stands among the pictures: by arrivals, by the camera's reports, and whatever it does to both."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.media.lipsync import LipSync
from agent.media.sound import SourceSound
from agent.units import NS_PER_MS, NS_PER_S

STEP_NS = 20 * NS_PER_MS
ANCHOR_NS = 1_000 * NS_PER_S
LIMIT_NS = 40 * NS_PER_MS


@dataclass(slots=True)
class Camera:
    """Pictures and sound of each 20 ms. Its own clock, and the sound's line, begin where they like."""

    sync: LipSync
    clock_ns: int = 77_000 * NS_PER_S
    line_ns: int = 5 * NS_PER_S
    line: int = 1
    reports: bool = True
    ppm: int = 0

    def play(
        self, begin_s: float, end_s: float, *, late_ms: list[int] | None = None, media_off_ms: int = 0
    ) -> list[int]:
        """How far each sound is from the picture of its moment, in ns. `late_ms` delays the sounds in turn."""
        errors: list[int] = []
        late_ms = late_ms or [0]
        for number in range(int(begin_s * NS_PER_S) // STEP_NS, int(end_s * NS_PER_S) // STEP_NS):
            at_ns = number * STEP_NS
            media_ns = at_ns + media_off_ms * NS_PER_MS
            ntp_ns = self.clock_ns + at_ns if self.reports else None
            self.sync.note_picture(media_ns, ANCHOR_NS + at_ns, ntp_ns)
            own_ns = self.line_ns + at_ns + at_ns * self.ppm // 1_000_000
            arrived_ns = ANCHOR_NS + at_ns + STEP_NS + late_ms[number % len(late_ms)] * NS_PER_MS
            sound = SourceSound(b"", own_ns, STEP_NS, self.line, arrived_ns, ntp_ns)
            self.sync.note_sound(sound)
            errors.append(self.sync.place(sound) - media_ns)
        return errors


@pytest.fixture
def camera() -> Camera:
    return begun()


def begun() -> Camera:
    sync = LipSync()
    sync.begin_run(ANCHOR_NS)
    return Camera(sync)


def test_reports_are_exact_however_late_the_sound_comes(camera: Camera) -> None:
    assert set(camera.play(0, 30, late_ms=[300])) == {0}


@given(st.lists(st.integers(0, 400), min_size=1, max_size=40), st.integers(-100, 100))
@settings(max_examples=20, deadline=None)
def test_without_reports_the_least_late_packet_is_believed(late_ms: list[int], ppm: int) -> None:
    camera = begun()
    camera.reports, camera.ppm = False, ppm
    late_ms[0] = 0
    assert max(abs(each) for each in camera.play(0, 120, late_ms=late_ms)) <= LIMIT_NS


@given(st.integers(-200, 200), st.booleans())
@settings(max_examples=6, deadline=None)
def test_crystals_that_part_do_not_part_lips_and_voice(ppm: int, reports: bool) -> None:
    camera = begun()
    camera.reports, camera.ppm = reports, ppm
    errors = [max(abs(each) for each in camera.play(at_s, at_s + 60)) for at_s in range(0, 600, 60)]
    assert max(errors) <= LIMIT_NS


@pytest.mark.parametrize("by_s", [-30, 3_600 * 7])
def test_a_camera_whose_clock_is_set_meanwhile_moves_no_sound(camera: Camera, by_s: int) -> None:
    camera.play(0, 30)
    # The pictures' report comes first, the sound's up to 5 s later.
    before_ns, camera.clock_ns = camera.clock_ns, camera.clock_ns + by_s * NS_PER_S
    errors = []
    for number in range(1_500, 1_750):
        at_ns = number * STEP_NS
        camera.sync.note_picture(at_ns, ANCHOR_NS + at_ns, camera.clock_ns + at_ns)
        told = SourceSound(b"", camera.line_ns + at_ns, STEP_NS, 1, ANCHOR_NS + at_ns + STEP_NS, before_ns + at_ns)
        camera.sync.note_sound(told)
        errors.append(camera.sync.place(told) - at_ns)
    assert set(errors + camera.play(35, 60)) == {0}


def test_a_report_that_is_wrong_by_less_than_a_second_is_followed_once_it_persists(camera: Camera) -> None:
    camera.play(0, 30)
    camera.line_ns += 400 * NS_PER_MS
    errors = camera.play(30, 45)
    assert errors[0] == 400 * NS_PER_MS
    assert set(errors[-300:]) == {0}


@pytest.mark.parametrize("reports", [True, False])
def test_a_line_that_begins_anew_is_placed_at_once(camera: Camera, reports: bool) -> None:
    camera.reports = reports
    camera.play(0, 30)
    camera.line_ns, camera.line = -500_000 * NS_PER_S, 2
    assert set(camera.play(30, 40)) == {0}


def test_reports_are_believed_as_soon_as_there_are_any(camera: Camera) -> None:
    camera.reports = False
    assert set(camera.play(0, 3, late_ms=[150])) == {150 * NS_PER_MS}
    camera.reports = True
    assert set(camera.play(3, 20, late_ms=[150])) == {0}


def test_a_new_run_of_the_pictures_keeps_the_sound_where_it_was_heard(camera: Camera) -> None:
    camera.play(0, 30)
    camera.sync.begin_run(ANCHOR_NS + 30 * NS_PER_S)
    own_ns = camera.line_ns + 30 * NS_PER_S
    arrived_ns = ANCHOR_NS + 30 * NS_PER_S + STEP_NS
    # Before the first report of the new session arrivals must do.
    sound = SourceSound(b"", own_ns, STEP_NS, 1, arrived_ns)
    camera.sync.note_sound(sound)
    assert camera.sync.place(sound) == 0


def test_a_step_of_the_wall_clock_that_steering_takes_up_takes_the_sound_along(camera: Camera) -> None:
    camera.reports = False
    camera.play(0, 30)
    # 15 ms each half a minute are the most that media time is bent.
    errors = [camera.play(30 * part, 30 * part + 30, media_off_ms=15 * part)[-1] for part in range(1, 30)]
    assert max(abs(each) for each in errors) <= LIMIT_NS
