"""The bundle's list of parts (CycloneDX 1.5, JSON): each distribution and each model, whence, whose, which bytes."""

from __future__ import annotations

import json
import re
import uuid
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path

from agent.errors import ReleaseError
from provisioning.release.archive import Release, sha256_of

# Names this project's lists of parts among all UUIDs (RFC 4122, version 5).
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "wayside.sbom")


@dataclass(frozen=True, slots=True)
class WheelFacts:
    """A wheel's own word on itself. `licence`: an SPDX expression where `is_expression`, else a name for people."""

    name: str
    version: str
    licence: str
    is_expression: bool


def read_wheel(path: Path) -> WheelFacts:
    """From the wheel's METADATA (core metadata 2.4). Raises ReleaseError for a file that is no wheel."""
    try:
        with zipfile.ZipFile(path) as wheel:
            (inside,) = (name for name in wheel.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
            fields = HeaderParser().parsestr(wheel.read(inside).decode("utf-8"))
    except (zipfile.BadZipFile, KeyError, ValueError) as exc:
        raise ReleaseError(file=path.name, remedy="this is no wheel; remove it and fetch it again") from exc
    name = re.sub(r"[-_.]+", "-", fields["Name"]).lower()
    expression = fields.get("License-Expression", "")
    if expression:
        return WheelFacts(name, fields["Version"], expression, is_expression=True)
    # Some put the whole text into License; its first line names it.
    words = (fields.get("License") or "").strip().splitlines()
    classified = [
        line.rpartition(" :: ")[2] for line in fields.get_all("Classifier", []) if line.startswith("License ::")
    ]
    licence = words[0][:100] if words else ", ".join(classified)
    return WheelFacts(name, fields["Version"], licence, is_expression=False)


def make_sbom(release: Release, wheels: Mapping[str, Path], models: Mapping[str, Path]) -> bytes:
    """`wheels`, `models`: files by their path in the bundle; `models` holds its manifest.json."""
    by_part: dict[tuple[str, str], dict[str, Path]] = {}
    for name, path in wheels.items():
        facts = read_wheel(path)
        by_part.setdefault((facts.name, facts.version), {})[name] = path
    components = [_distribution(files) for _, files in sorted(by_part.items())]
    components += _models(models)
    document: dict[str, object] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": "",
        "version": 1,
        "metadata": {
            "timestamp": release.built_at,
            "component": {
                "type": "application",
                "bom-ref": "wayside",
                "name": "wayside",
                "version": f"{release.version}+{release.build}",
                "licenses": [{"expression": "Apache-2.0"}],
            },
        },
        "components": components,
    }
    content = json.dumps(document, sort_keys=True)
    document["serialNumber"] = f"urn:uuid:{uuid.uuid5(_NAMESPACE, content)}"
    return json.dumps(document, indent=1).encode("ascii") + b"\n"


def _hashes(paths: Iterable[Path]) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": digest} for digest in sorted({sha256_of(path) for path in paths})]


def _distribution(files: Mapping[str, Path]) -> dict[str, object]:
    """A distribution has a wheel for each machine: its hashes are those of all, its parts say which is whose."""
    facts = read_wheel(next(iter(files.values())))
    purl = f"pkg:pypi/{facts.name}@{facts.version}"
    if facts.is_expression:
        licences: list[object] = [{"expression": facts.licence}]
    else:
        licences = [{"license": {"name": facts.licence or "not stated by its wheel"}}]
    return {
        "type": "library",
        "bom-ref": purl,
        "name": facts.name,
        "version": facts.version,
        "purl": purl,
        "licenses": licences,
        "hashes": _hashes(files.values()),
        "components": [
            {"type": "file", "bom-ref": name, "name": name, "hashes": _hashes([path])}
            for name, path in sorted(files.items())
        ],
    }


def _models(models: Mapping[str, Path]) -> list[dict[str, object]]:
    listed = json.loads(models["models/manifest.json"].read_text(encoding="utf-8"))["models"]
    return [
        {
            "type": "machine-learning-model",
            "bom-ref": f"model/{model['id']}",
            "name": model["id"],
            "version": model["sha256"][:12],
            "description": model["source"],
            "licenses": [{"license": {"id": model["licence"]}}],
            "hashes": _hashes([models[f"models/{model['file']}"]]),
        }
        for model in listed
    ]
