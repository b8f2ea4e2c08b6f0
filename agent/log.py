"""Structured logging to stderr: fixed words, then facts as keys; text on a terminal, else one JSON object a line."""

from __future__ import annotations

import logging
import re
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

# FFmpeg and paho put the whole URL into their messages, so a camera's password would reach the journal with an error.
_CREDENTIALS = re.compile(r"(?<=://)[^\s/'\"]*@")


@dataclass(frozen=True, slots=True)
class _Settings:
    to_json: bool
    is_terminal: bool
    level: int


def setup(*, as_json: bool | None = None, level: int = logging.INFO, is_quiet: bool = False) -> None:
    """Set the process's logging once, at its entry. `as_json` None: text where stderr is a terminal.

    `is_quiet`: a command that ends soon and hardly ever writes a line; structlog is loaded with the first one, which
    takes a tenth of a second that no recorder is to lose at that moment.
    """
    is_terminal = sys.stderr.isatty()
    settings = _Settings(not is_terminal if as_json is None else as_json, is_terminal, level)
    _pending.clear()
    if is_quiet and "structlog" not in sys.modules:
        _pending.append(settings)
    else:
        _configure(settings)


def get(room: str) -> FilteringBoundLogger:
    """A logger whose lines carry `room`. Safe at import: it takes the settings of the moment of each line.

    It writes to stderr whether `setup` was called or not, because stdout belongs to a command's answer.
    """
    return cast("FilteringBoundLogger", _Room(room))


class _Room:
    """Loads structlog with its first line, if `setup` has not."""

    def __init__(self, room: str) -> None:
        self._room = room

    def __getattr__(self, method: str) -> object:
        import structlog

        if _pending:
            _configure(_pending.pop())
        return getattr(structlog.wrap_logger(_STDERR, room=self._room), method)


# What `setup` was told and no line has needed yet; at most one.
_pending: list[_Settings] = []


def _configure(settings: _Settings) -> None:
    import structlog

    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if settings.to_json
        else structlog.dev.ConsoleRenderer(
            colors=settings.is_terminal, exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _hide_credentials,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(settings.level),
    )


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
