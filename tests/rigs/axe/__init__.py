"""axe-core: what a page's reader with bad eyes, bad light or a screen reader would stumble over.

`.ci/test-tools` installs it from the lock beside this file into a cache of the user; without it the test that needs it
skips, on CI it fails.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from tests.rigs.browser import Phone

HERE: Final = Path(__file__).resolve().parent
_RUN: Final = "axe.run(document, {resultTypes: ['violations']}).then((found) => found.violations)"
GRAVE: Final = ("serious", "critical")


@dataclass(frozen=True, slots=True)
class Finding:
    rule: str
    impact: str
    where: tuple[str, ...]


def script() -> str:
    """axe.min.js of the version in the lock."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wayside-tools" / "axe"
    package = cache / "node_modules" / "axe-core"
    locked = json.loads((HERE / "package.json").read_text())["dependencies"]["axe-core"]
    try:
        found = json.loads((package / "package.json").read_text())["version"]
    except OSError:
        found = "none"
    if found != locked:
        problem = f"axe-core {locked} is not installed (found: {found}); run .ci/test-tools"
        if os.environ.get("CI"):
            pytest.fail(problem)
        pytest.skip(problem)
    return (package / "axe.min.js").read_text(encoding="utf-8")


def findings(held: Phone, axe: str) -> list[Finding]:
    """All that axe has against this page as it stands now."""
    held.evaluate(axe)
    return [
        Finding(each["id"], each["impact"] or "minor", tuple(str(node["target"]) for node in each["nodes"]))
        for each in held.evaluate(_RUN)
    ]
