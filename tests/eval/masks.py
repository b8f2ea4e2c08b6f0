"""Rows of the sequences with a mask for every frame: how right the motion model is, pixel by pixel.

Values of a mask by CDnet (Goyette et al. 2012): 255 moves, 0 and 50 (hard shadow) do not, 85 and 170 do not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from agent.units import NS_PER_S
from tests.eval.context import Context
from tests.eval.table import Pixels, Row

_MOVES = 255
_COUNTING = (0, 50, _MOVES)


def rows(context: Context) -> Iterator[Row]:
    for folder in sorted((context.shared / "footage" / "motion_mask").iterdir()):
        if context.wants(folder.name, "motion_mask"):
            yield _row(folder, context)


def _row(folder: Path, context: Context) -> Row:
    """Every frame is fed as if it came at the rate of analysis; those without a mask are the warm-up."""
    model = context.watcher.motion_model()
    hits = false = missed = frames = 0
    for turn, path in enumerate(sorted((folder / "input").iterdir())):
        luma = np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8)
        model.update(luma, round(turn * NS_PER_S / context.watcher.rate_fps))
        frames += 1
        truth_file = folder / "groundtruth" / f"gt{path.stem.removeprefix('in')}.png"
        if truth_file.exists():
            truth, told = np.asarray(cv2.imread(str(truth_file), cv2.IMREAD_GRAYSCALE)), model.mask > 0
            counts, moves = np.isin(truth, _COUNTING), truth == _MOVES
            hits += int(np.count_nonzero(told & moves))
            false += int(np.count_nonzero(told & counts & ~moves))
            missed += int(np.count_nonzero(~told & moves))
    return Row(
        clip=folder.name,
        seconds=frames / context.watcher.rate_fps,
        is_watched=False,
        motion=Pixels(hits, false, missed),
    )
