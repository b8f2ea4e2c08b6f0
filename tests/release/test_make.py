"""A bundle made of a small tree and a folder of wheels: what is in it, and what its list of parts says."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest
from release_bundle import read_bundle

from agent.errors import ReleaseError
from provisioning.release.make import Made, Wish, make_bundle
from provisioning.release.wheelhouse import ARCHITECTURES, read_lock

ROOT = Path(__file__).resolve().parents[2]
MODEL = {
    "id": "m-1",
    "file": "m.onnx",
    "sha256": hashlib.sha256(b"weights").hexdigest(),
    "licence": "MIT",
    "source": "s",
}
# Name, version, the machines it has wheels for, and what its metadata says of the licence.
PARTS = (
    ("alpha", "1.0", ("any",), "License-Expression: BSD-3-Clause"),
    ("beta-two", "2.1", ARCHITECTURES, "License: Do what you like\n  and more"),
    ("gamma", "3.0", ("any",), "Classifier: License :: OSI Approved :: Apache Software License"),
)


def wheel(folder: Path, name: str, version: str, machine: str, licence: str) -> Path:
    tag = "py3-none-any" if machine == "any" else f"cp311-cp311-manylinux_2_17_{machine}.manylinux2014_{machine}"
    stem = name.replace("-", "_")
    path = folder / f"{stem}-{version}-{tag}.whl"
    info = f"{stem}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{licence}\n")
        file.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        file.writestr(f"{info}/RECORD", "")
    return path


def lock(path: Path, wheels: dict[tuple[str, str], list[Path]]) -> None:
    lines = [
        f"{name}=={version} " + " ".join(f"--hash=sha256:{hashlib.sha256(f.read_bytes()).hexdigest()}" for f in files)
        for (name, version), files in wheels.items()
    ]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole source tree as far as a bundle needs one."""
    made = tmp_path_factory.mktemp("tree")
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, made / name)
    for package in ("agent", "provisioning"):
        (made / package).mkdir()
        (made / package / "__init__.py").write_text('__version__ = "4.5.6"\n', encoding="ascii")
    (made / "models").mkdir()
    (made / "models" / "manifest.json").write_text(json.dumps({"v": 1, "models": [MODEL]}), encoding="ascii")
    (made / "models" / "m.onnx").write_bytes(b"weights")
    (made / "firmware_scripts" / "__pycache__").mkdir(parents=True)
    (made / "firmware_scripts" / "__pycache__" / "x.pyc").write_bytes(b"")
    (made / "firmware_scripts" / "update").write_text("#!/bin/sh\n", encoding="ascii")
    return made


