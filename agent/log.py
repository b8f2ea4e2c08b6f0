"""Structured logging to stderr: fixed words, then facts as keys. Text on a terminal, one JSON object a line elsewhere."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import FilteringBoundLogger


def setup(*, as_json: bool | None = None, level: int = logging.INFO) -> None:
    """Set the process's logging once, at its entry. `as_json` None: text where stderr is a terminal."""
    to_json = not sys.stderr.isatty() if as_json is None else as_json
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if to_json else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def get(room: str) -> FilteringBoundLogger:
    """A logger whose lines carry `room`. Safe at import: it takes the settings of the first line it writes."""
    logger: FilteringBoundLogger = structlog.get_logger(room=room)
    return logger
