"""The loop that every long-lived thread runs in: retry, back-off and logging live here and nowhere else.

The project's one `except Exception` stands below: whatever a body raises has this owner, who logs it and tries again.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from agent import log
from agent.errors import WaysideError

_log = log.get("stage")


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double from `initial_s` to `max_s`. Pure.

    Each is spread by up to `jitter_ratio`, so that a fleet does not return in step.
    """

    initial_s: float = 0.5
    max_s: float = 10.0
    jitter_ratio: float = 0.3

    def delay_s(self, failures: int, chance: float) -> float:
        """How long to wait after this many failures in a row (1 or more); `chance` lies in [0, 1)."""
        base_s = min(self.initial_s * 2.0 ** min(failures - 1, 30), self.max_s)
        return base_s * (1 + self.jitter_ratio * (2 * chance - 1))

    def count(self, failures: int, lasted_s: float) -> int:
        """Failures in a row, now that an attempt failed after `lasted_s`.

        One that outlasted the longest wait had gone well: a camera that stalls after a day of recording is asked again
        at once, however often it was down before.
        """
        return 1 if lasted_s > self.max_s else failures + 1


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

    def join(self, timeout_s: float | None = None) -> bool:
        """Whether the thread has ended; None waits until it has."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def _loop(self) -> None:
        while not self._stop.is_set():
            began_s = time.monotonic()
            failure = self._attempt(self._run_once)
            if failure is None:
                self._failures = 0
                continue
            self._failures = self._backoff.count(self._failures, time.monotonic() - began_s)
            delay_s = self._backoff.delay_s(self._failures, random.random())  # noqa: S311 - spreads load, guards nothing
            self._report("stage failed", failure, retry_s=round(delay_s, 2))
            self._tell_owner(failure)
            self._stop.wait(delay_s)

    def _attempt(self, body: Callable[[], None]) -> Exception | None:
        try:
            body()
        except Exception as exc:  # noqa: BLE001 - the one place; see the module's docstring
            return exc
        return None

    def _tell_owner(self, failure: Exception) -> None:
        """An owner that cannot take the news must not end the stage that brings it."""
        on_failure = self._on_failure
        if on_failure is None:
            return
        second = self._attempt(lambda: on_failure(failure))
        if second is not None:
            self._report("failure not taken in", second, retry_s=None)

    def _report(self, event: str, exc: Exception, *, retry_s: float | None) -> None:
        # A fault of ours needs its traceback; a named one says all in its own words.
        trace = None if isinstance(exc, WaysideError) else exc
        _log.warning(
            event,
            stage=self.name,
            problem=str(exc) or type(exc).__name__,
            failures=self._failures,
            retry_s=retry_s,
            exc_info=trace,
        )
