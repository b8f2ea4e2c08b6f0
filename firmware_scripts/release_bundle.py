"""A release bundle, read with suspicion: nothing of it is used before its signature and every hash are proven.

A bundle is a tar of plain files in one fixed form (docs/release.md): `manifest.json`, `manifest.sig`, then exactly the
files that the manifest names, in its order. Each header must be, byte for byte, the one that its name and size call
for; what tar knows beside that (links, devices, long names, owners, times) is refused unread. Needs Python 3.11's
standard library and the `openssl` program.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

BLOCK: Final = 512
CHUNK: Final = 1 << 20
# 200 files are some 30 kB; a P-256 signature in DER is at most 72 bytes.
MAX_MANIFEST_BYTES: Final = 1 << 20
MAX_SIGNATURE_BYTES: Final = 128
# The wheels of two architectures for three Pythons are about 0.6 GB.
MAX_BUNDLE_BYTES: Final = 2 << 30
# GNU tar fills up to a record of 20 blocks, ours ends after two; more than that is not a bundle.
MAX_TAIL_BYTES: Final = 20 * BLOCK

MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"
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


def is_runnable(name: str) -> bool:
    """Scripts are the files of firmware_scripts without a suffix; nothing else of a bundle can be run directly."""
    folder, _, base = name.rpartition("/")
    return folder == "firmware_scripts" and "." not in base


def header(name: str, size: int) -> bytes:
    """The one tar header (ustar, POSIX.1-1988) for a file of this name and size: no owner, no time, mode by name."""
    prefix, base = "", name
    if len(name) > 100:
        cut = name.rfind("/", 0, 156)
        prefix, base = name[:cut], name[cut + 1 :]
    if len(base) > 100 or len(prefix) > 155 or not base:
        raise BundleRefused("malformed", f"the name {name[:60]!r}… is too long for a bundle")
    mode = 0o755 if is_runnable(name) else 0o644
    fields = (
        base.encode("ascii").ljust(100, b"\0"),
        b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (mode, 0, 0, size, 0),
        b" " * 8,
        b"0".ljust(101, b"\0"),
        b"ustar\00000",
        bytes(64),
        bytes(16),
        prefix.encode("ascii").ljust(167, b"\0"),
    )
    block = b"".join(fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


class _Tar:
    """The bundle as a stream. Every read is counted, so that a file without an end is refused, not followed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = MAX_BUNDLE_BYTES

    def take(self, size: int) -> bytes:
        self._left -= size
        if self._left < 0:
            raise BundleRefused("oversize", f"the bundle is larger than {MAX_BUNDLE_BYTES >> 20} MiB")
        data = self._file.read(size)
        if len(data) != size:
            raise BundleRefused("truncated", "the bundle ends too early; it was not copied whole: copy it again")
        return data

    def expect(self, name: str, max_bytes: int) -> int:
        """The next member must be `name`; its size."""
        block = self.take(BLOCK)
        found = _header_name(block)
        if found != name:
            raise BundleRefused("wrong_member", f"the bundle holds {found!r} where {name!r} must stand")
        size = _header_size(block)
        if header(name, size) != block:
            raise BundleRefused("wrong_header", f"{name!r} is not a plain file as a bundle holds it")
        if size > max_bytes:
            raise BundleRefused("oversize", f"{name!r} is larger than it may be ({size} bytes)")
        return size

    def chunks(self, size: int) -> Iterator[bytes]:
        left = size
        while left:
            data = self.take(min(left, CHUNK))
            left -= len(data)
            yield data
        if any(self.take(-size % BLOCK)):
            raise BundleRefused("wrong_header", "the bundle holds bytes between its files")

    def content(self, name: str, max_bytes: int) -> bytes:
        return b"".join(self.chunks(self.expect(name, max_bytes)))

    def end(self) -> None:
        """Two empty blocks, and then at most tar's filling: nothing hides behind the last file."""
        if any(self.take(2 * BLOCK)):
            raise BundleRefused("extra_file", "the bundle holds a file that its manifest does not name")
        tail = self._file.read(MAX_TAIL_BYTES + 1)
        if any(tail) or len(tail) > MAX_TAIL_BYTES:
            raise BundleRefused("extra_file", "the bundle goes on behind its end")


