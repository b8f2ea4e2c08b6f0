"""Every sentence the technician reads, in Thai and in English, one file per room and language.

A key is `file.key`, as in "checks.link.no_carrier". Facts stand in braces: "{interface} has no cable".
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib.resources import files


class Language(StrEnum):
    THAI = "th"
    ENGLISH = "en"


@cache
def texts(language: Language) -> Mapping[str, str]:
    """All sentences of one language, read once."""
    found: dict[str, str] = {}
    folder = files(__name__) / language.value
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        if file.name.endswith(".toml"):
            found |= _flat(file.name.removesuffix(".toml"), tomllib.loads(file.read_text(encoding="utf-8")))
    return found


def say(language: Language, key: str, **facts: object) -> str:
    """The sentence of `key`. A key without a sentence is a bug that a test finds; people still get the key itself."""
    sentence = texts(language).get(key)
    return key if sentence is None else sentence.format(**facts)


def _flat(prefix: str, table: Mapping[str, object]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            found |= _flat(f"{prefix}.{key}", value)
        else:
            found[f"{prefix}.{key}"] = str(value)
    return found
