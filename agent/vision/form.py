"""How a user's own detector is fed and read, as its manifest entry says. Pure.

The four kinds are the ways in which detectors give out boxes: `nanodet` as ours, `yolox` as grid cells before exp,
`yolov8` as columns of centre and size, `ssd` as boxes already chosen (TensorFlow's Object Detection API).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from agent.vision.geometry import Label

Index = Annotated[int, msgspec.Meta(ge=0, le=9_999)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
Three = tuple[float, float, float]
Spread = tuple[Positive, Positive, Positive]

# COCO's indices, which most detectors that can be had were trained on.
COCO: dict[Label, list[int]] = {
    Label.PERSON: [0],
    Label.BICYCLE: [1],
    Label.CAR: [2],
    Label.MOTORCYCLE: [3],
    Label.BUS: [5],
    Label.TRUCK: [7],
}


class DetectorForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`width_px`, `height_px`: what it takes. `order`: of its colours; a channel goes in as (level - mean) / std.

    `fit`: the picture at the top left on `pad_level`, or stretched over all of it. `is_last`: channels come last, as in
    TensorFlow. `is_integer`: levels go in as uint8. `bins`: of each side's distribution, where a NanoDet has one
    output. `classes`: which of its classes are which of our road users; the others are left out.
    """

    width_px: Annotated[int, msgspec.Meta(ge=32, le=4096)] = 416
    height_px: Annotated[int, msgspec.Meta(ge=32, le=4096)] = 416
    order: Literal["bgr", "rgb"] = "rgb"
    mean: Three = (0.0, 0.0, 0.0)
    std: Spread = (1.0, 1.0, 1.0)
    fit: Literal["letterbox", "stretch"] = "letterbox"
    pad_level: Annotated[int, msgspec.Meta(ge=0, le=255)] = 114
    is_last: bool = False
    is_integer: bool = False
    bins: Annotated[int, msgspec.Meta(ge=2, le=32)] = 8
    iou_limit: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.6
    classes: dict[Label, list[Index]] = msgspec.field(default_factory=lambda: dict(COCO))


# What its authors trained NanoDet with, in the levels of OpenCV's order.
NANODET: Final = DetectorForm(order="bgr", mean=(103.53, 116.28, 123.675), std=(57.375, 57.12, 58.395))
