"""Since when one camera has no footage, and why: one reason at a time, told when it begins and when it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from agent.clock import Clock
from agent.notices import Outage

_DISK = frozenset({"disk_slow", "disk_full", "disk_error", "disk_missing"})
NOT_SCHEDULED = "not_scheduled"


@dataclass(frozen=True, slots=True)
class _Open:
    start_wall_ns: int
    reason: str
    detail: str


class OutageBook:
    """Safe from the capture's and the recorder's thread. `tell` must not block.

    An outage begins where the footage ended. When its reason changes (unreachable, then refused) it ends at that moment
    and the next begins there, so that each second has one reason.
    """

    def __init__(
        self, camera: str, boot: int, tell: Callable[[Outage], None], clock: Clock, *, since_wall_ns: int | None = None
    ) -> None:
        """`since_wall_ns`: when this process began to look after the camera; None is now."""
        self._camera = camera
        self._boot = boot
        self._tell = tell
        self._clock = clock
        self._lock = threading.Lock()
        # Before the first footage of this process, only what it sees itself is claimed.
        self._footage_end_wall_ns = clock.wall_ns() if since_wall_ns is None else since_wall_ns
        self._open: _Open | None = None

    @property
    def is_open_for_disk(self) -> bool:
        current = self._open
        return current is not None and current.reason in _DISK

    @property
    def current(self) -> tuple[str, int] | None:
        """Reason and wall time of the outage that lasts; None while footage is recorded."""
        current = self._open
        return None if current is None else (current.reason, current.start_wall_ns)

    def recorded_until(self, wall_ns: int) -> None:
        with self._lock:
            self._footage_end_wall_ns = wall_ns

    def left_out_until(self, wall_ns: int) -> None:
        """The camera sends, and its footage is left out on purpose: until here nothing else is to blame."""
        self.recorded_until(wall_ns)

    def begin(self, reason: str, detail: str) -> None:
        """There is no footage for this reason; repeated while it lasts without effect."""
        with self._lock:
            current = self._open
            if current is not None and current.reason == reason:
                return
            start_ns = self._clock.wall_ns()
            if current is None or current.reason == NOT_SCHEDULED:
                start_ns = self._footage_end_wall_ns
            if current is not None:
                start_ns = max(start_ns, current.start_wall_ns)
                self._tell_outage(current, start_ns)
            self._open = _Open(start_ns, reason, detail)
            self._tell_outage(self._open, 0)

    def end(self, wall_ns: int) -> None:
        """Footage begins again at this wall time."""
        with self._lock:
            current, self._open = self._open, None
            if current is not None:
                self._tell_outage(current, max(wall_ns, current.start_wall_ns))

    def _tell_outage(self, outage: _Open, end_wall_ns: int) -> None:
        self._tell(
            Outage(
                camera=self._camera,
                boot=self._boot,
                start_wall_ns=outage.start_wall_ns,
                end_wall_ns=end_wall_ns,
                reason=outage.reason,
                detail=outage.detail,
            )
        )
