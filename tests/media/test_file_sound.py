"""A file as a camera with a microphone: its sound goes round with its pictures, and what is none costs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from agent.errors import CameraError
from agent.media.capture import Capture, CapturedPacket
from agent.media.ear import Ear
from agent.media.sound_feed import SoundFeed
from agent.media.source import SourceAddress
from tests.media.test_runs import FRAME_NS, Impatient
from tests.recorder.playback import Ring
from tests.rigs.films import FilmSettings, make_film
from tests.rigs.flashes import FlashSettings, Sync, make_flashes, measure

LIMIT_MS = 40.0


class Rounds:
    """A ring's recorder, for which time passes with each picture; it ends the session after so many."""

    def __init__(self, ring: Ring, stop: Impatient, enough: int) -> None:
        self._ring, self._stop, self._left = ring, stop, enough
        self.begin, self.change = ring.recorder.begin, ring.recorder.change

    def take(self, captured: CapturedPacket) -> None:
        self._ring.clock.past_ns += FRAME_NS
        self._ring.recorder.take(captured)
        self._ring.recorder.rouse()
        self._ring.write()
        self._left -= 1
        if self._left == 0:
            self._stop.set()

    def end(self, failure: CameraError | None = None) -> None:
        self._ring.recorder.end(failure)
        self._ring.write()


def record(film: Path, data_dir: Path, frames: int) -> Iterator[Sync]:
    """What was recorded of a looped film with `audio`, one a segment."""
    # More than the burst that a session begins with (agent.media.capture).
    assert frames > 256
    ring, stop = Ring(data_dir, segment_s=3), Impatient()
    ear = Ear(SoundFeed(), ring.recorder)
    Capture(SourceAddress("c01", f"file:{film}"), [Rounds(ring, stop, frames)], ring.clock, stop, ear=ear).run_once()
    assert sum(found.frames for found in ring.scans()) == frames
    assert len({closed.run for closed in ring.closes}) == 1
    assert ring.outages == []
    for closed in ring.closes:
        yield measure(data_dir / closed.path)


@pytest.mark.parametrize(
    "wanted",
    [
        FlashSettings(seconds=4, b_frames=2),
        FlashSettings(codec="pcm_mulaw", rate_hz=8_000, seconds=4),
        FlashSettings(seconds=4, late_s=1.3),
    ],
    ids=["aac", "mulaw", "late"],
)
def test_a_films_sound_goes_round_with_its_pictures(tmp_path: Path, wanted: FlashSettings) -> None:
    syncs = list(record(make_flashes(tmp_path, wanted), tmp_path / "data", 300))
    heard = [each for sync in syncs for each in sync.offsets_ms]
    assert len(heard) >= 6
    assert max(abs(each) for each in heard) <= LIMIT_MS


def test_a_film_without_sound_is_recorded_as_ever(tmp_path: Path) -> None:
    film = make_film(tmp_path, FilmSettings(seconds=2, gop=25))
    assert all(not sync.beeps_s for sync in record(film, tmp_path / "data", 300))


def test_a_film_with_sound_that_cannot_be_recorded_is_recorded_without(tmp_path: Path) -> None:
    film = make_flashes(tmp_path, FlashSettings("film.mkv", "mp2", seconds=2))
    assert all(not sync.beeps_s for sync in record(film, tmp_path / "data", 300))
    with av.open(str(next((tmp_path / "data").rglob("*.mp4")))) as container:
        assert not container.streams.audio
