"""Writes down what becomes of the node's clock: ledger, `clock` events, the re-timing of what was recorded before."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from agent import log
from agent.clock import Clock
from agent.contract import events
from agent.contract.events import ClockData
from agent.ledger import Ledger
from agent.messaging import outbox
from agent.messaging.outbox import EventDraft, Moment, Origin
from agent.recording import evidence
from agent.recording.boot import BootNumber
from agent.recording.clockwatch import ClockLook, ClockWatch, Noticed
from agent.recording.records import ClockMarked
from agent.store import transaction
from agent.units import NS_PER_S, format_rfc3339

_log = log.get("clock")


class ClockKeeper:
    """Owned by the keeper's thread, with its connection; `look` each round. Raises StoreError, DiskError."""

    def __init__(
        self, conn: sqlite3.Connection, ledger: Ledger, clock: Clock, *, boot: BootNumber, origin: Origin
    ) -> None:
        self._conn = conn
        self._ledger = ledger
        self._clock = clock
        self._boot = boot
        self._origin = origin
        self._watch = self._resume()

    def look(self, wake: Callable[[], None]) -> None:
        """`wake` tells the uplink that the outbox grew."""
        status = self._clock.status()
        now = ClockLook(self._clock.wall_ns(), self._clock.mono_ns(), status.quality.value, status.error_s)
        noticed = self._watch.look(now)
        if noticed is None:
            return
        try:
            with transaction(self._conn):
                self._write(noticed, Moment(now.wall_ns, now.mono_ns, now.quality))
        except BaseException:
            # What reached the ledger counts; the rest is noticed again.
            self._watch = self._resume()
            raise
        wake()

    def _resume(self) -> ClockWatch:
        marks, known_until_ns = evidence.clock_marks(self._conn, self._boot.boot)
        return ClockWatch(marks, known_until_mono_ns=known_until_ns)

    def _write(self, noticed: Noticed, moment: Moment) -> None:
        if noticed.marked is not None:
            evidence.note(self._conn, self._ledger, noticed.marked)
            if not noticed.is_first:
                self._tell(noticed.marked, moment)
        if noticed.retimed is not None:
            evidence.note(self._conn, self._ledger, noticed.retimed)
            # Until when the node lived is a label too.
            evidence.beat(self._conn, self._boot.boot, moment.wall_ns)
            labels = noticed.retimed.labels
            _log.info(
                "clock known", error_s=noticed.retimed.error_s, shift_s=[one.shift_ns / NS_PER_S for one in labels]
            )

    def _tell(self, marked: ClockMarked, moment: Moment) -> None:
        data = ClockData(
            quality=marked.quality,
            previous=marked.previous,
            step_s=marked.step_ns / NS_PER_S,
            error_s=marked.error_s,
            at=format_rfc3339(moment.wall_ns),
        )
        outbox.append(self._conn, self._origin, EventDraft(events.CLOCK, "", data, moment))
        _log.warning("clock changed", quality=data.quality, previous=data.previous, step_s=data.step_s)
