"""`make bundle` and `python -m provisioning.release`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from agent.errors import WaysideError, exit_code
from provisioning.release.make import Made, Wish, development_key_path, make_bundle
from provisioning.release.source import Source, committed
from provisioning.release.wheelhouse import ARCHITECTURES


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 made, 1 failed, 2 wrong usage."""
    given = _parser().parse_args(argv)
    began_ns = time.monotonic_ns()
    try:
        tree = nullcontext(Source(given.source, given.build, given.epoch, 0)) if given.source else committed(Path())
        with tree as source:
            if source.uncommitted:
                _say(f"made from commit {source.build}; {source.uncommitted} uncommitted files are not in it")
            made = make_bundle(_wish(given, source))
    except WaysideError as exc:
        sys.stderr.write(f"bundle: {exc}\n")
        return exit_code(exc)
    _tell(made, (time.monotonic_ns() - began_ns) / 1e9)
    return 0


def _wish(given: argparse.Namespace, source: Source) -> Wish:
    return Wish(
        source=source.tree,
        out=given.out,
        cache=given.cache,
        build=source.build,
        epoch_s=source.epoch_s,
        floor=given.floor,
        pythons=tuple(given.python or ("3.11",)),
        key=given.key,
        architectures=tuple(given.arch or ARCHITECTURES),
    )


def _tell(made: Made, took_s: float) -> None:
    release = made.release
    size_mb = made.bundle.stat().st_size / 1e6
    _say(f"{made.bundle}: {size_mb:.0f} MB for Python {', '.join(release.locks)}, {took_s:.0f} s")
    _say(f"{made.public_key}: the key that proves it; a node has it as /etc/wayside/release.pem")
    if release.signed_with == "development":
        _say(f"signed with the DEVELOPMENT key {development_key_path()}: for desks and tests, for no site (--key)")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make bundle", description="Make a signed release bundle of the newest commit."
    )
    parser.add_argument("--key", type=Path, help="release key, PEM, P-256 (default: a development key of your own)")
    parser.add_argument("--out", type=Path, default=Path("dist"), help="folder of the bundle (default: %(default)s)")
    parser.add_argument("--python", action="append", help="3.11, 3.12 or 3.13; may be repeated (default: 3.11)")
    parser.add_argument("--arch", action="append", choices=ARCHITECTURES, help="one only (default: both)")
    parser.add_argument("--floor", default="0.0.0", help="oldest version a node takes once this one is proven good")
    parser.add_argument("--cache", type=Path, default=Path("build", "wheelhouse"), help="where fetched wheels stay")
    tree = parser.add_argument_group("another tree than the newest commit")
    tree.add_argument("--source", type=Path, help="folder of a whole tree")
    tree.add_argument("--build", default="tree", help="its name (default: %(default)s)")
    tree.add_argument("--epoch", type=int, default=0, help="its time, seconds since 1970 (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
