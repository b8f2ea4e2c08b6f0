"""Makes an int8 form of the shipped detector, to be measured before anybody uses it (models/cards/nanodet-g-416.md).

    python models/export/int8.py VIDEO… OUT.onnx

Calibrated on twelve pictures of each video, which must not be those it is judged by. Convolutions only: what follows
them is a thousandth of the work. Prints the SHA-256; another version of ONNX Runtime makes other bytes.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from agent.vision.detector import INPUT_PX, letterboxed

FLOAT = Path(__file__).parents[1] / "nanodet_g_coco_416_fp16w.onnx"
PICTURES_OF_A_VIDEO = 12


class _Pictures(CalibrationDataReader):
    def __init__(self, videos: list[Path]) -> None:
        self._pictures = (picture for video in videos for picture in pictures(video))

    def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
        picture = next(self._pictures, None)
        return None if picture is None else {"images": picture}


def pictures(video: Path) -> Iterator[npt.NDArray[np.float32]]:
    """As the detector is fed, spread over the whole video."""
    capture = cv2.VideoCapture(str(video))
    last = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) - 1
    for index in np.linspace(0, max(last, 0), PICTURES_OF_A_VIDEO).astype(int):
        capture.set(cv2.CAP_PROP_POS_FRAMES, int(index))
        is_read, bgr = capture.read()
        if is_read:
            yield letterboxed(np.asarray(bgr, np.uint8), INPUT_PX / max(bgr.shape[:2]))
    capture.release()


def quantise(videos: list[Path], out: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        # ONNX Runtime folds the casts of the weights away; the quantiser would leave half of them as floats.
        folded = Path(folder) / "folded.onnx"
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(folded)
        ort.InferenceSession(str(FLOAT), options, providers=["CPUExecutionProvider"])
        quantize_static(
            str(folded),
            str(out),
            _Pictures(videos),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["Conv"],
        )


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    *videos, out = (Path(one) for one in sys.argv[1:])
    quantise(videos, out)
    print(hashlib.sha256(out.read_bytes()).hexdigest(), out)


if __name__ == "__main__":
    main()
