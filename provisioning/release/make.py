"""A release bundle out of a source tree: gather, list, sign, write."""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from agent.errors import ReleaseError
from agent.signing import key_from_pem, key_to_pem, make_key, public_to_pem
from provisioning.release.archive import Release, make_manifest, sha256_of, sign, write_bundle
from provisioning.release.sbom import make_sbom
from provisioning.release.wheelhouse import ARCHITECTURES, LOCKS, build_own, gather

# What tar holds beside the wheels. Makers of bundles and caches stay at home.
_SHIPPED_FOLDERS: Final = ("firmware_scripts", "models")
_NOT_SHIPPED: Final = ("__pycache__", ".pyc")


@dataclass(frozen=True, slots=True)
class Wish:
    """What to make. `source`: a whole tree, as committed. `key`: None is the development key. `epoch_s`: build time."""

    source: Path
    out: Path
    cache: Path
    build: str
    epoch_s: int
    floor: str
    pythons: tuple[str, ...]
    key: Path | None
    architectures: tuple[str, ...] = ARCHITECTURES


@dataclass(frozen=True, slots=True)
class Made:
    """The bundle, and the public key that proves it, beside it."""

    bundle: Path
    public_key: Path
    release: Release


def make_bundle(wish: Wish) -> Made:
    """Raises ReleaseError with what is missing."""
    version = source_version(wish.source)
    if unknown := [python for python in wish.pythons if python not in LOCKS]:
        raise ReleaseError(pythons=unknown, remedy=f"there are locks for {', '.join(LOCKS)}")
    key = release_key(wish.key)
    release = Release(
        version=version,
        build=wish.build,
        floor=wish.floor,
        built_at=datetime.fromtimestamp(wish.epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        signed_with="development" if wish.key is None else "release",
        locks={python: f"locks/{LOCKS[python]}.txt" for python in wish.pythons},
    )
    wish.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="wayside-bundle-") as made:
        files = _gather(wish, release, Path(made))
        manifest = make_manifest(release, files)
        bundle = wish.out / f"wayside-{version}-{wish.build}.tar"
        write_bundle(bundle, manifest, sign(manifest, key), files)
    public_key = bundle.with_suffix(".pem")
    public_key.write_text(public_to_pem(key.public_key()), encoding="ascii")
    return Made(bundle, public_key, release)


def _gather(wish: Wish, release: Release, made: Path) -> dict[str, Path]:
    """Every file but the manifest, by its path in the bundle."""
    locks = wish.source / "provisioning" / "locks"
    own = build_own(wish.source, made / "wheel", epoch_s=wish.epoch_s)
    wheels = gather(locks, wish.cache, wish.pythons, wish.architectures) | {f"wheels/any/{own.name}": own}
    models = _tree(wish.source, "models")
    own_lock = made / "wayside.txt"
    own_lock.write_text(f"wayside-agent=={release.version} \\\n    --hash=sha256:{sha256_of(own)}\n", encoding="ascii")
    parts = made / "sbom.cdx.json"
    parts.write_bytes(make_sbom(release, wheels, models))
    files = wheels | models | _tree(wish.source, "firmware_scripts")
    files |= {name: wish.source / "provisioning" / name for name in release.locks.values()}
    return files | {"locks/pip.txt": locks / "pip.lock", "locks/wayside.txt": own_lock, parts.name: parts}


def _tree(source: Path, folder: str) -> dict[str, Path]:
    return {
        str(path.relative_to(source)): path
        for path in sorted((source / folder).rglob("*"))
        if path.is_file() and not path.is_symlink() and not any(part in str(path) for part in _NOT_SHIPPED)
    }


def source_version(source: Path) -> str:
    """Of the tree that is built, which need not be the one that runs."""
    try:
        text = (source / "agent" / "__init__.py").read_text(encoding="utf-8")
    except OSError as exc:
        raise ReleaseError(source=str(source), remedy="there is no Wayside tree") from exc
    match = re.search(r'^__version__ = "(\d+\.\d+\.\d+)"$', text, re.MULTILINE)
    if match is None:
        raise ReleaseError(source=str(source), remedy="agent/__init__.py must state a version of three numbers")
    return match[1]


def development_key_path() -> Path:
    """Outside every checkout: a key in a tree is a key in its history."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data, "wayside", "development-release.key")


def release_key(path: Path | None) -> ec.EllipticCurvePrivateKey:
    """Without `path` the developer's own key, made when it is first needed. Raises ReleaseError, SignatureError."""
    if path is not None:
        try:
            return key_from_pem(path.read_bytes())
        except OSError as exc:
            raise ReleaseError(key=str(path), remedy=f"it cannot be read ({exc.strerror})") from exc
    own = development_key_path()
    if not own.is_file():
        own.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(key_to_pem(make_key()))
    return key_from_pem(own.read_bytes())
