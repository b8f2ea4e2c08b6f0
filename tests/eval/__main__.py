"""How right the agent is: `python -m tests.eval [NAME…]` prints one table over the labelled footage. Not a test.

    python -m tests.eval                           everything; minutes, most of them in the detector
    python -m tests.eval suburban topview          clips whose name or kind holds one of these words
    python -m tests.eval --write docs/accuracy.md  puts the table between the marks in that file
    python -m tests.eval --rate 2 --no-cache       another rate of analysis; nothing taken from /tmp/wayside-eval

To add rows: a module in tests/eval or tests/eval/composites with one function

    def rows(context: Context) -> Iterator[Row]: ...

It is found by that line alone. `context.wants("name")` says whether a row was asked for, `context.watcher.watch(path,
scene)` runs the real observer over a file and `watch_pictures` over anything that yields pictures; `clips.judged_row`
makes a Row of what it found and what should have been. A row of a composite says `group=Group.COMPOSITE`, and in its
notes what it is made of.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.eval.context import Context
from tests.eval.footage import ROOT, shared_dir
from tests.eval.table import Row, render
from tests.eval.watching import Watcher

_MARKS = ("<!-- table -->\n", "<!-- end of table -->\n")


def _sources() -> list[str]:
    """Modules that have rows, the shared footage first."""
    here = Path(__file__).parent
    files = sorted([*here.glob("*.py"), *(here / "composites").glob("*.py")], key=lambda path: path.stem != "clips")
    having = [path for path in files if "\ndef rows(" in path.read_text(encoding="utf-8")]
    return [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in having]


def _rows(context: Context) -> Iterator[Row]:
    for name in _sources():
        for row in importlib.import_module(name).rows(context):
            print(f"{row.clip}: done", file=sys.stderr)
            yield row


def _write(path: Path, text: str) -> None:
    """Between the marks; what stands around them is a person's."""
    before, found, rest = path.read_text(encoding="utf-8").partition(_MARKS[0])
    _, end, after = rest.partition(_MARKS[1])
    if not found or not end:
        sys.exit(f"{path} has no lines {' and '.join(mark.strip() for mark in _MARKS)} to write between")
    path.write_text(before + found + text + end + after, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.eval")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--rate", type=float, default=5.0)
    parser.add_argument("--no-cache", action="store_true")
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    if not (shared_dir() / "footage" / "manifest.json").is_file():
        sys.exit(f"no shared footage in {shared_dir()}; set WAYSIDE_SHARED")
    watcher = Watcher(rate_fps=asked.rate, uses_cache=not asked.no_cache)
    context = Context(shared_dir(), frozenset(asked.names), watcher)
    table = render(_rows(context))
    said = f"At {asked.rate:g} analysed frames a second; `{watcher.detector}`, `{watcher.motion}`.\n\n{table}"
    print(said)
    if asked.write:
        _write(asked.write, said)


if __name__ == "__main__":
    main()
