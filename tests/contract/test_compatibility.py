"""A change that would break somebody who was built against a release is named; what is only added is let through."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from agent import __version__
from agent.contract.compatibility import Break, breaks
from agent.contract.release import released

RELEASED = sorted((Path(__file__).parents[2] / "docs" / "released").glob("*.json"))
PART = {
    "type": "object",
    "properties": {"x": {"type": "integer", "minimum": 0, "maximum": 9}, "next": {"$ref": "Part"}},
    "required": ["x"],
}
MESSAGE = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": "^a$", "maxLength": 4},
        "size": {"anyOf": [{"type": "number"}, {"type": "null"}], "default": None},
        "word": {"$ref": "Word"},
        "parts": {"type": "array", "items": {"$ref": "Part"}},
        "flow": {"type": "object", "additionalProperties": {"type": "integer"}, "default": {}},
    },
    "required": ["id", "word"],
}
ALL = {"Message": MESSAGE, "Part": PART, "Word": {"enum": ["free", "busy"]}}
CHANNEL = {"tail": "m", "way": "up", "qos": 1, "retain": True, "messages": ["m"]}


def contract(way: str) -> dict[str, object]:
    schemas = copy.deepcopy(ALL)
    if way == "down":
        schemas["Message"]["additionalProperties"] = False
    return {
        "version": "1",
        "channels": {"m": {**CHANNEL, "way": way}},
        "messages": {"m": {"way": way, "schema": "Message"}},
        "schemas": schemas,
    }


def fields(schemas: dict, name: str = "Message") -> dict:
    return schemas[name]["properties"]


def drop(name: str) -> Callable[[dict], object]:
    return lambda schemas: fields(schemas).pop(name)


def put(name: str, schema: object, part: str = "Message") -> Callable[[dict], object]:
    return lambda schemas: fields(schemas, part).update({name: schema})


def require(*names: str, part: str = "Message") -> Callable[[dict], object]:
    return lambda schemas: schemas[part].update(required=list(names))


def words(*names: str) -> Callable[[dict], object]:
    return lambda schemas: schemas["Word"].update(enum=list(names))


def added_and_required(schemas: dict) -> None:
    put("new", {"type": "string"})(schemas)
    require("id", "word", "new")(schemas)


X = {"type": "integer", "minimum": 0, "maximum": 9}
ID = {"type": "string", "pattern": "^a$", "maxLength": 4}


@pytest.mark.parametrize(
    ("change", "breaks_up", "breaks_down"),
    [
        (lambda schemas: None, "", ""),
        (put("new", {"type": "string", "default": ""}), "", ""),
        (added_and_required, "", "m.new"),
        (drop("size"), "m.size", "m.size"),
        (put("id", {"type": "integer"}), "m.id", "m.id"),
        (put("size", {"type": "number"}), "", "m.size"),
        (put("size", {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}), "", "m.size"),
        (put("size", {"anyOf": [{"type": "number"}, {"type": "null"}], "default": 1}), "m.size", "m.size"),
        (put("word", {"type": "string"}), "m.word", ""),
        (words("free"), "", "m.word"),
        (words("free", "busy", "jammed"), "m.word", ""),
        (require("id"), "m.word", ""),
        (require("id", "word", "parts"), "", "m.parts"),
        (put("id", {**ID, "maxLength": 5}), "m.id", ""),
        (put("id", {**ID, "maxLength": 3}), "", "m.id"),
        (put("id", {**ID, "pattern": "^b$"}), "m.id", "m.id"),
        (put("x", {**X, "maximum": 10}, "Part"), "m.parts[].x", ""),
        (put("x", {**X, "minimum": 1}, "Part"), "", "m.parts[].x"),
        (put("x", {"type": "integer"}, "Part"), "m.parts[].x", ""),
        (put("x", {"type": "number"}, "Part"), "m.parts[].x", ""),
        (put("parts", {"type": "array", "items": {"type": "string"}}), "m.parts[]", "m.parts[]"),
        (
            put("flow", {"type": "object", "additionalProperties": {"type": "string"}, "default": {}}),
            *("m.flow[]", "m.flow[]"),
        ),
    ],
)
def test_what_a_change_of_a_message_breaks(change: Callable[[dict], object], breaks_up: str, breaks_down: str) -> None:
    for way, expected in (("up", breaks_up), ("down", breaks_down)):
        old, new = contract(way), contract(way)
        change(new["schemas"])
        assert {each.where for each in breaks(old, new)} == ({expected} if expected else set())


@pytest.mark.parametrize(
    ("fact", "value", "what"),
    [
        ("tail", "n", "tail was m and is n"),
        ("qos", 0, "qos was 1 and is 0"),
        ("retain", False, "retain was True and is False"),
        ("messages", [], "the message m is gone"),
        ("messages", ["m", "other"], ""),
    ],
)
def test_what_a_change_of_a_topic_breaks(fact: str, value: object, what: str) -> None:
    new = contract("up")
    new["channels"]["m"][fact] = value
    assert breaks(contract("up"), new) == ([Break("m", what)] if what else [])


def test_a_topic_or_message_that_is_gone_is_named() -> None:
    assert breaks(contract("up"), {**contract("up"), "channels": {}}) == [Break("m", "the topic is gone")]
    assert breaks(contract("up"), {**contract("up"), "messages": {}}) == [Break("m", "the message is gone")]


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: path.stem)
def test_nobody_who_was_built_against_a_release_is_broken(path: Path) -> None:
    old = json.loads(path.read_text(encoding="utf-8"))
    assert breaks(old, released(__version__)) == []


def test_the_contract_of_the_first_release_is_kept() -> None:
    assert "0.1.0" in {path.stem for path in RELEASED}


def test_a_real_field_taken_from_a_real_message_is_missed() -> None:
    new = copy.deepcopy(released(__version__))
    del new["schemas"]["DiskHealth"]["properties"]["forecast_days"]
    assert Break("health.disk.forecast_days", "the field is gone") in breaks(released(__version__), new)
    new = copy.deepcopy(released(__version__))
    new["schemas"]["IncidentKind"]["x-known"].append("landslide")
    assert breaks(released(__version__), new) == []
