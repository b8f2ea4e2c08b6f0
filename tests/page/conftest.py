"""A node on the bench, and the page that it serves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.enrolment.papers import Organisation
from tests.page.rig import Node, Served, Visitor, make_node, served


@pytest.fixture(scope="session")
def office() -> Organisation:
    return Organisation()


@pytest.fixture
def node(tmp_path: Path, office: Organisation, monkeypatch: pytest.MonkeyPatch) -> Node:
    monkeypatch.setenv("WAYSIDE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("WAYSIDE_RUNTIME", str(tmp_path / "run"))
    return make_node(tmp_path, office)


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
