"""What is drawn on the page is what the agent reads; what cannot be a scene is refused in both languages."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import SetupError
from agent.scene.file import decode_scene
from agent.scene.grammar import (
    Calibration,
    Fire,
    GroundPoint,
    Intrusion,
    Line,
    Loitering,
    Mask,
    Point,
    Scene,
    StoppedVehicle,
    WrongWay,
    Zone,
    ZoneRules,
)
from provisioning.page.steps.scene_file import MAX_DRAWING_BYTES, encode_scene, read_drawing
from provisioning.texts import Language, say, texts

SQUARE = [[0.2, 0.2], [0.8, 0.2], [0.8, 0.9], [0.2, 0.9]]
seconds = st.floats(0, 86_400).map(lambda value: round(value, 3))
fraction = st.integers(0, 10_000).map(lambda value: value / 10_000)


@st.composite
def polygons(draw: st.DrawFn) -> list[Point]:
    """Corners around a centre, so that no two sides cross."""
    x, y = draw(st.floats(0.3, 0.7)), draw(st.floats(0.3, 0.7))
    count = draw(st.integers(3, 12))
    reach = [draw(st.floats(0.1, 0.3)) for _ in range(count)]
    turns = [2 * math.pi * number / count for number in range(count)]
    return [
        (round(x + far * math.cos(turn), 4), round(y + far * math.sin(turn), 4))
        for far, turn in zip(reach, turns, strict=True)
    ]


rules = st.builds(
    ZoneRules,
    intrusion=st.builds(Intrusion, after_s=seconds, vehicles=st.booleans()),
    loitering=st.none() | st.builds(Loitering, after_s=seconds),
    stopped_vehicle=st.none() | st.builds(StoppedVehicle, after_s=seconds),
    wrong_way=st.none() | st.builds(WrongWay, heading_deg=st.integers(0, 359).map(float)),
)
GROUND = Calibration(
    [
        GroundPoint((0.3, 0.5), (0.0, 0.0)),
        GroundPoint((0.7, 0.5), (4.0, 0.0)),
        GroundPoint((0.85, 0.85), (4.0, 8.0)),
        GroundPoint((0.15, 0.85), (0.0, 8.0)),
    ]
)


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    drawn = draw(st.lists(st.tuples(polygons(), rules), max_size=4))
    return Scene(
        camera="c01",
        zones=[Zone(f"zone-{number}", polygon, rule) for number, (polygon, rule) in enumerate(drawn)],
        lines=draw(st.lists(st.just(Line("line-1", ((0.1, 0.2), (0.9, 0.4)))), max_size=1)),
        masks=[Mask(polygon) for polygon in draw(st.lists(polygons(), max_size=2))],
        fire=Fire(enabled=draw(st.booleans())),
        calibration=draw(st.none() | st.just(GROUND)),
    )


@given(scenes())
def test_a_drawing_becomes_a_file_that_the_agent_reads_back_equal(scene: Scene) -> None:
    drawn = read_drawing(msgspec.json.encode(scene), "c01")
    assert drawn == scene
    assert decode_scene(encode_scene(drawn), name="c01.toml") == scene


def drawing(**parts: object) -> bytes:
    return msgspec.json.encode({"camera": "c09", **parts})


def zone(polygon: object = SQUARE, **rules: object) -> dict[str, object]:
    return {"id": "people-1", "polygon": polygon, "rules": rules or {"intrusion": {}}}


def test_the_camera_is_the_paths_and_not_the_drawings() -> None:
    assert read_drawing(drawing(zone=[zone()]), "c01").camera == "c01"


def test_an_empty_drawing_is_a_camera_that_only_records() -> None:
    assert decode_scene(encode_scene(read_drawing(b"{}", "c01")), name="c01.toml") == Scene(camera="c01")


BOW_TIE = [[0.2, 0.2], [0.8, 0.8], [0.8, 0.2], [0.2, 0.8]]
SLIVER = [[0.2, 0.2], [0.2001, 0.2], [0.2, 0.2001]]


@pytest.mark.parametrize(
    ("body", "reason", "number"),
    [
        (drawing(zone=[zone(), {**zone(BOW_TIE), "id": "two"}]), "zone_crosses", 2),
        (drawing(zone=[zone(SLIVER)]), "zone_small", 1),
        (drawing(zone=[{"id": "people-1", "polygon": SQUARE, "rules": {}}]), "zone_without_rule", 1),
        (drawing(mask=[{"polygon": SQUARE}, {"polygon": BOW_TIE}]), "mask_crosses", 2),
        (drawing(mask=[{"polygon": SLIVER}]), "mask_small", 1),
        (drawing(line=[{"id": "l", "points": [[0.5, 0.5], [0.5, 0.505]]}]), "line_short", 1),
        (
            drawing(calibration={"points": [{"image": corner, "ground_m": [0, 0]} for corner in SQUARE]}),
            "ground_same",
            0,
        ),
        (drawing(zone=[zone(), zone()]), "other", 0),
        (drawing(zone=[zone([[0.2, 0.2], [1.2, 0.2], [0.8, 0.9]])]), "unreadable", 0),
        (drawing(zone=[zone(shoot={})]), "unreadable", 0),
        (drawing(zones=[]), "unreadable", 0),
        (b"[]", "unreadable", 0),
        (b"\xff\xfe", "unreadable", 0),
        (b"", "unreadable", 0),
        (b" " * (MAX_DRAWING_BYTES + 1), "too_large", 0),
    ],
)
def test_what_cannot_be_a_scene_says_why_and_which(body: bytes, reason: str, number: int) -> None:
    with pytest.raises(SetupError) as caught:
        encode_scene(read_drawing(body, "c01"))
    facts = caught.value.facts
    assert (facts["reason"], facts["number"]) == (reason, number)
    for language in Language:
        key = f"scene.fault.{reason}"
        assert key in texts(language)
        assert "{" not in say(language, key, number=facts["number"], detail="")


@given(st.binary(max_size=300) | st.lists(st.none() | st.integers() | st.text(max_size=9)).map(msgspec.json.encode))
def test_anything_else_is_refused_and_nothing_breaks(body: bytes) -> None:
    try:
        encode_scene(read_drawing(body, "c01"))
    except SetupError as exc:
        assert exc.facts["reason"]