@pytest.fixture(scope="module")
def wheels(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an index would have; the tree's locks name it."""
    folder = tmp_path_factory.mktemp("wheels")
    locks = tree / "provisioning" / "locks"
    locks.mkdir()
    parts = {
        (name, version): [wheel(folder, name, version, machine, licence) for machine in machines]
        for name, version, machines, licence in PARTS
    }
    lock(locks / "bookworm.txt", parts)
    lock(locks / "pip.lock", {("pip", "9.9"): [wheel(folder, "pip", "9.9", "any", "License-Expression: MIT")]})
    return folder


@pytest.fixture(scope="module")
def wish(tree: Path, wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Wish:
    folder = tmp_path_factory.mktemp("made")
    return Wish(
        source=tree,
        out=folder / "dist",
        cache=folder / "cache",
        build="0123456789",
        epoch_s=1_795_000_000,
        floor="4.0.0",
        pythons=("3.11",),
        key=None,
    )


@pytest.fixture(scope="module")
def made(wish: Wish, wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(wheels))
        first = make_bundle(wish)
        content = first.bundle.read_bytes()
        assert make_bundle(wish).bundle.read_bytes() == content, "made twice, it is not the same"
        return first


def members(bundle: Path) -> dict[str, bytes]:
    with tarfile.open(bundle) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def test_the_node_believes_what_the_office_made(made: Made) -> None:
    assert made.bundle.name == "wayside-4.5.6-0123456789.tar"
    manifest = read_bundle(made.bundle, made.public_key, floor="4.5.6")
    assert (manifest.version, manifest.floor, manifest.signed_with) == ("4.5.6", "4.0.0", "development")
    assert (manifest.built_at, manifest.locks) == ("2026-11-18T11:06:40Z", {"3.11": "locks/bookworm.txt"})


def test_the_manifest_covers_every_file_and_what_was_asked_for_is_in(made: Made) -> None:
    files = members(made.bundle)
    manifest = json.loads(files["manifest.json"])
    assert manifest["files"] == {
        name: hashlib.sha256(content).hexdigest() for name, content in files.items() if not name.startswith("manifest.")
    }
    names = set(manifest["files"])
    assert {"sbom.cdx.json", "locks/bookworm.txt", "locks/pip.txt", "locks/wayside.txt"} <= names
    assert {"models/manifest.json", "models/m.onnx", "firmware_scripts/update"} <= names
    assert not any("pycache" in name for name in names)
    where = {name.split("/")[1]: set() for name in names if name.startswith("wheels/")}  # type: dict[str, set[str]]
    for name in names:
        if name.startswith("wheels/"):
            where[name.split("/")[1]].add(name.split("/")[2].split("-")[0])
    assert where == {"any": {"alpha", "gamma", "pip", "wayside_agent"}, "aarch64": {"beta_two"}, "x86_64": {"beta_two"}}


def test_our_own_lock_names_our_own_wheel(made: Made) -> None:
    files = members(made.bundle)
    (own,) = (name for name in files if "wayside_agent" in name)
    assert files["locks/wayside.txt"].decode().split() == [
        "wayside-agent==4.5.6",
        "\\",
        f"--hash=sha256:{hashlib.sha256(files[own]).hexdigest()}",
    ]


def test_the_list_of_parts_is_the_locks_and_the_models(made: Made, tree: Path) -> None:
    files = members(made.bundle)
    sbom = json.loads(files["sbom.cdx.json"])
    assert (sbom["bomFormat"], sbom["specVersion"], sbom["version"]) == ("CycloneDX", "1.5", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", sbom["serialNumber"])
    libraries = {one["name"]: one for one in sbom["components"] if one["type"] == "library"}
    locks = tree / "provisioning" / "locks"
    locked = {one.name: one for name in ("bookworm.txt", "pip.lock") for one in read_lock(locks / name)}
    assert {name: one["version"] for name, one in libraries.items() if name != "wayside-agent"} == {
        name: one.version for name, one in locked.items()
    }
    for name, one in libraries.items():
        assert one["purl"] == f"pkg:pypi/{name}@{one['version']}"
        hashes = {each["content"] for each in one["hashes"]}
        assert name == "wayside-agent" or hashes <= locked[name].hashes
        parts = {each["name"]: each["hashes"][0]["content"] for each in one["components"]}
        assert parts == {path: hashlib.sha256(files[path]).hexdigest() for path in parts}
        assert set(parts.values()) == hashes
    assert {path for one in libraries.values() for path in (each["name"] for each in one["components"])} == {
        path for path in files if path.startswith("wheels/")
    }
    (model,) = (one for one in sbom["components"] if one["type"] == "machine-learning-model")
    assert (model["name"], model["hashes"][0]["content"]) == ("m-1", MODEL["sha256"])


def test_every_part_says_its_licence(made: Made) -> None:
    sbom = json.loads(members(made.bundle)["sbom.cdx.json"])
    licences = {one["name"]: one["licenses"][0] for one in sbom["components"]}
    assert licences["alpha"] == {"expression": "BSD-3-Clause"}
    assert licences["beta-two"] == {"license": {"name": "Do what you like"}}
    assert licences["gamma"] == {"license": {"name": "Apache Software License"}}
    assert licences["wayside-agent"] == {"expression": "Apache-2.0"}


def test_a_wheel_that_the_lock_does_not_know_is_not_taken(
    wish: Wish, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    other = wish.cache.parent / "other-tree"
    shutil.copytree(wish.source, other)
    path = other / "provisioning" / "locks" / "bookworm.txt"
    path.write_text(
        re.sub("sha256:[0-9a-f]{64}", f"sha256:{'0' * 64}", path.read_text(encoding="ascii")), encoding="ascii"
    )
    changed = Wish(**{name: getattr(wish, name) for name in Wish.__slots__} | {"source": other, "cache": other / "c"})
    with pytest.raises(ReleaseError, match=r"hash|HASH"):
        make_bundle(changed)


def test_the_real_locks_name_a_hash_for_every_part() -> None:
    for path in (ROOT / "provisioning" / "locks").glob("*.lock"):
        assert len(read_lock(path)) == 1
    for name in ("bookworm", "jetson", "trixie"):
        assert len(read_lock(ROOT / "provisioning" / "locks" / f"{name}.txt")) > 30
