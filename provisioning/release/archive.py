"""The bundle's tar and its manifest: the same files always become the same bytes.

The reader on the node (`firmware_scripts/release_bundle.py`) runs without this package and takes no other form; the two
are kept in step by tests/release.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from agent.errors import ReleaseError

_BLOCK: Final = 512
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Release:
    """What a manifest says. `floor`: once this release is proven good, nothing older is installed on that node.

    `locks`: by Python, as "3.11", the lock that is installed from. `signed_with`: "release" or "development".
    """

    version: str
    build: str
    floor: str
    built_at: str
    signed_with: str
    locks: Mapping[str, str]


def header(name: str, size: int) -> bytes:
    """A ustar header (POSIX.1-1988) without owner and time. Raises ReleaseError for a name that does not fit."""
    prefix, base = "", name
    if len(name) > 100:
        cut = name.rfind("/", 0, 156)
        prefix, base = name[:cut], name[cut + 1 :]
    if len(base) > 100 or len(prefix) > 155 or not base:
        raise ReleaseError(file=name, remedy="the name is too long for a bundle; shorten it")
    # tar x must leave scripts that can be run: the first installation begins with one.
    folder, _, script = name.rpartition("/")
    is_script = folder == "firmware_scripts" and ("." not in script or script == "release.py")
    block = b"".join(
        (
            base.encode("ascii").ljust(100, b"\0"),
            b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (0o755 if is_script else 0o644, 0, 0, size, 0),
            b" " * 8,
            b"0".ljust(101, b"\0"),
            b"ustar\00000".ljust(8 + 64 + 16, b"\0"),
            prefix.encode("ascii").ljust(167, b"\0"),
        )
    )
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make_manifest(release: Release, files: Mapping[str, Path]) -> bytes:
    document = {
        "v": 1,
        "version": release.version,
        "build": release.build,
        "floor": release.floor,
        "built_at": release.built_at,
        "signed_with": release.signed_with,
        "locks": dict(sorted(release.locks.items())),
        "total_bytes": sum(path.stat().st_size for path in files.values()),
        "files": {name: sha256_of(files[name]) for name in sorted(files)},
    }
    return json.dumps(document, indent=1).encode("ascii") + b"\n"


def sign(manifest: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    """As `openssl dgst -sha256 -verify` reads it. RFC 6979: a bundle made twice is the same, signature and all."""
    return key.sign(manifest, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


def write_bundle(target: Path, manifest: bytes, signature: bytes, files: Mapping[str, Path]) -> None:
    """Manifest and signature first, so that a reader believes nothing before it has proven them."""
    fresh = target.with_name(f".{target.name}.new")
    with fresh.open("wb") as tar:
        for name, content in (("manifest.json", manifest), ("manifest.sig", signature)):
            tar.write(header(name, len(content)) + content + bytes(-len(content) % _BLOCK))
        for name in sorted(files):
            size = files[name].stat().st_size
            tar.write(header(name, size))
            with files[name].open("rb") as file:
                while chunk := file.read(_CHUNK):
                    tar.write(chunk)
            tar.write(bytes(-size % _BLOCK))
        tar.write(bytes(2 * _BLOCK))
    fresh.replace(target)
