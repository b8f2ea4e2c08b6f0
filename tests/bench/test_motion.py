"""How well motion is found, measured on a folder that the test makes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from agent.bench.motion import read_clip, run
from agent.errors import BenchError
from agent.vision.model import ModelStore, find_models_dir

_FRAMES = 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A grey square drives over a dark field of CDnet's form, noise everywhere, masks from frame 30 on."""
    (tmp_path / "input").mkdir()
    (tmp_path / "groundtruth").mkdir()
    rng = np.random.default_rng(1)
    for number in range(1, _FRAMES + 1):
        picture = rng.normal(60, 2, (240, 320, 3))
        left = -60 + 8 * (number - 10)
        picture[100:140, max(left, 0) : max(left + 40, 0)] = 170
        cv2.imwrite(str(tmp_path / "input" / f"in{number:06d}.png"), picture.clip(0, 255).astype(np.uint8))
        if number >= 30:
            truth = np.zeros((240, 320), np.uint8)
            truth[100:140, max(left, 0) : max(left + 40, 0)] = 255
            cv2.imwrite(str(tmp_path / "groundtruth" / f"gt{number:06d}.png"), truth)
    return tmp_path


def test_every_measure_stands_beside_every_peer_and_a_plain_square_is_found(folder: Path) -> None:
    rows = run([folder], ModelStore(find_models_dir(""), threads=1), fps=5, runs=1, say=lambda _line: None)
    named = {(row.measure.split("/")[0], row.peer_name): row for row in rows}
    assert len(named) == 4 * 3 == len(rows)
    assert {peer for _, peer in named} == {"MOG2", "MOG2 luma median", "KNN"}
    assert all(row.ours > 0.9 for row in rows if row.measure.startswith(("f_measure", "precision", "recall")))
    assert all(row.ratio is not None and row.ratio > 0 for row in rows)


def test_a_folder_without_frames_or_masks_says_what_it_needs(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(BenchError, match="groundtruth"):
        read_clip(tmp_path / "nothing")
    for mask in (folder / "groundtruth").iterdir():
        mask.unlink()
    with pytest.raises(BenchError, match="no mask"):
        read_clip(folder)
