"""Boxes as fractions of the picture, and what a box can be of. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Label(StrEnum):
    """The road users that the detector knows; values are `class` on the wire."""

    PERSON = "person"
    BICYCLE = "bicycle"
    CAR = "car"
    MOTORCYCLE = "motorcycle"
    BUS = "bus"
    TRUCK = "truck"

    @property
    def is_vehicle(self) -> bool:
        """Whether it has a motor or wheels: all but a person."""
        return self is not Label.PERSON


@dataclass(frozen=True, slots=True)
class Box:
    """x, y is the top left corner; x right, y down; all four are fractions of the picture."""

    x: float
    y: float
    w: float
    h: float

    @property
    def right(self) -> float:
        return self.x + self.w

    @property
    def bottom(self) -> float:
        return self.y + self.h

    @property
    def area(self) -> float:
        return self.w * self.h

    @property
    def centre(self) -> tuple[float, float]:
        return self.x + self.w / 2, self.y + self.h / 2

    @property
    def foot(self) -> tuple[float, float]:
        """Where it stands on the ground: the middle of its lower edge."""
        return self.x + self.w / 2, self.y + self.h


@dataclass(frozen=True, slots=True)
class Detection:
    """One box in one frame. `score` lies in (0, 1], after non-maximum suppression."""

    box: Box
    label: Label
    score: float


def intersection(a: Box, b: Box) -> float:
    """The area that both cover, as a fraction of the picture."""
    width = min(a.right, b.right) - max(a.x, b.x)
    height = min(a.bottom, b.bottom) - max(a.y, b.y)
    return max(width, 0.0) * max(height, 0.0)


def iou(a: Box, b: Box) -> float:
    """Intersection over union, 0 to 1."""
    shared = intersection(a, b)
    union = a.area + b.area - shared
    return shared / union if union > 0 else 0.0


def union(a: Box, b: Box) -> Box:
    """The smallest box around both."""
    left, top = min(a.x, b.x), min(a.y, b.y)
    return Box(left, top, max(a.right, b.right) - left, max(a.bottom, b.bottom) - top)


# A rider's box and the machine's share the legs and the saddle: a third of the smaller one and more.
_SADDLE_SHARE = 0.3


def may_ride(one: Label, other: Label) -> bool:
    """Whether one of the two is a two-wheeler and the other a person."""
    return {one, other} in ({Label.PERSON, Label.BICYCLE}, {Label.PERSON, Label.MOTORCYCLE})


def share_a_saddle(a: Box, b: Box) -> bool:
    """Whether a person and a two-wheeler in these boxes may be one road user."""
    return intersection(a, b) >= _SADDLE_SHARE * min(a.area, b.area)


def clip(box: Box) -> Box:
    """The part of the box that lies in the picture; without area when none does."""
    x, y = min(max(box.x, 0.0), 1.0), min(max(box.y, 0.0), 1.0)
    return Box(x, y, max(min(box.right, 1.0) - x, 0.0), max(min(box.bottom, 1.0) - y, 0.0))
