"""What a mode leaves out is left out on purpose and said so; what it wants is on disk from the IDR before."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from agent.errors import CameraUnreachable
from agent.recording.around import IncidentWord
from agent.recording.gate import AroundMode, Gate, Mode, ScheduleMode
from agent.recording.schedule import Hours, Schedule
from agent.recording.segment import scan
from agent.units import NS_PER_S, WallSpan
from tests.recorder.playback import ANCHOR_WALL_NS, Playback, Ring
from tests.rigs.films import FilmSettings, make_film

S = NS_PER_S
EVERY_DAY = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """6 s, an IDR every 2 s."""
    return make_film(tmp_path_factory.mktemp("films"), FilmSettings(name="plain.mp4", seconds=6))


class Stage:
    """A gate before a real recorder; seconds count from the run's anchor."""

    def __init__(self, folder: Path, film: Path, mode: Mode) -> None:
        self.ring = Ring(folder)
        self.mode = mode
        self.gate = Gate(self.ring.recorder, mode, self.ring.book, self.ring.clock, camera="c01")
        self._film = film

    def play(self, rounds: int, *, said: dict[float, IncidentWord] | None = None) -> None:
        """A run of `rounds` times the film; vision says each word at its second."""
        begins_ns = self.ring.clock.past_ns
        playback = Playback(self._film, begins_ns=begins_ns)
        self.gate.begin(playback.session)
        words = sorted((said or {}).items())
        for packet in playback.packets(rounds=rounds):
            self.ring.clock.past_ns = begins_ns + packet.media_ns
            while words and words[0][0] * S <= packet.media_ns:
                assert isinstance(self.mode, AroundMode)
                self.mode.hear(words.pop(0)[1])
            self.gate.take(packet)
            self.ring.recorder.rouse()
            self.ring.write()

    def end(self, failure: CameraUnreachable | None = None) -> None:
        self.gate.end(failure)
        self.ring.write()

    @property
    def footage(self) -> list[tuple[float, float]]:
        closes = self.ring.closes
        return [(seconds(each.start_wall_ns), seconds(each.end_wall_ns)) for each in closes]

    @property
    def outages(self) -> list[tuple[str, float, float]]:
        """Those that ended, and the last as it stands (an end of 0)."""
        told = {each.start_wall_ns: each for each in self.ring.outages}
        return [
            (each.reason, seconds(each.start_wall_ns), each.end_wall_ns and seconds(each.end_wall_ns))
            for each in told.values()
        ]


def seconds(wall_ns: int) -> float:
    return round((wall_ns - ANCHOR_WALL_NS) / S, 1)


def word(begin_s: float, until_s: float, name: str = "i1") -> IncidentWord:
    return IncidentWord(name, WallSpan(ANCHOR_WALL_NS + int(begin_s * S), ANCHOR_WALL_NS + int(until_s * S)))


def around(*, before_s: float = 5, after_s: float = 3, max_bytes: int = 64 << 20) -> AroundMode:
    return AroundMode(before_s=before_s, after_s=after_s, max_bytes=max_bytes)


def hours(ring_minute: str, until: str) -> Schedule:
    """In UTC, in which the anchor is 14:03:00.1."""
    return Schedule([Hours(EVERY_DAY, ring_minute, until)], ZoneInfo("UTC"))


def test_without_an_incident_nothing_is_recorded_and_the_reason_is_the_mode(tmp_path: Path, film: Path) -> None:
    stage = Stage(tmp_path, film, around())
    stage.play(4)
    stage.end()
    assert stage.footage == []
    assert stage.outages == [("not_scheduled", 0, 0)]
    assert not list((tmp_path / "footage").rglob("*.mp4"))
    assert stage.ring.recorder.counts.lost == 0


def test_an_incident_is_on_disk_from_the_idr_before_its_seconds_before(tmp_path: Path, film: Path) -> None:
    """It began at 21 s, is told at 25 s, ends at 30 s: asked are 16 s to 33 s, and IDRs come at even seconds."""
    stage = Stage(tmp_path, film, around())
    stage.play(8, said={25.0: word(21, 95), 30.5: word(21, 30)})
    stage.end()
    assert stage.footage == [(16.0, 34.0)]
    assert stage.outages == [("not_scheduled", 0, 16.0), ("not_scheduled", 34.0, 0)]
    (closed,) = stage.ring.closes
    assert closed.frames == 18 * 25
    assert stage.ring.scan(closed).fragments[0].starts_at_idr


