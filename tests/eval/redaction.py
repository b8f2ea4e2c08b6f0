"""`python -m tests.eval.redaction`: in how many person-frames of vtest a head lies open in the redacted copy.

The truth is PETS 2009's boxes of people: their upper eighth is the head. A head is covered when nine tenths of it are
flat.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from agent.drawing.redact import Finders, redact
from agent.processes.video import VideoFile
from agent.vision.detector import Detector
from agent.vision.faces import FaceDetector
from agent.vision.model import ModelStore, find_models_dir
from tests.eval.footage import shared_dir

_CLIP = "footage/pedestrian/vtest_PETS09-S2L1.avi"
_TRUTH = "footage/pedestrian/vtest_PETS09-S2L1_gt.txt"
_HEAD = 1 / 8
_COVERED = 0.9
# Encoding changes a pixel by a level or two.
_FLAT = 4.0


def main() -> int:
    root = shared_dir()
    store = ModelStore(find_models_dir(), threads=2)
    faces = FaceDetector(store.open(store.entry("centerface", "faces")))
    detector = Detector(store.open(store.entry("nanodet-g-416", "nanodet")))
    truth = np.loadtxt(root / _TRUTH, delimiter=",")
    with tempfile.TemporaryDirectory() as folder:
        for name, finders in (("faces only", Finders(faces, None)), ("faces and heads", Finders(faces, detector))):
            out = Path(folder) / "copy.mp4"
            made = redact(root / _CLIP, out, finders, ())
            open_heads, heads = _count(out, truth)
            print(f"{name}: {open_heads} of {heads} heads lie open ({open_heads / heads:.1%}), {made.redaction}")
    return 0


def _count(copy: Path, truth: np.ndarray) -> tuple[int, int]:
    open_heads = heads = 0
    with VideoFile(copy) as source:
        for number, picture in enumerate(source.pictures(), start=1):
            bgr = picture.bgr()
            for _, _, left, top, width, height in truth[truth[:, 0] == number][:, :6]:
                part = bgr[max(int(top), 0) : int(top + height * _HEAD), max(int(left), 0) : int(left + width)]
                if part.size:
                    heads += 1
                    open_heads += not _is_covered(part)
    return open_heads, heads


def _is_covered(part: np.ndarray) -> bool:
    """Whether nearly every pixel is its neighbour's colour: where two blots meet there is one edge."""
    steps = np.abs(np.diff(part.astype(np.float32), axis=1)).max(axis=2)
    return steps.size == 0 or float((steps <= _FLAT).mean()) >= _COVERED


if __name__ == "__main__":
    sys.exit(main())
