"""Errors cross from the process that met them to the one that tells of them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator

import pytest

from agent import errors
from agent.errors import DiskError, WaysideError


def tree(kind: type[WaysideError] = WaysideError) -> Iterator[type[WaysideError]]:
    if kind.__module__ == errors.__name__:
        yield kind
    for child in kind.__subclasses__():
        yield from tree(child)


@pytest.mark.parametrize("kind", list(tree()))
def test_every_error_is_the_same_in_another_process(kind: type[WaysideError]) -> None:
    error = kind(remedy="mount the disk", reason="disk_full", path="footage/c01", offset=12)
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is kind
        assert (str(twin), twin.remedy, twin.facts, vars(twin)) == (
            str(error),
            error.remedy,
            error.facts,
            vars(error),
        )


def test_an_error_of_the_disk_keeps_the_reason_of_its_gap() -> None:
    assert pickle.loads(pickle.dumps(DiskError(reason="disk_full", path="x"))).reason == "disk_full"
    assert pickle.loads(pickle.dumps(DiskError())).reason == "disk_error"


def test_the_drawn_tree_names_every_class() -> None:
    assert errors.__doc__ is not None
    assert [kind.__name__ for kind in tree() if kind.__name__ not in errors.__doc__] == []
