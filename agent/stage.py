"""The loop that every long-lived thread runs in: retry, back-off and logging live here and nowhere else.

The project's one `except Exception` stands below: whatever a body raises has this owner, who logs it and tries again.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

from agent import log
from agent.errors import WaysideError

_log = log.get("stage")


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double from `initial_s` to `max_s`, each spread by up to `jitter_ratio` so that many nodes do not return
    in step."""

    initial_s: float = 0.5
    max_s: float = 10.0
    jitter_ratio: float = 0.3

    def delay_s(self, failures: int, chance: float) -> float:
        """How long to wait after this many failures in a row (1 or more); `chance` lies in [0, 1). Pure."""
        base_s = min(self.initial_s * 2.0 ** min(failures - 1, 30), self.max_s)
        return base_s * (1 + self.jitter_ratio * (2 * chance - 1))


class Stage:
    """A named thread around `run_once`.

    Returning means "again at once", raising means "again after the back-off". `run_once` must return within about a
    second of `stop`. `on_failure` hears of each failure on the stage's own thread.
    """

    def __init__(
        self,
        name: str,
        run_once: Callable[[], None],
        *,
        stop: threading.Event,
        backoff: Backoff | None = None,
        on_failure: Callable[[Exception], None] | None = None,
    ) -> None:
        self.name = name
        self._run_once = run_once
        self._stop = stop
        self._backoff = backoff or Backoff()
        self._on_failure = on_failure
        self._failures = 0
        self._thread = threading.Thread(target=self._loop, name=name)

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout_s: float) -> bool:
        """Whether the thread has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def _loop(self) -> None:
        while not self._stop.is_set():
            try:
                self._run_once()
            except Exception as exc:  # noqa: BLE001 - the one place; see the module's docstring
                self._fail(exc)
            else:
                self._failures = 0

    def _fail(self, exc: Exception) -> None:
        self._failures += 1
        delay_s = self._backoff.delay_s(self._failures, random.random())  # noqa: S311 - spreads load, guards nothing
        # A fault of ours needs its traceback; a named one says all in its own words.
        trace = None if isinstance(exc, WaysideError) else exc
        _log.warning(
            "stage failed",
            stage=self.name,
            problem=str(exc) or type(exc).__name__,
            failures=self._failures,
            retry_s=round(delay_s, 2),
            exc_info=trace,
        )
        if self._on_failure is not None:
            self._on_failure(exc)
        self._stop.wait(delay_s)