def test_an_incident_soon_after_another_leaves_no_second_between_them_out(tmp_path: Path, film: Path) -> None:
    stage = Stage(tmp_path, film, around(before_s=5, after_s=1))
    stage.play(8, said={10.0: word(9, 11), 21.0: word(16, 20, "i2")})
    stage.end()
    assert stage.footage == [(4.0, 12.0), (12.0, 22.0)]
    first, second = stage.ring.closes
    assert (first.run, second.run, second.n - first.n) == (1, 1, 2)


def test_two_incidents_at_once_are_recorded_until_the_last_of_them_is_over(tmp_path: Path, film: Path) -> None:
    stage = Stage(tmp_path, film, around(before_s=1, after_s=1))
    stage.play(8, said={10.0: word(9, 80), 12.0: word(11, 80, "i2"), 15.0: word(9, 15), 25.0: word(11, 25, "i2")})
    stage.end()
    assert stage.footage == [(8.0, 26.0)]


def test_an_incident_that_is_never_heard_of_again_ends_by_itself(tmp_path: Path, film: Path) -> None:
    stage = Stage(tmp_path, film, around(before_s=1, after_s=1))
    stage.play(8, said={10.0: word(9, 19)})
    stage.end()
    assert stage.footage == [(8.0, 20.0)]


def test_an_incident_that_was_over_before_it_was_told_is_taken_from_memory_once(tmp_path: Path, film: Path) -> None:
    stage = Stage(tmp_path, film, around(before_s=2, after_s=1))
    stage.play(6, said={20.0: word(10, 12), 26.0: word(10, 12.5)})
    stage.end()
    assert stage.footage == [(8.0, 22.0)]


def test_memory_that_is_too_small_gives_what_it_has(tmp_path: Path, film: Path) -> None:
    size = sum(packet.packet.size for packet in Playback(film).packets()) // 3
    stage = Stage(tmp_path, film, around(before_s=60, max_bytes=2 * size + size // 2))
    stage.play(6, said={25.1: word(25, 26)})
    stage.end()
    ((start_s, _),) = stage.footage
    assert 20.0 <= start_s <= 24.0


def test_a_camera_that_goes_away_while_nothing_is_wanted_is_missing_from_its_last_picture_on(
    tmp_path: Path, film: Path
) -> None:
    stage = Stage(tmp_path, film, around())
    stage.play(2)
    stage.ring.clock.past_ns = 17 * S
    stage.end(CameraUnreachable(camera="c01"))
    stage.ring.clock.past_ns = 30 * S
    stage.play(1)
    reasons = stage.outages
    assert [(reason, start_s) for reason, start_s, _ in reasons] == [
        ("not_scheduled", 0),
        ("camera_unreachable", 12.0),
        ("not_scheduled", 30.0),
    ]
    assert (reasons[0][2], reasons[1][2]) == (12.0, 30.0)


def test_a_window_begins_with_the_gop_in_which_it_opens_and_ends_with_the_one_in_which_it_closes(
    tmp_path: Path, film: Path
) -> None:
    stage = Stage(tmp_path, film, ScheduleMode(hours("14:04", "14:05"), Ring(tmp_path).clock, words="14:04-14:05"))
    stage.play(25)
    stage.end()
    assert stage.footage == [(58.0, 118.0), (118.0, 120.0)]
    assert stage.outages == [("not_scheduled", 0, 58.0), ("not_scheduled", 120.0, 0)]


def test_a_run_that_begins_within_its_window_is_recorded_at_once(tmp_path: Path, film: Path) -> None:
    stage = Stage(tmp_path, film, ScheduleMode(hours("14:00", "15:00"), Ring(tmp_path).clock, words=""))
    stage.play(2)
    stage.end()
    assert stage.footage == [(0, 12.0)]
    assert stage.outages == []


def test_what_was_written_stays_when_the_process_ends_in_the_middle_of_an_incident(tmp_path: Path, film: Path) -> None:
    stage = Stage(tmp_path, film, around())
    stage.play(3, said={10.0: word(9, 80)})
    # No end, no close: the process is gone. Another one looks at what lies there.
    (path,) = (tmp_path / "footage").rglob("*.mp4")
    data = path.read_bytes()
    found = scan(lambda at, size: data[at : at + size], len(data))
    assert found.span is not None
    assert seconds(found.span.start_ns) == 4.0
    assert seconds(found.span.end_ns) >= 16.0
