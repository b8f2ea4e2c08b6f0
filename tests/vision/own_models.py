"""Small ONNX graphs in the shape of users' detectors: real files, whose boxes are what the test wants."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from agent.vision.form import DetectorForm
from agent.vision.model import Manifest, ModelEntry

WIDTH_PX, HEIGHT_PX = 64, 32
FORM = DetectorForm(width_px=WIDTH_PX, height_px=HEIGHT_PX)


def graph(outputs: dict[str, npt.NDArray[np.float32]], *, fails: bool = False) -> bytes:
    """A model that takes (1, 3, 32, 64) and gives these tensors, whatever it is shown. fails: it stops at a picture
    that is not grey, as a graph that was built wrongly would."""
    nodes = [helper.make_node("ReduceMax", ["images"], ["largest"], keepdims=0)]
    nodes.append(helper.make_node("Sub", ["largest", "largest"], ["nothing"]))
    if fails:
        # Gather's index is the difference of the levels: 0 for an even picture, beyond the list for another.
        nodes += [
            helper.make_node("ReduceMin", ["images"], ["smallest"], keepdims=0),
            helper.make_node("Sub", ["largest", "smallest"], ["range"]),
            helper.make_node("Cast", ["range"], ["index"], to=TensorProto.INT64),
            helper.make_node("Gather", ["zero", "index"], ["gathered"]),
            helper.make_node("Add", ["nothing", "gathered"], ["offset"]),
        ]
    else:
        nodes.append(helper.make_node("Identity", ["nothing"], ["offset"]))
    constants = [numpy_helper.from_array(np.zeros(1, np.float32), "zero")]
    shown = []
    for name, value in outputs.items():
        constants.append(numpy_helper.from_array(value.astype(np.float32), f"{name}_value"))
        nodes.append(helper.make_node("Add", [f"{name}_value", "offset"], [name]))
        shown.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(value.shape)))
    taken = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, HEIGHT_PX, WIDTH_PX])
    made = helper.make_graph(nodes, "own", [taken], shown, constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def yolov8_output(*found: tuple[float, float, float, float, int, float]) -> dict[str, npt.NDArray[np.float32]]:
    """found: centre x, y, width, height in pixels, class of 80, score."""
    output = np.zeros((1, 84, 20), np.float32)
    for place, (x, y, w, h, index, score) in enumerate(found):
        output[0, :4, place] = x, y, w, h
        output[0, 4 + index, place] = score
    return {"output0": output}


def install(folder: Path, models: dict[str, tuple[str, bytes]]) -> None:
    """id → (kind, bytes), as a user would copy them: the files first, the manifest last."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for model_id, (kind, content) in models.items():
        (folder / f"{model_id}.onnx").write_bytes(content)
        entries.append(
            ModelEntry(
                id=model_id,
                file=f"{model_id}.onnx",
                sha256=hashlib.sha256(content).hexdigest(),
                kind=kind,  # type: ignore[arg-type]
                licence="ours",
                input="images",
                source="tests",
                form=FORM,
            )
        )
    (folder / "manifest.json").write_bytes(msgspec.json.encode(Manifest(v=1, models=entries)))
