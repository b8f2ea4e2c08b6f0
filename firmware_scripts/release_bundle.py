"""A release bundle, read with suspicion: nothing of it is used before its signature and every hash are proven.

A bundle is a tar of plain files in one fixed form (docs/release.md): `manifest.json`, `manifest.sig`, then exactly the
files that the manifest names, in its order. Each header must be, byte for byte, the one that its name and size call
for; what tar knows beside that (links, devices, long names, owners, times) is refused unread. Needs Python 3.11's
standard library and the `openssl` program.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from release_manifest import MAX_BUNDLE_BYTES, BundleRefused, Manifest, ReleaseError, decode_manifest, version_key

BLOCK: Final = 512
CHUNK: Final = 1 << 20
# 200 files are some 30 kB; a P-256 signature in DER is at most 72 bytes.
MAX_MANIFEST_BYTES: Final = 1 << 20
MAX_SIGNATURE_BYTES: Final = 128
# GNU tar fills up to a record of 20 blocks, ours ends after two; more than that is not a bundle.
MAX_TAIL_BYTES: Final = 20 * BLOCK

MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"


def is_runnable(name: str) -> bool:
    """Scripts are the files of firmware_scripts without a suffix, and release.py; nothing else is run by its name."""
    folder, _, base = name.rpartition("/")
    return folder == "firmware_scripts" and ("." not in base or base == "release.py")


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