def _header_name(block: bytes) -> str:
    base = block[:100].rstrip(b"\0").decode("ascii", "replace")
    prefix = block[345:500].rstrip(b"\0").decode("ascii", "replace")
    return f"{prefix}/{base}" if prefix else base


def _header_size(block: bytes) -> int:
    field = block[124:135]
    if re.fullmatch(rb"[0-7]{11}", field) is None:
        raise BundleRefused("wrong_header", "the bundle holds a file whose size cannot be read")
    return int(field, 8)


Sink = Callable[[str], BinaryIO | None]


def read_bundle(path: Path, public_key: Path, *, floor: str = "0.0.0", sink: Sink | None = None) -> Manifest:
    """Prove the whole bundle; with `sink`, write out each file for which it returns a place, hashed as it is written.

    Raises BundleRefused with what is wrong. A caller unpacks in a second reading, after one without `sink` has
    returned: then nothing of a refused bundle has touched the disk, and what is written is proven once more.
    """
    if not public_key.is_file():
        raise ReleaseError(f"{public_key} is missing: without the release key no bundle can be trusted; put it there")
    try:
        with path.open("rb") as file:
            tar = _Tar(file)
            raw = tar.content(MANIFEST, MAX_MANIFEST_BYTES)
            signature = tar.content(SIGNATURE, MAX_SIGNATURE_BYTES)
            check_signature(raw, signature, public_key)
            manifest = decode_manifest(raw)
            if version_key(manifest.version) < version_key(floor):
                raise BundleRefused(
                    "below_floor",
                    f"version {manifest.version} is older than {floor}, the oldest that this node may run; "
                    "give a newer bundle",
                )
            _read_files(tar, manifest, sink or (lambda _name: None))
            tar.end()
    except OSError as exc:
        raise ReleaseError(f"{path} cannot be read ({exc.strerror})") from exc
    return manifest


def _read_files(tar: _Tar, manifest: Manifest, sink: Sink) -> None:
    left = manifest.total_bytes
    for name, expected in manifest.files.items():
        size = tar.expect(name, left)
        left -= size
        digest = hashlib.sha256()
        target = sink(name)
        try:
            for chunk in tar.chunks(size):
                digest.update(chunk)
                if target is not None:
                    target.write(chunk)
        finally:
            if target is not None:
                target.close()
        if digest.hexdigest() != expected:
            raise BundleRefused("wrong_hash", f"{name!r} is not the file that was signed; copy the bundle again")
    if left:
        raise BundleRefused("wrong_size", "the bundle's files are smaller than its manifest says")


def check_signature(raw: bytes, signature: bytes, public_key: Path) -> None:
    """Raises BundleRefused unless `public_key` signed these bytes (ECDSA, SHA-256, DER)."""
    with tempfile.TemporaryDirectory(prefix="wayside-release-") as folder:
        content, proof = Path(folder, MANIFEST), Path(folder, SIGNATURE)
        content.write_bytes(raw)
        proof.write_bytes(signature)
        argv = ["openssl", "dgst", "-sha256", "-verify", str(public_key), "-signature", str(proof), str(content)]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
        except FileNotFoundError as exc:
            raise ReleaseError("the program openssl is missing; install it (apt install openssl)") from exc
    if done.returncode != 0 or done.stdout.strip() != "Verified OK":
        raise BundleRefused("wrong_signature", "the bundle is not signed by the release key of this node")


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


def unpack(path: Path, public_key: Path, target: Path, *, floor: str, wanted: Callable[[str], bool]) -> Manifest:
    """Prove the bundle, then write its wanted files below `target`, an empty folder. Raises BundleRefused."""

    def place(name: str) -> BinaryIO | None:
        if not wanted(name):
            return None
        file = target / name
        file.parent.mkdir(parents=True, exist_ok=True)
        mode = 0o755 if is_runnable(name) else 0o644
        return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), "wb")

    proven = read_bundle(path, public_key, floor=floor)
    written = read_bundle(path, public_key, floor=floor, sink=place)
    if written.digest != proven.digest:
        raise BundleRefused("changed", "the bundle changed while it was read; copy it again")
    (target / MANIFEST).write_bytes(written.raw)
    return written
