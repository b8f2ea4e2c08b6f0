"""Strict TOML: a text as a struct, or the path of the key that is wrong and what to do about it. Pure."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from agent.errors import ConfigError

T = TypeVar("T", bound=msgspec.Struct)


def decode_toml(text: str, kind: type[T], *, name: str, sections: Iterable[type[msgspec.Struct]]) -> T:
    """The document in `text` as `kind`; `name` is the file's name for messages, `sections` are the structs whose keys
    may have been meant by a mistyped one. Raises ConfigError."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(file=name, remedy=f"it is not valid TOML: {exc}") from exc
    try:
        return msgspec.convert(raw, kind, strict=True)
    except msgspec.ValidationError as exc:
        raise _explained(str(exc), name, sections) from exc


def _explained(problem: str, name: str, sections: Iterable[type[msgspec.Struct]]) -> ConfigError:
    """msgspec's message in a technician's words, with its path and the nearest known key for an unknown one."""
    text, _, path = problem.partition(" - at ")
    path = path.strip("`").removeprefix("$").removeprefix(".")
    unknown = re.search(r"unknown field `([^`]*)`", text)
    if unknown is None:
        # An id with a capital, a missing key, a number out of range: msgspec's own words, after the path.
        return ConfigError(file=name, key=path, remedy=text[:1].lower() + text[1:])
    key = unknown.group(1)
    known = sorted({field.encode_name for section in sections for field in msgspec.structs.fields(section)})
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean `{near[0]}`?" if near else "remove it or correct its name"
    return ConfigError(file=name, key=f"{path}.{key}" if path else key, remedy=f"no such key; {hint}")
