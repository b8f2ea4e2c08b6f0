"""Builds models/motion_320x240.onnx: running mean and mean absolute deviation per pixel as tensors in and out.

    python models/export/motion.py models/motion_320x240.onnx

The same input gives the same bytes. Source of the idea: running Gaussian average, Wren et al. 1997 (Pfinder), with the
deviation kept as a mean of absolute differences, which needs no square root. A pixel is changed when it differs from
its mean by more than k deviations and a floor; a pixel counts when enough of its neighbours changed too; small holes
are closed. Figures for cdnet_highway stand in models/cards/motion-320x240.md.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


@dataclass(frozen=True)
class Shape:
    """Tuned on cdnet_highway by the rig that this graph follows; lengths in pixels, levels in grey values of 255."""

    height: int = 240
    width: int = 320
    deviations: float = 5.0
    floor: float = 15.0
    # A pixel survives when this part of its 3 x 3 neighbourhood changed …
    neighbours_px: int = 3
    neighbours_ratio: float = 0.3
    # … and when it lies near a place where half of 7 x 7 changed: single specks of noise never do.
    core_px: int = 7
    core_ratio: float = 0.5
    closing_px: int = 5
    # A passing lorry must not widen the deviation so far that the next car hides in it.
    deviation_cap: float = 20.0


class Graph:
    """Collects nodes and constants."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: float) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: int | list[int]) -> str:
        node = helper.make_node(kind, inputs, [output], name=output)
        # In the order of their names: the file must come out the same every time.
        node.attribute.extend(helper.make_attribute(key, attributes[key]) for key in sorted(attributes))
        self.nodes.append(node)
        return output

    def window(self, kind: str, source: str, output: str, size_px: int) -> str:
        """A pooling window of this size around every pixel; the borders see zeroes."""
        pads = [size_px // 2] * 4
        more = {"count_include_pad": 1} if kind == "AveragePool" else {}
        return self.node(kind, [source], output, kernel_shape=[size_px, size_px], pads=pads, **more)


def build(shape: Shape) -> onnx.ModelProto:
    graph = Graph()
    graph.node("Cast", ["luma"], "x", to=TensorProto.FLOAT)
    graph.node("Sub", ["x", "mean"], "difference")
    graph.node("Abs", ["difference"], "distance")
    graph.node("Mul", ["deviation", graph.constant("k", shape.deviations)], "spread")
    graph.node("Max", ["spread", graph.constant("floor", shape.floor)], "limit")
    graph.node("Greater", ["distance", "limit"], "differs")
    graph.node("Cast", ["differs"], "changed", to=TensorProto.FLOAT)
    moved = _clean(graph, shape)
    _learn(graph, shape, moved)
    graph.node("Cast", [moved], "mask", to=TensorProto.UINT8)
    return _model(graph, shape)


def _clean(graph: Graph, shape: Shape) -> str:
    graph.window("AveragePool", "changed", "density", shape.neighbours_px)
    graph.node("Greater", ["density", graph.constant("neighbours", shape.neighbours_ratio)], "dense")
    graph.node("Cast", ["dense"], "dense_f", to=TensorProto.FLOAT)
    graph.window("AveragePool", "changed", "core_density", shape.core_px)
    graph.node("Greater", ["core_density", graph.constant("core", shape.core_ratio)], "is_core")
    graph.node("Cast", ["is_core"], "core_f", to=TensorProto.FLOAT)
    graph.window("MaxPool", "core_f", "near_core", shape.core_px + 2)
    graph.node("Mul", ["dense_f", "near_core"], "opened")
    graph.window("MaxPool", "opened", "dilated", shape.closing_px)
    graph.node("Neg", ["dilated"], "inverse")
    graph.window("MaxPool", "inverse", "eroded", shape.closing_px)
    return graph.node("Neg", ["eroded"], "moved")


def _learn(graph: Graph, shape: Shape, moved: str) -> None:
    """Learn at `rate`, but where something moved at rate * (1 + hold): a loiterer must not melt into the background."""
    graph.node("Mul", [moved, "hold"], "held")
    graph.node("Add", ["held", graph.constant("one", 1.0)], "weight")
    graph.node("Mul", ["weight", "rate"], "step")
    graph.node("Mul", ["step", "difference"], "mean_step")
    graph.node("Add", ["mean", "mean_step"], "mean_out")
    graph.node("Min", ["distance", graph.constant("cap", shape.deviation_cap)], "capped")
    graph.node("Sub", ["capped", "deviation"], "deviation_error")
    graph.node("Mul", ["step", "deviation_error"], "deviation_step")
    graph.node("Add", ["deviation", "deviation_step"], "deviation_out")


def _model(graph: Graph, shape: Shape) -> onnx.ModelProto:
    picture = [1, 1, shape.height, shape.width]

    def value(name: str, kind: int, dims: list[int]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, dims)

    inputs = [
        value("luma", TensorProto.UINT8, picture),
        value("mean", TensorProto.FLOAT, picture),
        value("deviation", TensorProto.FLOAT, picture),
        value("rate", TensorProto.FLOAT, []),
        value("hold", TensorProto.FLOAT, []),
    ]
    outputs = [
        value("mask", TensorProto.UINT8, picture),
        value("mean_out", TensorProto.FLOAT, picture),
        value("deviation_out", TensorProto.FLOAT, picture),
    ]
    made = helper.make_graph(graph.nodes, "motion", inputs, outputs, graph.constants)
    # Opset 17 and IR 9 are read by ONNX Runtime 1.14 and later, the oldest that a Jetson ships.
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], producer_name="wayside")
    model.ir_version = 9
    onnx.checker.check_model(model)
    return model


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(build(Shape()).SerializeToString(deterministic=True))
