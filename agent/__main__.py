"""`wayside` and `python -m agent`."""

from __future__ import annotations

import sys

from agent.cli.commands import build


def main() -> None:
    build(sys.argv[1] if len(sys.argv) > 1 else "")()


if __name__ == "__main__":
    main()
