"""Builds models/motion_320x240.onnx: running mean and mean absolute deviation per pixel as tensors in and out.

    python models/export/motion.py models/motion_320x240.onnx

The same input gives the same bytes. Source of the idea: running Gaussian average, Wren et al. 1997 (Pfinder), with the
deviation kept as a mean of absolute differences, which needs no square root. A pixel is changed when it differs from
its mean by more than k deviations and a floor; it counts near a place where enough changed; small holes are closed.
Passes over the picture are what costs, so each step is put where it needs the fewest (ADR 46). Figures stand in
models/cards/motion-320x240.md.
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
    # A pixel counts when it lies near a place where nine twentieths of 8 x 8 changed: single specks of noise never do.
    # This and the closing work on pixels of twice the size.
    core_half_px: int = 4
    core_ratio: float = 0.45
    near_half_px: int = 5
    # Holes are filled where, after a closing of 10 x 10, more than this part of 2 x 2 is covered.
    closing_half_px: int = 5
    filled_ratio: float = 0.7
    # Where a camera's black and its knee are in `luma`, which is raised by 8 and capped (agent/vision/motion.py).
    black_level: float = 8.0
    white_level: float = 243.0


class Graph:
    """Collects nodes and constants."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: float | list[float]) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: int | float | str | list[int]) -> str:
        node = helper.make_node(kind, inputs, [output], name=output)
        # In the order of their names: the file must come out the same every time.
        node.attribute.extend(helper.make_attribute(key, attributes[key]) for key in sorted(attributes))
        self.nodes.append(node)
        return output

    def window(self, kind: str, source: str, output: str, size_px: int) -> str:
        """A pooling window of this size around every pixel, one more before it than after where it is even; the borders
        see zeroes."""
        pads = [size_px // 2] * 2 + [(size_px - 1) // 2] * 2
        more = {"count_include_pad": 1} if kind == "AveragePool" else {}
        return self.node(kind, [source], output, kernel_shape=[size_px, size_px], pads=pads, **more)


def build(shape: Shape) -> onnx.ModelProto:
    graph = Graph()
    _relight(graph, shape)
    graph.node("Sub", ["own", "shown"], "difference")
    graph.node("Abs", ["difference"], "distance")
    graph.node("Mul", ["per_light", graph.constant("floor", shape.floor)], "own_floor")
    graph.node("Clip", ["deviation", "own_floor"], "limit")
    graph.node("Greater", ["distance", "limit"], "differs")
    graph.node("Cast", ["differs"], "changed", to=TensorProto.FLOAT)
    is_moved = _clean(graph, shape)
    _learn(graph, shape, is_moved)
    graph.node("Cast", [is_moved], "mask", to=TensorProto.UINT8)
    return _model(graph, shape)


def _relight(graph: Graph, shape: Shape) -> None:
    """The frame as it would look in the light of the first one, and of the mean what a camera can show in the light of
    this one. The state keeps its own light, so that no white is lost in a bright spell."""
    graph.node("Cast", ["luma"], "x", to=TensorProto.FLOAT)
    graph.node("Mul", ["x", "per_light"], "own")
    graph.node("Mul", ["per_light", graph.constant("black", shape.black_level)], "own_black")
    graph.node("Mul", ["per_light", graph.constant("white", shape.white_level)], "own_white")
    graph.node("Clip", ["mean", "own_black", "own_white"], "shown")


def _clean(graph: Graph, shape: Shape) -> str:
    """Names a bool tensor, true where it moved: what changed near a core, and the small holes in it.

    All that has a window works at half the size, where it costs a quarter. It ends in a level per pixel that `changed`,
    0 or 1, must exceed: 1.5 far from a core, 0.5 near one, and less than 0 in a hole that is filled.
    """
    graph.node("AveragePool", ["changed"], "half", kernel_shape=[2, 2], strides=[2, 2])
    graph.window("AveragePool", "half", "core_density", shape.core_half_px)
    graph.node("Greater", ["core_density", graph.constant("core", shape.core_ratio)], "is_core")
    graph.node("Cast", ["is_core"], "core_f", to=TensorProto.FLOAT)
    graph.window("MaxPool", "core_f", "near", shape.near_half_px)
    graph.node("Mul", ["half", "near"], "opened")
    graph.window("MaxPool", "opened", "dilated", shape.closing_half_px)
    graph.node("Neg", ["dilated"], "inverse")
    graph.window("MaxPool", "inverse", "unclosed", shape.closing_half_px)
    graph.node("Less", ["unclosed", graph.constant("filled", -shape.filled_ratio)], "is_filled")
    graph.node("Cast", ["is_filled"], "filled_f", to=TensorProto.FLOAT)
    # How many of the four pixels moved, for whoever wants pieces rather than pixels.
    graph.node("Max", ["opened", "filled_f"], "covered")
    graph.node("Mul", ["covered", graph.constant("four", 4.0)], "cells_f")
    graph.node("Cast", ["cells_f"], "cells", to=TensorProto.UINT8)
    graph.node("Mul", ["filled_f", graph.constant("minus_two", -2.0)], "less")
    graph.node("Sub", [graph.constant("far", 1.5), "near"], "unless_near")
    graph.node("Add", ["unless_near", "less"], "level_half")
    graph.constant("twice", [1, 1, 2, 2])
    graph.node(
        "Resize",
        ["level_half", "", "twice"],
        "level",
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    return graph.node("Greater", ["changed", "level"], "is_moved")


def _learn(graph: Graph, shape: Shape, is_moved: str) -> None:
    """Learn at `rate`, but where something moved at rate * (1 + hold): a loiterer must not melt into the background."""
    graph.node("Mul", ["rate", "hold"], "rate_held")
    graph.node("Cast", [is_moved], "moved", to=TensorProto.FLOAT)
    graph.node("Mul", ["moved", "rate_held"], "held")
    graph.node("Add", ["held", "rate"], "step")
    graph.node("Mul", ["step", "difference"], "mean_step")
    graph.node("Add", ["mean", "mean_step"], "mean_out")
    # min(deviations * distance, 1): scaled and capped in one pass.
    graph.node("HardSigmoid", ["distance"], "capped", alpha=shape.deviations, beta=0.0)
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
        value("per_light", TensorProto.FLOAT, []),
    ]
    outputs = [
        value("mask", TensorProto.UINT8, picture),
        value("mean_out", TensorProto.FLOAT, picture),
        value("deviation_out", TensorProto.FLOAT, picture),
        value("cells", TensorProto.UINT8, [1, 1, shape.height // 2, shape.width // 2]),
    ]
    made = helper.make_graph(graph.nodes, "motion", inputs, outputs, graph.constants)
    # Opset 17 and IR 9 are read by ONNX Runtime 1.14 and later, the oldest that a Jetson ships.
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], producer_name="wayside")
    model.ir_version = 9
    onnx.checker.check_model(model)
    return model


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(build(Shape()).SerializeToString(deterministic=True))
