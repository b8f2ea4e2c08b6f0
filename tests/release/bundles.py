"""Small bundles for tests: whole ones, and ones that are wrong in a way of one's choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from agent.signing import make_key, public_to_pem
from provisioning.release.archive import Release, make_manifest, sign, write_bundle

RELEASE = Release("1.2.3", "test", "1.0.0", "2026-11-23T00:00:00Z", "release", {"3.11": "locks/bookworm.txt"})
FILES = {
    "firmware_scripts/update": b"#!/bin/sh\n",
    "locks/bookworm.txt": b"a==1 --hash=sha256:00\n",
    "models/manifest.json": b"{}\n",
    "sbom.cdx.json": b"{}\n",
    # Longer than a tar header's name field.
    f"wheels/any/{'long_name_' * 7}1.0-py3-none-any.whl": bytes(range(256)) * 5,
    "wheels/x86_64/empty-1-py3-none-any.whl": b"",
}


@dataclass(frozen=True, slots=True)
class Parts:
    """What a bundle is written from; `files` may differ from what the manifest says."""

    manifest: bytes
    signature: bytes
    files: Mapping[str, Path]


class Maker:
    """Bundles below one folder, with one key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key: ec.EllipticCurvePrivateKey = make_key()
        self.public_key = folder / "release.pem"
        self.public_key.write_text(public_to_pem(self.key.public_key()), encoding="ascii")

    def parts(self, release: Release = RELEASE, files: Mapping[str, bytes] = FILES) -> Parts:
        on_disk = {}
        for name, content in files.items():
            path = self.folder / "content" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            on_disk[name] = path
        manifest = make_manifest(release, on_disk)
        return Parts(manifest, sign(manifest, self.key), on_disk)

    def signed(self, manifest: bytes, parts: Parts) -> Parts:
        return replace(parts, manifest=manifest, signature=sign(manifest, self.key))

    def write(self, parts: Parts, name: str = "bundle.tar") -> Path:
        target = self.folder / name
        write_bundle(target, parts.manifest, parts.signature, parts.files)
        return target
