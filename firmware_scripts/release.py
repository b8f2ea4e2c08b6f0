#!/usr/bin/env python3
"""Verify a release bundle, install it beside the running release, switch to it. Nothing here needs a network.

  release.py verify BUNDLE     prove signature, hashes and version floor; nothing is written
  release.py stage BUNDLE      verify, unpack and build it in the free one of /opt/wayside/a and b, and try it
  release.py install BUNDLE    stage, then switch: for a machine that runs nothing yet (`update` is for one that does)
  release.py switch SLOT       make a or b the running release
  release.py status            what stands where

Each is safe to repeat: what already stands is left as it is.

Exit codes: 0 done, 1 failed, 2 wrong usage, 4 the bundle is refused.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from release_bundle import read_bundle
from release_manifest import BundleRefused, ReleaseError
from release_slots import SLOTS, Slots, status

EXIT_FAILED: Final = 1
EXIT_REFUSED: Final = 4

ROOT: Final = Path("/opt/wayside")
PUBLIC_KEY: Final = Path("/etc/wayside/release.pem")
PYTHON: Final = Path("/usr/bin/python3")


def verify(given: argparse.Namespace) -> int:
    slots = Slots(given.root)
    manifest = read_bundle(given.bundle, given.key, floor=given.floor or slots.floor())
    note = " (signed with a DEVELOPMENT key: for no site)" if manifest.signed_with == "development" else ""
    print(f"{given.bundle.name}: version {manifest.version}, build {manifest.build}, proven{note}")
    return 0


def stage(given: argparse.Namespace) -> int:
    slots = Slots(given.root)
    with slots.changing():
        installed = slots.install(given.bundle, given.key, python=given.python)
    print(f"version {installed.version}, build {installed.build}, stands in {given.root / installed.slot}")
    return 0


def install(given: argparse.Namespace) -> int:
    slots = Slots(given.root)
    with slots.changing():
        installed = slots.install(given.bundle, given.key, python=given.python)
        if slots.current() != installed.slot:
            slots.switch(installed.slot)
        slots.adopt_tools(installed.slot)
    print(f"version {installed.version}, build {installed.build}, is installed in {given.root / installed.slot}")
    return 0


def switch(given: argparse.Namespace) -> int:
    slots = Slots(given.root)
    with slots.changing():
        slots.switch(given.slot)
    print(f"{given.root / 'current'} is {given.slot}")
    return 0


def tell_status(given: argparse.Namespace) -> int:
    print(json.dumps(status(Slots(given.root)), indent=2))
    return 0


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="release.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="folder of the releases (default: %(default)s)")
    parser.add_argument("--key", type=Path, default=PUBLIC_KEY, help="public release key, PEM (default: %(default)s)")
    parser.add_argument("--python", type=Path, default=PYTHON, help="the machine's Python (default: %(default)s)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, does in (("verify", verify), ("stage", stage), ("install", install)):
        command = commands.add_parser(name)
        command.add_argument("bundle", type=Path, metavar="BUNDLE")
        command.set_defaults(does=does)
        if name == "verify":
            command.add_argument("--floor", help="oldest version that is taken (default: this machine's)")
    command = commands.add_parser("switch")
    command.add_argument("slot", choices=SLOTS)
    command.set_defaults(does=switch)
    commands.add_parser("status").set_defaults(does=tell_status)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    given = make_parser().parse_args(argv)
    os.umask(0o022)
    try:
        code: int = given.does(given)
    except BundleRefused as exc:
        print(f"release: refused ({exc.reason}): {exc}", file=sys.stderr)
        return EXIT_REFUSED
    except ReleaseError as exc:
        print(f"release: {exc}", file=sys.stderr)
        return EXIT_FAILED
    except OSError as exc:
        print(f"release: {exc}", file=sys.stderr)
        return EXIT_FAILED
    return code


if __name__ == "__main__":
    sys.exit(main())
