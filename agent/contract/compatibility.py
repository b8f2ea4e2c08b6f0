"""What a change of the contract would break for those who were built against a release. Pure.

One question for both directions: is everything that one side may say still understood by the other? Going up, today's
node speaks to the centre of the release; going down, the centre of the release speaks to today's node (ADR 36).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, cast

from agent.contract.catalogue import Way

Node = Mapping[str, object]

# Bounds that widen as they grow, and those that widen as they shrink; absent means unbounded.
_UPPER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_LOWER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
# Nobody can compute whether one pattern includes another, so any change of these is one.
_FIXED: Final = ("pattern", "format", "additionalProperties", "oneOf")
_TYPE_NAMES: Final = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


@dataclass(frozen=True, slots=True, order=True)
class Break:
    """`where` is a message and its field, such as `health.disk.free_bytes`, or a topic."""

    where: str
    what: str


def breaks(old: Node, new: Node) -> list[Break]:
    """Everything in `new` that a user of `old` cannot live with; both as agent.contract.release makes them. What is
    only added breaks nobody."""
    found = [*_channels(_map(old, "channels"), _map(new, "channels")), *_messages(old, new)]
    return sorted(set(found))


def _channels(old: Node, new: Node) -> Iterator[Break]:
    for kind, was in old.items():
        before, now = cast(Node, was), new.get(kind)
        if not isinstance(now, Mapping):
            yield Break(kind, "the topic is gone")
            continue
        for fact in ("tail", "way", "qos", "retain"):
            if before[fact] != now[fact]:
                yield Break(kind, f"{fact} was {before[fact]} and is {now[fact]}")
        for message in set(cast("list[str]", before["messages"])) - set(cast("list[str]", now["messages"])):
            yield Break(kind, f"the message {message} is gone")


def _messages(old: Node, new: Node) -> Iterator[Break]:
    after = _map(new, "messages")
    for name, was in _map(old, "messages").items():
        before, now = cast(Node, was), after.get(name)
        if not isinstance(now, Mapping):
            yield Break(name, "the message is gone")
        elif before["way"] != now["way"]:
            yield Break(name, "the message goes the other way")
        else:
            pair = _Pair(_map(old, "schemas"), _map(new, "schemas"), Way(str(before["way"])))
            yield from pair.of_classes(name, str(before["schema"]), str(now["schema"]), frozenset())


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two sets of schemas. `way` says which is spoken and which is heard."""

    old: Node
    new: Node
    way: Way

    def of_classes(self, where: str, old: str, new: str, seen: frozenset[tuple[str, str]]) -> Iterator[Break]:
        if (old, new) not in seen:
            seen |= {(old, new)}
            yield from self._of(where, cast(Node, self.old[old]), cast(Node, self.new[new]), seen)

    def _of(self, where: str, old: Node, new: Node, seen: frozenset[tuple[str, str]]) -> Iterator[Break]:
        if "$ref" in old and "$ref" in new:
            yield from self.of_classes(where, str(old["$ref"]), str(new["$ref"]), seen)
            return
        olds, news = _branches(old, self.old), _branches(new, self.new)
        spoken, heard = (news, olds) if self.way is Way.UP else (olds, news)
        for each in spoken:
            problems = [list(self._between(where, *self._in_time(each, other), seen)) for other in heard]
            if not any(found == [] for found in problems):
                # Told by the branch that comes nearest.
                yield from min(problems, key=len)

    def _in_time(self, spoken: Node, heard: Node) -> tuple[Node, Node]:
        return (heard, spoken) if self.way is Way.UP else (spoken, heard)

    def _between(self, where: str, old: Node, new: Node, seen: frozenset[tuple[str, str]]) -> Iterator[Break]:
        spoken, heard = (new, old) if self.way is Way.UP else (old, new)
        if not _types(spoken) <= _types(heard):
            yield Break(where, f"its type was {_kind(old)} and is {_kind(new)}")
            return
        yield from _words(where, spoken, heard)
        yield from _bounds(where, spoken, heard)
        for fact in _FIXED:
            if old.get(fact) != new.get(fact) and not _is_schema(old.get(fact), new.get(fact)):
                yield Break(where, f"its {fact} has changed")
        yield from self._fields(where, old, new, seen)
        for part in ("items", "additionalProperties"):
            if _is_schema(old.get(part), new.get(part)):
                yield from self._of(f"{where}[]", _map(old, part), _map(new, part), seen)

    def _fields(self, where: str, old: Node, new: Node, seen: frozenset[tuple[str, str]]) -> Iterator[Break]:
        before, now = _map(old, "properties"), _map(new, "properties")
        for name, was in before.items():
            inner = f"{where}.{name}"
            if name not in now:
                yield Break(inner, "the field is gone")
                continue
            field = cast(Node, now[name])
            if cast(Node, was).get("default") != field.get("default") and "default" in cast(Node, was):
                yield Break(inner, "its default has changed, which is what its absence means")
            yield from self._of(inner, cast(Node, was), field, seen)
        spoken, heard = (new, old) if self.way is Way.UP else (old, new)
        for name in _required(heard) - _required(spoken):
            what = "is no longer always there" if self.way is Way.UP else "is required now"
            if name in before or self.way is Way.DOWN:
                yield Break(f"{where}.{name}", f"the field {what}")


def _branches(schema: Node, classes: Node) -> list[Node]:
    """The alternatives of a schema, references followed."""
    if "$ref" in schema:
        return _branches(cast(Node, classes[str(schema["$ref"])]), classes)
    several = schema.get("anyOf")
    if isinstance(several, list):
        return [branch for each in several for branch in _branches(each, classes)]
    return [schema]


def _words(where: str, spoken: Node, heard: Node) -> Iterator[Break]:
    if "enum" not in heard:
        return
    if "enum" not in spoken:
        yield Break(where, "it says any word where only some were understood")
        return
    for word in cast("list[object]", spoken["enum"]):
        if word not in cast("list[object]", heard["enum"]):
            yield Break(where, f"the word {word} is not understood")


def _bounds(where: str, spoken: Node, heard: Node) -> Iterator[Break]:
    for bound in (*_UPPER, *_LOWER):
        said, limit = spoken.get(bound), heard.get(bound)
        if not isinstance(limit, int | float):
            continue
        is_within = isinstance(said, int | float) and (said <= limit if bound in _UPPER else said >= limit)
        if not is_within:
            yield Break(where, f"{bound} {limit} is overstepped")


def _types(schema: Node) -> set[str]:
    """The JSON types that a schema admits, an integer being a number as well."""
    if "enum" in schema:
        return {_TYPE_NAMES[type(word)] for word in cast("list[object]", schema["enum"])}
    kind = schema.get("type")
    if kind is None:
        return {*_TYPE_NAMES.values(), "array", "object"}
    return {"number", "integer"} if kind == "number" else {str(kind)}


def _kind(schema: Node) -> object:
    return schema.get("type", "one of some words" if "enum" in schema else "anything")


def _is_schema(old: object, new: object) -> bool:
    return isinstance(old, Mapping) and isinstance(new, Mapping)


def _required(schema: Node) -> set[str]:
    return set(cast("list[str]", schema.get("required", [])))


def _map(node: Node, key: str) -> Node:
    found = node.get(key, {})
    return found if isinstance(found, Mapping) else {}
