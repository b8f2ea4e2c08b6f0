"""A scene drawn on the page as the TOML file that the agent reads, and what is wrong with a drawing. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import msgspec
import tomli_w

from agent.errors import ConfigError, SetupError
from agent.scene.file import decode_scene
from agent.scene.grammar import Scene
from agent.scene.zone import area_of, crosses_itself

# A finger's width is 5 % of a phone's screen: what encloses less than 1 % by 1 % of the picture was a slip.
_LEAST_AREA: Final = 1e-4
_LEAST_LENGTH: Final = 0.02
# A drawing of all there may be, with decimals to spare, is below 64 kB.
MAX_DRAWING_BYTES: Final = 65_536

_HEAD: Final = "# Drawn on the node's page. Coordinates are fractions of the picture, x right, y down.\n"


def read_drawing(body: bytes, camera: str) -> Scene:
    """The scene that a page sent as JSON, for this camera.

    Raises SetupError: `reason` is the word of the sentence `scene.fault.{reason}`, `number` says which, from 1.
    """
    if len(body) > MAX_DRAWING_BYTES:
        raise _refused("too_large")
    try:
        scene = msgspec.json.decode(body, type=Scene, strict=True)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise _refused("unreadable", detail=str(exc)[:200]) from exc
    scene = msgspec.structs.replace(scene, camera=camera)
    for reason, number in _faults(scene):
        raise _refused(reason, number)
    return scene


def encode_scene(scene: Scene) -> str:
    """The scene as TOML that `decode_scene` reads back equal. Raises SetupError for one that it would refuse."""
    text = _HEAD + tomli_w.dumps(_without_nothing(msgspec.to_builtins(scene)))
    try:
        decode_scene(text, name=f"{scene.camera or 'scene'}.toml")
    except ConfigError as exc:
        key = exc.facts.get("key", "")
        raise _refused("other", detail=f"{key}: {exc.remedy}") from exc
    return text


def _refused(reason: str, number: int = 0, detail: str = "") -> SetupError:
    return SetupError(reason=reason, number=number, detail=detail)


def _without_nothing(table: dict[str, object]) -> dict[str, object]:
    """TOML has no null: what is not there is left out."""
    return {key: _plain(value) for key, value in table.items() if value is not None}


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return _without_nothing(value)
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _faults(scene: Scene) -> Iterator[tuple[str, int]]:
    """In the words of whoever draws; what they cannot cause is left to `decode_scene`."""
    for number, zone in enumerate(scene.zones, 1):
        if zone.rules == type(zone.rules)():
            yield "zone_without_rule", number
        yield from _outline_faults("zone", number, zone.polygon)
    for number, mask in enumerate(scene.masks, 1):
        yield from _outline_faults("mask", number, mask.polygon)
    for number, line in enumerate(scene.lines, 1):
        if math.dist(*line.points) < _LEAST_LENGTH:
            yield "line_short", number
    if scene.calibration is not None:
        points = scene.calibration.points
        if len({point.ground_m for point in points}) < len(points):
            yield "ground_same", 0


def _outline_faults(what: str, number: int, polygon: list[tuple[float, float]]) -> Iterator[tuple[str, int]]:
    # The two halves of a bow tie cancel out in its area.
    if crosses_itself(polygon):
        yield f"{what}_crosses", number
    elif area_of(polygon) < _LEAST_AREA:
        yield f"{what}_small", number
