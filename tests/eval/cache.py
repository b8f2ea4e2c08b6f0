"""What the detector said of a picture, kept under /tmp: tuning a tracker then costs the decoding only.

The key is the model's hash, the hash of the code that reads its outputs, and the hash of the picture itself, so a crop
and a composite have entries of their own and a changed model none.
"""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from pathlib import Path

import numpy as np

from agent.vision import detector as detector_module
from agent.vision import tensors as tensors_module
from agent.vision.detector import BgrImage, Detector
from agent.vision.geometry import Box, Detection, Label
from agent.vision.model import ModelFacts

_LABELS = tuple(Label)
# Another room's run may be writing.
_WAIT_S = 60.0


class CachedDetector:
    """Stands in for a Detector. `ran` counts how often the model itself had to run."""

    def __init__(self, detector: Detector, folder: Path | None = None) -> None:
        folder = folder or Path(tempfile.gettempdir()) / "wayside-eval"
        folder.mkdir(exist_ok=True)
        self._detector = detector
        code = b"".join(Path(module.__file__ or "").read_bytes() for module in (detector_module, tensors_module))
        name = f"{detector.facts.sha256[:12]}-{hashlib.sha256(code).hexdigest()[:8]}.sqlite"
        self._base = sqlite3.connect(folder / name, timeout=_WAIT_S, isolation_level=None)
        self._base.execute("PRAGMA journal_mode=WAL")
        self._base.execute("PRAGMA synchronous=OFF")
        self._base.execute("CREATE TABLE IF NOT EXISTS seen (picture BLOB PRIMARY KEY, boxes BLOB) WITHOUT ROWID")
        self.ran = 0

    @property
    def facts(self) -> ModelFacts:
        return self._detector.facts

    def detect(self, bgr: BgrImage) -> tuple[Detection, ...]:
        digest = hashlib.blake2b(bgr.tobytes(), digest_size=16, salt=str(bgr.shape).encode()[:16]).digest()
        row = self._base.execute("SELECT boxes FROM seen WHERE picture = ?", (digest,)).fetchone()
        if row is not None:
            return _unpack(row[0])
        self.ran += 1
        found = self._detector.detect(bgr)
        self._base.execute("INSERT OR REPLACE INTO seen VALUES (?, ?)", (digest, _pack(found)))
        return found


def _pack(found: tuple[Detection, ...]) -> bytes:
    rows = [(_LABELS.index(one.label), one.score, one.box.x, one.box.y, one.box.w, one.box.h) for one in found]
    return np.array(rows, np.float64).tobytes()


def _unpack(content: bytes) -> tuple[Detection, ...]:
    rows = np.frombuffer(content, np.float64).reshape(-1, 6).tolist()
    return tuple(Detection(Box(x, y, w, h), _LABELS[int(label)], score) for label, score, x, y, w, h in rows)
