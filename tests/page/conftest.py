"""A node on the bench, and the page that it serves."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.enrolment.home import NodeHome
from provisioning.page.site import PageContext
from tests.enrolment.papers import Organisation
from tests.page.rig import Node, Served, Visitor, make_node, served


@pytest.fixture(scope="session")
def office() -> Organisation:
    return Organisation()


@pytest.fixture(scope="session")
def booted(tmp_path_factory: pytest.TempPathFactory, office: Organisation) -> Node:
    """One first boot for all: its scrypt is slow on purpose."""
    return make_node(tmp_path_factory.mktemp("booted"), office)


@pytest.fixture
def node(tmp_path: Path, booted: Node, monkeypatch: pytest.MonkeyPatch) -> Node:
    """As it comes from the bench, untouched."""
    monkeypatch.setenv("WAYSIDE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("WAYSIDE_RUNTIME", str(tmp_path / "run"))
    for name in ("home", "boot"):
        shutil.copytree(booted.home.root.parent / name, tmp_path / name)
    context = PageContext(NodeHome(tmp_path / "home"), tmp_path / "run", tmp_path / "data", tmp_path / "boot")
    return Node(context, booted.key, booted.pin)


@pytest.fixture
def page(node: Node) -> Iterator[Served]:
    with served(node.context) as running:
        yield running


@pytest.fixture
def visitor(page: Served) -> Visitor:
    return Visitor(page.port)


@pytest.fixture
def technician(visitor: Visitor, node: Node) -> Visitor:
    """Somebody whose PIN was right."""
    visitor.enter(node.pin)
    return visitor
