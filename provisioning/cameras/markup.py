"""XML from strangers as a small tree: no DTD, no entities of its own, bounded in bytes, depth and number.

Prefixes and namespaces are dropped: cameras disagree about them, and no two elements that we read differ in them alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from agent.errors import DiscoveryError

# A profile list of an NVR with 64 channels is 400 kB; nothing that we ask for is larger.
MAX_BYTES: Final = 1024 * 1024
_MAX_DEPTH: Final = 48
_MAX_ELEMENTS: Final = 40_000
# Names and tokens for people; ONVIF's ReferenceToken has at most 64 characters (onvif.xsd).
_MAX_TEXT: Final = 64


@dataclass(slots=True)
class Element:
    """One element: local name, attributes by local name, its own text, its children."""

    name: str
    attributes: dict[str, str]
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def child(self, *path: str) -> Element | None:
        """The first descendant along local names, None where there is none."""
        found: Element | None = self
        for name in path:
            found = next((one for one in found.children if one.name == name), None) if found else None
        return found

    def every(self, name: str) -> Iterator[Element]:
        """Descendants of this name, in the order of the document."""
        for one in self.children:
            if one.name == name:
                yield one
            yield from one.every(name)

    def value(self, *path: str) -> str:
        """The text along local names, trimmed; empty where there is none."""
        found = self.child(*path)
        return found.text.strip() if found else ""

    def number(self, *path: str, least: float = 0, most: float) -> float:
        """The number along local names; 0 where there is none or it lies outside of [least, most]."""
        return bounded(self.value(*path), least=least, most=most)


def bounded(text: str, *, least: float = 0, most: float) -> float:
    """A decimal number within bounds, else 0."""
    try:
        value = float(text[:32])
    except ValueError:
        return 0.0
    # NaN is in no interval.
    return value if least <= value <= most else 0.0


def shown(text: str) -> str:
    """A stranger's text for people: printable, on one line, at most 64 characters."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())[:_MAX_TEXT]


def parse_xml(data: bytes) -> Element:
    """The root element. Raises DiscoveryError(reason="malformed") for anything that is not plain, well-formed XML."""
    if len(data) > MAX_BYTES:
        raise _malformed("too large")
    # Told before expat sees it; in another encoding than UTF-8 its own handler tells (below).
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise _malformed("a DTD")
    builder = _Builder()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.characters
    parser.StartDoctypeDeclHandler = builder.doctype
    parser.EntityDeclHandler = builder.doctype
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as exc:
        # ValueError and LookupError: a declared encoding that Python does not have, or that lies.
        raise _malformed(str(exc)) from exc
    if builder.root is None:
        raise _malformed("empty")
    return builder.root


class _Builder:
    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > _MAX_ELEMENTS or len(self._open) >= _MAX_DEPTH:
            raise _malformed("too deep or too many elements")
        element = Element(_local(name), {_local(key): value for key, value in attributes.items()})
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def end(self, _name: str) -> None:
        self._open.pop()

    def characters(self, text: str) -> None:
        self._open[-1].text += text

    def doctype(self, *_declaration: object) -> None:
        raise _malformed("a DTD")


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


def _malformed(problem: str) -> DiscoveryError:
    return DiscoveryError(reason="malformed", problem=problem, remedy="restart the camera or update its firmware")
