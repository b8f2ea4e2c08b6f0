"""JSON Schemas (2020-12) of the contract's messages, from their types. Pure.

What a Python class checks beyond its fields stands in _BEYOND, because no schema can be read off a method.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Final, cast

import msgspec

from agent.contract.catalogue import KINDS, OPEN_WORDS

Schema = dict[str, object]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_TEXT: Final[Schema] = {"type": "string"}
_BEYOND: Final[dict[str, Schema]] = {
    "SnapshotArgs": {
        "oneOf": [
            {"required": ["camera"], "properties": {"camera": _TEXT, "incident": {"type": "null"}}},
            {"required": ["incident"], "properties": {"incident": _TEXT, "camera": {"type": "null"}}},
        ]
    },
    "AgentRestartArgs": {
        "oneOf": [
            {"required": ["process", "camera"], "properties": {"process": {"const": "camera"}, "camera": _TEXT}},
            {"properties": {"process": {"enum": ["all", "node", "vision"]}, "camera": {"type": "null"}}},
        ]
    },
    "GapsArgs": {
        "oneOf": [
            {"required": ["from", "to"], "properties": {"from": _TEXT, "to": _TEXT, "day": {"type": "null"}}},
            {"required": ["day"], "properties": {"day": _TEXT, "from": {"type": "null"}, "to": {"type": "null"}}},
        ]
    },
}


def components(ref: str) -> tuple[dict[str, str], dict[str, Schema]]:
    """The class name of every message of KINDS, and the schema of every class. `ref` is the pattern of references, with
    `{name}` for the class."""
    twins = {kind: _describable(kind) for kind in dict.fromkeys(KINDS.values())}
    _, found = msgspec.json.schema_components(list(twins.values()), ref_template=ref)
    made = {name: _finish(name, cast(Schema, _plain(schema))) for name, schema in found.items()}
    return {name: kind.__name__ for name, kind in KINDS.items()}, dict(sorted(made.items()))


def documents(samples: Mapping[str, object]) -> dict[str, Schema]:
    """One whole schema document for each message, by its name, with the sample as its example."""
    names, parts = components("#/$defs/{name}")
    made = {}
    for name, title in sorted(names.items()):
        needed = reached(parts, title, "#/$defs/")
        document: Schema = {"$schema": DIALECT, "$id": f"urn:wayside:schema:{name}", **parts[title]}
        document["examples"] = [samples[name]]
        if needed:
            document["$defs"] = {each: parts[each] for each in needed}
        made[name] = document
    return made


def reached(parts: Mapping[str, Schema], start: str, prefix: str) -> list[str]:
    """The other classes that a class is made of, directly or not, in order of their names."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for name in _references(parts[waiting.pop()], prefix):
            if name not in seen:
                seen.add(name)
                waiting.append(name)
    return sorted(seen)


def _references(schema: object, prefix: str) -> list[str]:
    if isinstance(schema, dict):
        own = schema.get("$ref")
        inner = [name for value in schema.values() for name in _references(value, prefix)]
        return [own.removeprefix(prefix), *inner] if isinstance(own, str) else inner
    if isinstance(schema, list):
        return [name for value in schema for name in _references(value, prefix)]
    return []


def _finish(name: str, schema: Schema) -> Schema:
    """Descriptions without the source's indentation, what a method checks, and words that may grow."""
    description = schema.get("description")
    if isinstance(description, str):
        schema["description"] = " ".join(inspect.cleandoc(description).split())
    if not schema.get("required", True):
        del schema["required"]
    if name in {words.__name__ for words in OPEN_WORDS}:
        words = schema.pop("enum")
        schema |= {"type": "string", "description": "A word that is not known means: see the reason.", "x-known": words}
    return schema | _BEYOND.get(name, {})


def _plain(schema: object) -> object:
    """A tuple of equals as a list of a fixed length, which every dialect of JSON Schema says alike."""
    if isinstance(schema, list | tuple):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _plain(value) for key, value in schema.items()}
    parts = made.pop("prefixItems", None)
    if isinstance(parts, list):
        (made["items"],) = {json.dumps(each): each for each in parts}.values()
    return made


def _describable(kind: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """The class itself, or its twin with plain defaults: msgspec cannot describe a default of raw JSON."""
    fields = msgspec.structs.fields(kind)
    if not any(isinstance(each.default, msgspec.Raw) for each in fields):
        return kind
    made: list[tuple[str, object, object]] = []
    for each in fields:
        default = each.default
        if isinstance(default, msgspec.Raw):
            plain = json.loads(bytes(default))
            made.append((each.name, each.type, msgspec.field(default_factory=dict) if plain == {} else plain))
        else:
            made.append((each.name, each.type, msgspec.field(default=default, name=each.encode_name)))
    return msgspec.defstruct(
        kind.__name__,
        cast("list[tuple[str, type, object]]", made),
        namespace={"__doc__": kind.__doc__},
        kw_only=True,
        forbid_unknown_fields=kind.__struct_config__.forbid_unknown_fields,
    )
