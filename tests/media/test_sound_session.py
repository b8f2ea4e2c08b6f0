"""The sound of real RTSP cameras: what they do to it costs no picture, and what is left is heard when it was made."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.errors import SoundUnsupported
from tests.broker import wait_until
from tests.rigs.flashes import FlashSettings, Sync, make_flashes, measure
from tests.rigs.hearing import Hearing
from tests.rigs.speaking_camera import Habits, SpeakingCamera

LIMIT_MS = 40.0
# Since sound was asked for; a beep each second, and the first GOP has no sound track yet.
LASTS_S = 7.0
MULAW = FlashSettings("mulaw.mov", "pcm_mulaw", 8_000, seconds=40)
AAC = FlashSettings("aac.mov", seconds=40, b_frames=2)
CAMERAS = {
    "aac": (AAC, Habits()),
    "mulaw": (MULAW, Habits()),
    "leaps": (MULAW, Habits(leaps=((3.5, -3_600.0),))),
    "late": (AAC, Habits(silences=((0, 3.1),))),
    "stops": (AAC, Habits(silences=((4.1, 1e9),))),
    "none": (AAC, Habits(has_sound=False)),
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """What one camera's recording says afterwards; `frames` and `lost` of its pictures, `syncs` one a segment."""

    frames: int
    lost: int
    missing_ns: list[int]
    outages: int
    syncs: list[Sync]
    failures: list[Exception]

    @property
    def offsets_ms(self) -> list[float]:
        return [each for sync in self.syncs for each in sync.offsets_ms]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Recorded]]:
    """All of them at once: they take their time, and no processor's."""
    folder = tmp_path_factory.mktemp("speaking")
    films = {each.name: make_flashes(folder, each) for each in (AAC, MULAW)}

    def record(name: str) -> Recorded:
        settings, habits = CAMERAS[name]
        with SpeakingCamera(films[settings.name], habits) as camera, Hearing(camera.url, folder / name) as hearing:
            wait_until(lambda: len(hearing.closes) > 1, f"{name} is not recorded", limit_s=30.0)
            if habits.has_sound:
                wait_until(lambda: camera.heard_s > LASTS_S, f"{name} is not listened to", limit_s=30.0)
        meets = [b.start_wall_ns - a.end_wall_ns for a, b in zip(hearing.closes, hearing.closes[1:], strict=False)]
        counts = hearing.recorder.counts
        syncs = [measure(path) for path in hearing.paths()]
        return Recorded(counts.recorded, counts.lost, meets, len(hearing.outages), syncs, hearing.failures)

    with ThreadPoolExecutor(len(CAMERAS)) as pool:
        yield dict(zip(CAMERAS, pool.map(record, CAMERAS), strict=True))


@pytest.mark.parametrize("name", CAMERAS)
def test_whatever_becomes_of_its_sound_every_picture_is_recorded(recorded: dict[str, Recorded], name: str) -> None:
    seen = recorded[name]
    assert seen.frames > 0
    assert (seen.lost, seen.outages) == (0, 0)
    # Segments meet: no gap is left where sound begins, leaps or ends.
    assert all(abs(each) < 1_000_000 for each in seen.missing_ns)


@pytest.mark.parametrize("name", ["aac", "mulaw", "leaps", "late", "stops"])
def test_each_beep_is_heard_with_its_flash_in_every_segment(recorded: dict[str, Recorded], name: str) -> None:
    offsets_ms = recorded[name].offsets_ms
    assert offsets_ms
    assert max(abs(each) for each in offsets_ms) <= LIMIT_MS


def test_a_camera_without_sound_says_what_to_set_and_goes_on(recorded: dict[str, Recorded]) -> None:
    seen = recorded["none"]
    assert {type(each) for each in seen.failures} == {SoundUnsupported}
    assert "microphone" in str(seen.failures[0])
    assert not any(sync.beeps_s for sync in seen.syncs)
    assert any(sync.flashes_s for sync in seen.syncs)


def test_a_camera_that_comes_back_is_heard_again_in_a_run_of_its_own(tmp_path: Path) -> None:
    film = make_flashes(tmp_path, FlashSettings(seconds=30))
    first = SpeakingCamera(film)
    with Hearing(first.url, tmp_path / "data") as hearing:
        with first:
            wait_until(lambda: first.heard_s > 3, "the camera is not listened to", limit_s=30.0)
        with SpeakingCamera(film, port=first.port) as again:
            wait_until(lambda: again.heard_s > 3, "the camera is not listened to again", limit_s=30.0)
    before, after = ([closed for closed in hearing.closes if closed.run == run] for run in (1, 2))
    for closes in (before, after):
        syncs = [measure(hearing.data_dir / closed.path) for closed in closes]
        assert any(sync.offsets_ms for sync in syncs)
        assert max(sync.worst_ms for sync in syncs) <= LIMIT_MS
    assert hearing.recorder.counts.lost == 0
    (told,) = (each for each in hearing.outages if each.end_wall_ns)
    assert (told.start_wall_ns, told.end_wall_ns) == (before[-1].end_wall_ns, after[0].start_wall_ns)
