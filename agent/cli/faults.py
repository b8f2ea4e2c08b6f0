"""What a person sees of an error: its sentence and what to do, on stderr, and the command line's exit codes."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import typer

from agent.errors import ConfigError, UsageError, WaysideError

# Product: 0 done, 1 the check or the work failed, 2 wrong usage, 3 partial.
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_PARTIAL = 3

P = ParamSpec("P")
R = TypeVar("R")


def explained(command: Callable[P, R]) -> Callable[P, R]:
    """Turn the agent's own errors into a message and an exit code; anything else is a bug and keeps its traceback."""

    @functools.wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except WaysideError as exc:
            print(f"wayside: {exc}", file=sys.stderr)
            raise typer.Exit(exit_code(exc)) from exc

    return guarded


def exit_code(error: WaysideError) -> int:
    return EXIT_USAGE if isinstance(error, UsageError | ConfigError) else EXIT_FAILED
