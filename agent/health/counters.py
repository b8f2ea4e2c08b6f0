"""Counters of processes that come and go, added up for as long as this process lives. Pure."""

from __future__ import annotations


class RunningTotal:
    """Sum of a counter that starts at 0 with each start of its process. One thread."""

    def __init__(self) -> None:
        self._finished = 0
        self._session = ""
        self._current = 0

    def update(self, session: str, count: int) -> None:
        """`session` changes with each start of the counting process; within one, `count` never falls."""
        if session != self._session:
            self._finished += self._current
            self._session, self._current = session, 0
        self._current = max(self._current, count)

    @property
    def total(self) -> int:
        """What was counted after a process's last report is not in it."""
        return self._finished + self._current
