"""Builds models/fire_416.onnx: NanoDet-g's trunk with a head of 17 000 weights that says where it burns.

    python models/export/fire.py models/nanodet_g_coco_416_fp16w.onnx HEAD.npz models/fire_416.onnx

HEAD.npz comes out of models/train/fire_head.py. The same input gives the same bytes. The head reads the trunk's finest
neck map (128 x 52 x 52) and its coarsest (128 x 13 x 13): what a cell looks like, and what it lies in.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference
from onnx.utils import Extractor

# The neck maps by their names in the detector's file (models/cards/nanodet-g-416.md).
FINE, COARSE = "t162", "t206"
SLOPE = 0.1


class Head:
    """Collects the head's nodes; its weights are kept as float16, as the trunk's are."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        self._weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, values: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: float | int | str | list[int]) -> str:
        node = helper.make_node(kind, inputs, [output], name=output)
        node.attribute.extend(helper.make_attribute(key, attributes[key]) for key in sorted(attributes))
        self.nodes.append(node)
        return output

    def convolution(self, source: str, name: str, *, groups: int = 1) -> str:
        """1 x 1, or 3 x 3 with a border of zeroes, as its weights are."""
        inputs = [source]
        for part in ("weight", "bias"):
            half = self.constant(f"fire_{name}_{part}_f16", self._weights[f"{name}.{part}"].astype(np.float16))
            inputs.append(self.node("Cast", [half], f"fire_{name}_{part}", to=TensorProto.FLOAT))
        size = self._weights[f"{name}.weight"].shape[2]
        border = [size // 2] * 4
        return self.node("Conv", inputs, f"fire_{name}", group=groups, kernel_shape=[size, size], pads=border)

    def leaky(self, source: str) -> str:
        return self.node("LeakyRelu", [source], f"{source}_active", alpha=SLOPE)

    def add(self, a: str, b: str, name: str) -> str:
        return self.node("Add", [a, b], f"fire_{name}")

    def build(self) -> str:
        channels = self._weights["a.weight"].shape[0]
        scales = self.constant("fire_scales", np.array([1, 1, 4, 4], np.float32))
        wide = self.node(
            "Resize",
            [self.convolution(COARSE, "b"), "", scales],
            "fire_wide",
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
        both = self.leaky(self.add(self.convolution(FINE, "a"), wide, "both"))
        near = self.leaky(self.convolution(self.convolution(both, "d1", groups=channels), "p1"))
        first = self.add(both, near, "first")
        around = self.leaky(self.convolution(first, "d2", groups=channels))
        second = self.add(first, self.leaky(self.convolution(around, "p2")), "second")
        return self.node("Sigmoid", [self.convolution(second, "o")], "burning")


def graft(detector: onnx.ModelProto, weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    """The detector's trunk up to its neck maps, with the head on top and nothing else."""
    model = Extractor(shape_inference.infer_shapes(detector)).extract_model(["images"], [FINE, COARSE])
    head = Head(weights)
    head.build()
    model.graph.node.extend(head.nodes)
    model.graph.initializer.extend(head.constants)
    del model.graph.output[:], model.graph.value_info[:]
    model.graph.output.append(helper.make_tensor_value_info("burning", TensorProto.FLOAT, [1, 2, 52, 52]))
    model.graph.name = "fire-416"
    onnx.checker.check_model(model)
    return model


def main() -> None:
    detector_path, head_path, out_path = map(Path, sys.argv[1:4])
    weights = dict(np.load(head_path))
    out_path.write_bytes(graft(onnx.load(str(detector_path)), weights).SerializeToString(deterministic=True))
    print(f"{out_path}: {out_path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
