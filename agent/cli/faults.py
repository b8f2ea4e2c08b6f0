"""What a person sees of an error: its sentence and what to do, on stderr, and the command line's exit codes."""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import typer

from agent import log
from agent.errors import EXIT_FAILED, EXIT_PARTIAL, EXIT_USAGE, WaysideError, exit_code

__all__ = ["EXIT_FAILED", "EXIT_PARTIAL", "EXIT_USAGE", "explained"]


P = ParamSpec("P")
R = TypeVar("R")


def explained(command: Callable[P, R]) -> Callable[P, R]:
    """Turn the agent's own errors into a message and an exit code; anything else is a bug and keeps its traceback."""

    @functools.wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        # Quiet for people; a process of the agent sets its own, louder one.
        log.setup(level=logging.ERROR, is_quiet=True)
        try:
            return command(*args, **kwargs)
        except WaysideError as exc:
            print(f"wayside: {exc}", file=sys.stderr)
            raise typer.Exit(exit_code(exc)) from exc

    return guarded
