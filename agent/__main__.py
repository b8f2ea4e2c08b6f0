"""`wayside` and `python -m agent`."""

from __future__ import annotations

from agent.cli.app import app


def main() -> None:
    app()


if __name__ == "__main__":
    main()
