"""The contract of a release as one record: what later releases are compared with. Pure."""

from __future__ import annotations

from agent.contract.catalogue import CHANNELS, KINDS, way_of
from agent.contract.schema import Schema, components


def released(version: str) -> Schema:
    """Topics with their quality of service, and every message with the way it goes; no words and no examples."""
    names, parts = components("{name}")
    return {
        "version": version,
        "channels": {
            channel.kind.value: {
                "tail": channel.tail,
                "way": channel.way.value,
                "qos": channel.qos,
                "retain": channel.is_retained,
                "messages": list(channel.messages),
            }
            for channel in CHANNELS
            if channel.is_built
        },
        "messages": {name: {"way": way_of(name).value, "schema": names[name]} for name in sorted(KINDS)},
        "schemas": {name: _without_words(schema) for name, schema in parts.items()},
    }


def _without_words(schema: object) -> object:
    if isinstance(schema, list):
        return [_without_words(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _without_words(value) for key, value in schema.items() if key not in ("description", "title")}
    fields = schema.get("properties")
    if isinstance(fields, dict):
        # A field may well be called `title`.
        made["properties"] = {name: _without_words(each) for name, each in fields.items()}
    return made
