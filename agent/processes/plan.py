"""`python -m agent.processes.plan --config FILE`: which processes should run, and a digest of what each of them reads.

For whoever starts them in the field (firmware_scripts/apply): one JSON object, {"camera-c01": "…", "node": "…", …}.
Exit codes: 0 done, 2 the configuration is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from agent.errors import WaysideError, exit_code
from agent.processes.children import plan_children
from agent.processes.entry import load_config


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m agent.processes.plan", description="What should run.")
    parser.add_argument("--config", type=Path, required=True)
    path: Path = parser.parse_args(argv).config
    try:
        children = plan_children(load_config(path), path)
    except WaysideError as exc:
        sys.stderr.write(f"wayside: {exc}\n")
        return exit_code(exc)
    sys.stdout.write(json.dumps({child.name: child.settings for child in children}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
