"""Structured logging to stderr: fixed words, then facts as keys; text on a terminal, else one JSON object a line."""

from __future__ import annotations

import logging
import re
import sys
import threading
from typing import cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

# FFmpeg and paho put the whole URL into their messages, so a camera's password would reach the journal with an error.
_CREDENTIALS = re.compile(r"(?<=://)[^\s/'\"]*@")


def setup(*, as_json: bool | None = None, level: int = logging.INFO) -> None:
    """Set the process's logging once, at its entry. `as_json` None: text where stderr is a terminal."""
    is_terminal = sys.stderr.isatty()
    to_json = not is_terminal if as_json is None else as_json
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if to_json
        else structlog.dev.ConsoleRenderer(colors=is_terminal, exception_formatter=structlog.dev.plain_traceback)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _hide_credentials,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )


def get(room: str) -> FilteringBoundLogger:
    """A logger whose lines carry `room`. Safe at import: it takes the settings of the first line that it writes.

    It writes to stderr whether `setup` was called or not, because stdout belongs to a command's answer.
    """
    return cast("FilteringBoundLogger", structlog.wrap_logger(_STDERR, room=room))


class _Stderr:
    """Writes whole lines. A stderr that is gone or full must not stop footage, so its refusal is not raised."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def msg(self, line: str) -> None:
        with self._lock:
            try:
                sys.stderr.write(line + "\n")
                sys.stderr.flush()
            except (OSError, ValueError):
                # ValueError: the stream was closed. There is nowhere left to say so.
                return

    debug = info = warning = error = critical = exception = msg


_STDERR = _Stderr()


def _hide_credentials(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if isinstance(value, str) and "@" in value:
            event[key] = _CREDENTIALS.sub("…@", value)
    return event
