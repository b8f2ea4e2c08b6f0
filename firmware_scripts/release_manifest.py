"""What a release says of itself: the manifest, decoded strictly, and versions. Needs Python 3.11's standard library."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

# The wheels of two architectures for three Pythons are about 0.6 GB.
MAX_BUNDLE_BYTES: Final = 2 << 30

TOP_FOLDERS: Final = ("firmware_scripts", "locks", "models", "wheels")
TOP_FILES: Final = ("sbom.cdx.json",)

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+@-]*(?:/[A-Za-z0-9_][A-Za-z0-9._+@-]*)*")
_VERSION: Final = re.compile(r"(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_BUILD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}")
_MINUTES: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")
_PYTHON: Final = re.compile(r"3\.\d{1,2}")


class ReleaseError(Exception):
    """Something that a release's tools cannot do; `str()` is a sentence that says what and what to do."""


class BundleRefused(ReleaseError):
    """This file is not installed: it is damaged, not from us, or too old. `reason` is one machine word."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the signature covers. `files`: SHA-256 (hex) by path, as in the tar; `total_bytes`: of their content."""

    version: str
    build: str
    floor: str
    built_at: str
    signed_with: str  # "release" or "development"
    locks: dict[str, str]  # by Python, as "3.11": path of the lock
    total_bytes: int
    files: dict[str, str]
    raw: bytes

    @property
    def digest(self) -> str:
        """Names this release: two bundles of the same digest hold the same bytes."""
        return hashlib.sha256(self.raw).hexdigest()


def version_key(version: str) -> tuple[int, int, int]:
    """What versions are ordered by. Raises BundleRefused for anything but MAJOR.MINOR.PATCH."""
    match = _VERSION.fullmatch(version)
    if match is None:
        raise BundleRefused("malformed", f"{version[:40]!r} is not a version; versions are three numbers, as 1.4.0")
    major, minor, patch = match.groups()
    return int(major), int(minor), int(patch)


def decode_manifest(raw: bytes) -> Manifest:
    """Strictly: a field that is missing, extra or of another kind refuses the bundle. Raises BundleRefused."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) != len(pairs):
            raise BundleRefused("malformed", "the manifest names something twice")
        return dict(pairs)

    try:
        fields = json.loads(raw.decode("utf-8"), object_pairs_hook=unique)
    except (ValueError, RecursionError) as exc:
        raise BundleRefused("malformed", "the manifest is not JSON") from exc
    if not isinstance(fields, dict) or fields.keys() != _MANIFEST_FIELDS.keys():
        raise BundleRefused("malformed", "the manifest has not the fields that this version knows")
    for key, is_right in _MANIFEST_FIELDS.items():
        if not is_right(fields[key]):
            raise BundleRefused("malformed", f"the manifest's {key!r} is not what it must be")
    locks, files = fields["locks"], fields["files"]
    if not set(locks.values()) <= files.keys():
        raise BundleRefused("malformed", "the manifest names a lock that is not in the bundle")
    if version_key(fields["floor"]) > version_key(fields["version"]):
        raise BundleRefused("malformed", "the manifest's floor is above its own version")
    return Manifest(
        version=fields["version"],
        build=fields["build"],
        floor=fields["floor"],
        built_at=fields["built_at"],
        signed_with=fields["signed_with"],
        locks=locks,
        total_bytes=fields["total_bytes"],
        files=files,
        raw=raw,
    )


def _fits(pattern: re.Pattern[str]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_size(value: object) -> bool:
    return type(value) is int and 0 < value <= MAX_BUNDLE_BYTES


def _are_files(value: object) -> bool:
    if not isinstance(value, dict) or not value or list(value) != sorted(value):
        return False
    return all(is_safe_name(name) for name in value) and all(map(_fits(_SHA256), value.values()))


def _are_locks(value: object) -> bool:
    if not isinstance(value, dict) or not value:
        return False
    return all(map(_fits(_PYTHON), value)) and all(isinstance(path, str) for path in value.values())


def is_safe_name(name: str) -> bool:
    """A relative path below one of the known folders; every component begins with a letter, a digit or `_`."""
    if _NAME.fullmatch(name) is None or len(name) > 250:
        return False
    top, _, rest = name.partition("/")
    return top in TOP_FOLDERS if rest else name in TOP_FILES


_MANIFEST_FIELDS: Final[dict[str, Callable[[object], bool]]] = {
    "v": lambda value: type(value) is int and value == 1,
    "version": _fits(_VERSION),
    "build": _fits(_BUILD),
    "floor": _fits(_VERSION),
    "built_at": _fits(_MINUTES),
    "signed_with": lambda value: value in ("release", "development"),
    "locks": _are_locks,
    "total_bytes": _is_size,
    "files": _are_files,
}
