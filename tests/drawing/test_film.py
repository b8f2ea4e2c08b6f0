"""The film of `analyse --draw`, written by the command itself and read back by a player's library."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from tests.analyse.test_analyse import run
from tests.seeing.clips import FPS, write_clip

SCENE = """
[[zone]]
id = "road"
polygon = [[0.02, 0.1], [0.98, 0.1], [0.98, 0.9], [0.02, 0.9]]
[[mask]]
polygon = [[0.8, 0.8], [1.0, 0.8], [1.0, 1.0], [0.8, 1.0]]
"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "street.mp4"
    write_clip(path, options={"movflags": "+faststart"})
    return path


@pytest.fixture(scope="module")
def frames(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[float, np.ndarray]]:
    folder = tmp_path_factory.mktemp("film")
    scene, film = folder / "scene.toml", folder / "film.mp4"
    scene.write_text(SCENE)
    assert run(clip, "--scene", scene, "--draw", film).code == 0
    with av.open(str(film)) as container:
        return [(float(frame.time or 0), frame.to_ndarray(format="bgr24")) for frame in container.decode(video=0)]


def test_every_frame_of_the_video_is_in_the_film_at_its_time(frames: list[tuple[float, np.ndarray]]) -> None:
    assert [at_s for at_s, _ in frames] == pytest.approx([number / FPS for number in range(8 * FPS)], abs=0.001)


def test_masks_are_burnt_in_and_zones_are_drawn(frames: list[tuple[float, np.ndarray]]) -> None:
    for _, picture in frames[:: FPS * 2]:
        height, width = picture.shape[:2]
        masked = picture[int(height * 0.93) : int(height * 0.98), int(width * 0.85) : int(width * 0.97)]
        assert masked.max() < 40
        # The zone's upper edge has the zone's colour, which no other pixel of this grey street has.
        edge = picture[round(height * 0.1), width // 2].astype(int)
        assert edge[0] > edge[2] + 60


def test_the_film_may_not_replace_its_video(clip: Path) -> None:
    content = clip.read_bytes()
    refused = run(clip, "--draw", clip)
    assert refused.code == 2 and "another name" in refused.said
    assert clip.read_bytes() == content


@pytest.mark.parametrize("option", ["--draw", "--plot"])
def test_a_place_that_cannot_be_written_is_named(clip: Path, tmp_path: Path, option: str) -> None:
    refused = run(clip, option, tmp_path / "none" / "x")
    assert refused.code != 0 and "none/x" in refused.said and "give another" in refused.said


def test_the_plot_is_written_beside_the_events(clip: Path, tmp_path: Path) -> None:
    plot = tmp_path / "t.svg"
    assert run(clip, "--plot", plot).code == 0
    assert plot.read_text().startswith("<svg") and "street.mp4" in plot.read_text()
