"""The tree that a bundle is made of: what is committed, not what happens to lie in the checkout."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from agent.errors import ReleaseError


@dataclass(frozen=True, slots=True)
class Source:
    """`build` names the commit; `epoch_s` is its time; `uncommitted`: files of the checkout that are not in it."""

    tree: Path
    build: str
    epoch_s: int
    uncommitted: int


def _git(checkout: Path, *argv: str) -> str:
    done = subprocess.run(["git", "-C", str(checkout), *argv], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ReleaseError(checkout=str(checkout), remedy=f"git: {done.stderr.strip()[-300:]}")
    return done.stdout.strip()


@contextmanager
def committed(checkout: Path) -> Iterator[Source]:
    """The newest commit, in a folder that goes away again. Raises ReleaseError outside a git checkout."""
    commit = _git(checkout, "rev-parse", "--short=10", "HEAD")
    epoch_s = int(_git(checkout, "log", "-1", "--format=%ct", commit))
    uncommitted = len(_git(checkout, "status", "--porcelain").splitlines())
    with TemporaryDirectory(prefix="wayside-source-") as folder:
        packed, tree = Path(folder, "source.tar"), Path(folder, "tree")
        _git(checkout, "archive", "--output", str(packed), commit)
        with tarfile.open(packed) as tar:
            tar.extractall(tree, filter="data")
        yield Source(tree, commit, epoch_s, uncommitted)
