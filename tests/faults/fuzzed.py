"""One target under atheris: `python -m tests.faults.fuzzed TARGET libFuzzer-options…`; libFuzzer ends the process."""

from __future__ import annotations

import importlib
import logging
import sys


def main(target: str, arguments: list[str]) -> None:
    # By name: in no lock, and the modules under test are to be loaded by it, so that it sees their branches.
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["agent"]):
        strangers = importlib.import_module("tests.recording.strangers")
    logging.disable(logging.CRITICAL)
    atheris.Setup([sys.argv[0], *arguments], strangers.TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
