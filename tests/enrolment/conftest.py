"""A node after its first boot, and the organisation it belongs to."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.contract.wire import encode
from agent.enrolment.first_boot import prepare
from agent.enrolment.home import NodeHome
from agent.enrolment.nodekey import NodeKey
from tests.enrolment.papers import Organisation
from tests.enrolment.strangers import answering

__all__ = ["answering"]


@dataclass(frozen=True, slots=True)
class Node:
    home: NodeHome
    key: NodeKey
    pin: str
    boot: Path


@pytest.fixture(scope="session")
def office() -> Organisation:
    return Organisation()


@pytest.fixture(scope="session")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Home and boot partition after a first boot; its scrypt costs 0.2 s, so it is done once."""
    folder = tmp_path_factory.mktemp("booted")
    (folder / "boot").mkdir()
    prepare(NodeHome(folder / "home"), folder / "boot")
    return folder


@pytest.fixture
def node(tmp_path: Path, office: Organisation, booted: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    monkeypatch.setenv("WAYSIDE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("WAYSIDE_RUNTIME", str(tmp_path / "run"))
    for name in ("home", "boot"):
        shutil.copytree(booted / name, tmp_path / name)
    boot = tmp_path / "boot"
    (boot / "wayside-anchors.json").write_bytes(encode(office.anchors))
    home = NodeHome(tmp_path / "home")
    prepared = prepare(home, boot)
    assert prepared.label is not None
    return Node(home, prepared.key, prepared.label.pin, boot)
