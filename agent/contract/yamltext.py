"""A document as YAML, always the same text for the same document. Pure.

Strings are written as JSON writes them, which YAML reads alike (YAML 1.2, section 1.3), so nothing needs a library.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

# Plain keys that no YAML reader takes for a number, a boolean or null.
_PLAIN_KEY: Final = re.compile(r"\$?[A-Za-z][A-Za-z0-9_.-]*\Z")
_BARE_EXPONENT: Final = re.compile(r"(?<![\d.])(\d+)e(?=[+-]\d+\Z)")
_NOT_TEXT: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def to_yaml(document: dict[str, object]) -> str:
    """Block style, two spaces, keys in the document's own order."""
    return "\n".join(_mapping(document, "")) + "\n"


def _mapping(mapping: dict[str, object], indent: str) -> Iterator[str]:
    for key, value in mapping.items():
        yield from _entry(f"{indent}{_key(key)}:", value, indent)


def _sequence(items: list[object], indent: str) -> Iterator[str]:
    for item in items:
        if isinstance(item, dict) and item:
            first, *rest = _mapping(item, f"{indent}  ")
            yield f"{indent}- {first.lstrip(' ')}"
            yield from rest
        else:
            yield from _entry(f"{indent}-", item, indent)


def _entry(head: str, value: object, indent: str) -> Iterator[str]:
    if isinstance(value, dict) and value:
        yield head
        yield from _mapping(value, f"{indent}  ")
    elif isinstance(value, list | tuple) and value and not all(isinstance(each, int | str) for each in value):
        yield head
        yield from _sequence(list(value), f"{indent}  ")
    else:
        yield f"{head} {_scalar(value)}"


def _scalar(value: object) -> str:
    """YAML 1.1, which many readers still speak, takes 1e-05 for text and 1.0e-05 for a number."""
    text = json.dumps(value, ensure_ascii=False)
    return text if isinstance(value, str) else _BARE_EXPONENT.sub(r"\1.0e", text)


def _key(key: str) -> str:
    return key if _PLAIN_KEY.match(key) and key.lower() not in _NOT_TEXT else json.dumps(key, ensure_ascii=False)
