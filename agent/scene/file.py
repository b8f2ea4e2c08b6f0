"""Reading a scene file: strict TOML in, a Scene whose meaning has been checked out. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

from agent.errors import ConfigError
from agent.scene.grammar import Approach, Calibration, Line, Point, Scene, SceneSection
from agent.scene.zone import area_of, crosses_itself
from agent.toml import decode_toml

# A thousandth of the picture: two pixels of 1080p. Whatever is smaller was not drawn on purpose.
_MIN_LENGTH = 0.001
_MIN_AREA = _MIN_LENGTH**2


def decode_scene(text: str, *, name: str) -> Scene:
    """The scene in `text`; `name` is the file's name for messages.

    Raises ConfigError with the path of the offending key and what to do.
    """
    scene = decode_toml(text, Scene, name=name, sections=SceneSection.__subclasses__())
    for path, remedy in _faults(scene):
        raise ConfigError(file=name, key=path, remedy=remedy)
    return scene


def _faults(scene: Scene) -> Iterator[tuple[str, str]]:
    """(path, remedy) of what is well formed and makes no sense, the first in the file first."""
    yield from _repeated("zone", [zone.id for zone in scene.zones])
    yield from _repeated("line", [line.id for line in scene.lines])
    yield from _repeated("approach", [approach.id for approach in scene.approaches])
    for index, zone in enumerate(scene.zones):
        yield from _polygon_faults(f"zone[{index}].polygon", zone.polygon)
    for index, line in enumerate(scene.lines):
        yield from _line_faults(f"line[{index}].points", line)
    for index, approach in enumerate(scene.approaches):
        yield from _approach_faults(f"approach[{index}]", approach, scene)
    for index, mask in enumerate(scene.masks):
        yield from _polygon_faults(f"mask[{index}].polygon", mask.polygon)
    if scene.calibration is not None:
        yield from _calibration_faults(scene.calibration)


def _repeated(kind: str, ids: Sequence[str]) -> Iterator[tuple[str, str]]:
    for index, name in enumerate(ids):
        if name in ids[:index]:
            yield f"{kind}[{index}].id", f"two of them are called {name}; rename one"


def _polygon_faults(path: str, polygon: Sequence[Point]) -> Iterator[tuple[str, str]]:
    if area_of(polygon) < _MIN_AREA:
        yield path, "it encloses no area; draw at least three corners that do not lie on one line"
    elif crosses_itself(polygon):
        yield path, "its outline crosses itself; list the corners in the order you walk around it"


def _line_faults(path: str, line: Line) -> Iterator[tuple[str, str]]:
    if math.dist(*line.points) < _MIN_LENGTH:
        yield path, "its two points are the same; a line needs a length"


def _approach_faults(path: str, approach: Approach, scene: Scene) -> Iterator[tuple[str, str]]:
    if approach.zone not in {zone.id for zone in scene.zones}:
        yield f"{path}.zone", f"no zone is called {approach.zone}; {_known(zone.id for zone in scene.zones)}"
    if approach.line not in {line.id for line in scene.lines}:
        yield f"{path}.line", f"no line is called {approach.line}; {_known(line.id for line in scene.lines)}"
    if approach.jammed_ratio >= approach.busy_ratio:
        yield f"{path}.jammed_ratio", "it must be below busy_ratio: jammed is slower than busy"


def _known(names: Iterable[str]) -> str:
    listed = ", ".join(names)
    return f"the file has {listed}" if listed else "the file has none"


def _calibration_faults(calibration: Calibration) -> Iterator[tuple[str, str]]:
    """Four points of which three lie on one line fix no plane (Hartley and Zisserman, 4.1: no three collinear)."""
    for what, points in (
        ("image", [point.image for point in calibration.points]),
        ("ground_m", [point.ground_m for point in calibration.points]),
    ):
        spread = max(max(axis) - min(axis) for axis in zip(*points, strict=True))
        if not math.isfinite(spread):
            yield "calibration.points", f"{what} holds a number that is not finite"
        elif not _spans_a_plane(points, spread):
            yield "calibration.points", f"{what}: the points lie on one line; spread them over the ground"


def _spans_a_plane(points: Sequence[tuple[float, float]], spread: float) -> bool:
    """Whether four of the points form a quadrilateral no corner of which lies on a line through two others."""
    if spread <= 0:
        return False

    def is_bent(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
        # A thousandth of the square of the spread: three points of a 10 m grid that bend by 1 cm are on one line.
        return abs((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])) > 1e-3 * spread * spread

    return any(all(is_bent(*three) for three in combinations(four, 3)) for four in combinations(points[:16], 4))
