"""What the technician's page does for a network camera, in one go: find it, log in, choose streams, measure, configure.

usage: python -m tests.field.commission USERNAME PASSWORD FOLDER; prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import tomli_w

from agent.errors import CameraRefused
from provisioning.cameras.camera import Login
from provisioning.cameras.discovery import discover
from provisioning.cameras.onvif import describe
from provisioning.cameras.probe import probe
from provisioning.cameras.suggestion import suggest


def main(username: str, password: str, folder: Path) -> None:
    began_s = time.time()
    (found,) = discover()
    discovered_s = time.time()
    refusals = []
    for wrong in (Login("admin", "12345"), Login(username, "not-that-one-5")):
        try:
            describe(found.device_url, wrong)
        except CameraRefused as exc:
            refusals.append(exc.facts["problem"])
    description = describe(found.device_url, Login(username, password))
    described_s = time.time()
    chosen = suggest(description.streams)
    assert chosen.main is not None and chosen.sub is not None
    probed = probe(chosen.main.url, username, password)
    probed_s = time.time()
    secret = folder / "c01.secret"
    secret.write_text(password, encoding="utf-8")
    secret.chmod(0o600)
    config = {
        "data_dir": str(folder / "ring"),
        "runtime_dir": str(folder / "run"),
        "node": {"org": "test", "site": "test", "id": "test"},
        "storage": {"min_free": "1MB"},
        "camera": [
            {
                "id": "c01",
                "name": found.name,
                "main": chosen.main.url,
                "sub": chosen.sub.url,
                "username": username,
                "password_file": str(secret),
            }
        ],
    }
    (folder / "wayside.toml").write_text(tomli_w.dumps(config), encoding="utf-8")
    summary = {
        "found": asdict(found),
        "refusals": refusals,
        "streams": [asdict(stream) for stream in description.streams],
        "is_open": description.is_open,
        "clock_offset_s": description.clock_offset_s,
        "probed": {**asdict(probed), "picture": len(probed.picture)},
        "began_s": began_s,
        "discovered_s": discovered_s,
        "described_s": described_s,
        "probed_s": probed_s,
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
