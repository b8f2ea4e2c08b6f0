"""docs/footage.md says nothing that does not run: every command line in it, against a ring and against a whole node."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from typer.testing import CliRunner

from agent.cli.commands import build
from agent.recording.records import AgentStarted, Configured
from tests.recording.evidence import make_signer, record_and_seal
from tests.recording.ring import Ring

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "footage.md"
LINES = [line.strip() for line in GUIDE.read_text(encoding="utf-8").splitlines() if re.match(r" {4}wayside ", line)]


def words(prefix: str) -> list[list[str]]:
    return [shlex.split(line)[1:] for line in LINES if line.startswith(f"wayside {prefix} ")]


def test_the_guide_shows_each_way_to_footage() -> None:
    shown = {tuple(shlex.split(line)[1:3]) for line in LINES}
    footage = {("footage", name) for name in ("list", "gaps", "sheet", "export", "verify", "bundle", "custody")}
    both = {(side, name) for side in ("centre", "footage") for name in ("hold", "forecast")}
    assert shown == footage | both | {("centre", name) for name in ("gaps", "sheet", "pull", "cancel")}


def test_every_line_for_a_node_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guide's minute is that of the ring: 14:03 in the guide's words, 21:03 at the site."""
    home = tmp_path / "home"
    home.mkdir()
    signer = make_signer()
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (home / "node.key").write_bytes(signer.key.private_bytes(*pem))
    ring = Ring(tmp_path / "data")
    service = Configured(cameras=("c01",), timezone="Asia/Bangkok", org="o", site="s", node="n")
    ring.note(AgentStarted(boot_id="b"), service, at_s=-1)
    record_and_seal(ring, signer)
    ring.close()
    monkeypatch.setenv("WAYSIDE_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    app = build()
    for line in words("footage"):
        told = [str(tmp_path / "data") if word == "/var/lib/wayside" else word for word in line]
        result = CliRunner().invoke(app, [re.sub(r"T14:(0\d:\d\d)\+07:00", r"T21:\1+07:00", word) for word in told])
        assert result.exit_code == 0, (line, result.output)
    made = {path.name for path in tmp_path.iterdir()}
    assert made >= {"day.svg", "sheet.jpg", "clip.mp4", "clip-faststart.mp4", "case-12.zip"}
