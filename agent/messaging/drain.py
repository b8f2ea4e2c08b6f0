"""The way from the outbox to the broker and, by PUBACK and ack, out of the store. On the uplink's thread alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from agent.contract.events import Lane
from agent.contract.states import Ack
from agent.messaging import outbox
from agent.messaging.alarm import Alarm, AlarmKind
from agent.messaging.broker import Confirmed, Outcome, Publication
from agent.messaging.doubt import Doubt
from agent.messaging.lanes import Moment, Origin, OutboxItem
from agent.units import NS_PER_S

# What is handed over beyond the window (mosquitto: 20) keeps the wire busy while a round of PUBACKs is written to the
# store, and makes that round a larger one.
_WINDOWS_AHEAD = 10
# So many of lane b's confirmations are written down at a time, or those of so long.
_DONE_AT_ONCE = 100
_DONE_WITHIN_NS = NS_PER_S // 4
# A refused event is tried again after these; a broker's access list is rarely corrected within seconds.
_FIRST_PAUSE_S = 5
_LONGEST_PAUSE_S = 300
# What a living centre has not acknowledged yet is a window or less; a dead one must not cost the line more each time.
_AGAIN_AT_ONCE = 100
_REFUSED_ACKS = frozenset({outbox.AckOutcome.OTHER_EPOCH, outbox.AckOutcome.BEYOND_SENT})


class Drain:
    """`publish` returns a token or None when the connection is gone; `alarm` hears what people must see."""

    def __init__(
        self,
        conn: sqlite3.Connection,
        origin: Origin,
        *,
        publish: Callable[[Publication], int | None],
        alarm: Callable[[Alarm], None],
    ) -> None:
        self._conn = conn
        self._origin = origin
        self._publish = publish
        self._alarm = alarm
        self._doubt = Doubt()
        self._is_live = False
        self._window = 0
        self._in_flight: dict[int, OutboxItem] = {}
        self._after = {Lane.A: 0, Lane.B: 0}
        # While lane a's oldest are sent again in doubt: up to where, and where sending goes on afterwards.
        self._again_up_to = self._resume_a = 0
        # This connection began with more in doubt than is sent again at once.
        self._is_doubt_open = False
        self._done_a = 0
        self._done_b: list[int] = []
        self._lost_b: list[int] = []
        self._written_mono_ns = 0
        self._refused_topics: set[str] = set()
        self._pause_ns = _FIRST_PAUSE_S * NS_PER_S
        self._paused_until_ns = 0
        self._refused_ack: Ack | None = None

    def begin(self, *, window: int, is_session_present: bool) -> None:
        """A connection began: what no PUBACK came for is sent again, in order.

        A broker without our session has lost its memory, so all that the centre has not acknowledged is sent again. So
        are a few under any session: a killed broker may come back with it and yet without the newest messages.
        """
        self.end()
        self._confirm()
        status = outbox.status(self._conn)
        is_doubtful = not is_session_present or status.confirmed_a - status.acked_a <= _AGAIN_AT_ONCE
        self._after = {Lane.A: status.acked_a if is_doubtful else status.confirmed_a, Lane.B: 0}
        self._is_doubt_open = not is_doubtful
        self._again_up_to = self._resume_a = 0
        self._window = window
        self._paused_until_ns = 0
        self._is_live = True

    def end(self) -> None:
        """The connection is gone, and every token with it."""
        self._is_live = False
        self._in_flight.clear()

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits for a PUBACK and nothing is left to send."""
        after_a, after_b = self._after[Lane.A], self._after[Lane.B]
        return not self._in_flight and not outbox.has_news(self._conn, after_a=after_a, after_b=after_b)

    def settle(self, confirmed: Confirmed, mono_ns: int) -> bool:
        """Take a PUBACK; false when its token is not of the outbox. Written to the store by the next `work`."""
        item = self._in_flight.pop(confirmed.token, None)
        if item is None:
            return False
        if confirmed.outcome is Outcome.DELIVERED:
            if item.lane is Lane.A:
                self._done_a = max(self._done_a, item.sequence)
                if confirmed.is_unheard:
                    self._doubt.unheard(mono_ns)
            else:
                self._done_b.append(item.sequence)
            self._pause_ns = _FIRST_PAUSE_S * NS_PER_S
            self._accepted(item.topic)
        elif confirmed.outcome is Outcome.REFUSED and item.lane is Lane.B:
            self._lost_b.append(item.sequence)
            self._refused(item.topic, f"{confirmed.reason}; lost")
        else:
            # Lane a is never dropped: it waits, in order, until the broker takes this one.
            self._recall(item, mono_ns)
            self._refused(item.topic, f"{confirmed.reason}; tried again")
        return True

    def acknowledge(self, ack: Ack, mono_ns: int) -> None:
        """The centre's word on lane a; one that cannot be true is refused and alarmed, once."""
        outcome = outbox.acknowledge(self._conn, ack)
        if outcome in _REFUSED_ACKS:
            if ack != self._refused_ack:
                self._refused_ack = ack
                self._alarm(
                    Alarm(
                        AlarmKind.ACK_REFUSED, is_active=True, detail=f"{outcome.value}: epoch {ack.epoch}, a {ack.a}"
                    )
                )
            return
        if self._refused_ack is not None:
            self._refused_ack = None
            self._alarm(Alarm(AlarmKind.ACK_REFUSED, is_active=False))
        if outcome is outbox.AckOutcome.APPLIED:
            status = outbox.status(self._conn)
            self._after[Lane.A] = max(self._after[Lane.A], status.acked_a)
            confirmed_a = max(status.confirmed_a, self._done_a)
            self._doubt.acknowledged(acked=status.acked_a, confirmed=confirmed_a, mono_ns=mono_ns)
            if self._is_doubt_open and confirmed_a - status.acked_a <= _AGAIN_AT_ONCE:
                # The centre lives and has caught up but for a few, which a killed broker may have taken with it.
                self._is_doubt_open = False
                self._send_again(status.acked_a, confirmed_a)

    def republish(self, lane: Lane, first: int) -> None:
        """Send again what is still kept from this sequence on. What is on the wire now may arrive twice."""
        if lane is Lane.A:
            self._again_up_to = self._resume_a = 0
        self._after[lane] = min(self._after[lane], first - 1)

    def work(self, moment: Moment) -> None:
        """Write down what was confirmed and hand over what the window allows. Raises StoreError; call again later."""
        self._write_down(moment)
        if not self._is_live or moment.mono_ns < self._paused_until_ns:
            return
        self._look_for_doubt(moment.mono_ns)
        room = _WINDOWS_AHEAD * self._window - len(self._in_flight)
        after_a, after_b = self._after[Lane.A], self._after[Lane.B]
        if room <= 0:
            return
        if self._again_up_to:
            room = min(room, max(1, self._again_up_to - after_a))
        for item in outbox.take_batch(self._conn, after_a=after_a, after_b=after_b, max_items=room):
            token = self._publish(Publication(item.topic, item.payload))
            if token is None:
                self.end()
                return
            self._in_flight[token] = item
            self._after[item.lane] = item.sequence
        if self._again_up_to and self._after[Lane.A] >= self._again_up_to:
            self._after[Lane.A] = max(self._after[Lane.A], self._resume_a)
            self._again_up_to = self._resume_a = 0

    def _confirm(self) -> None:
        if self._done_a or self._done_b:
            outbox.confirm(self._conn, up_to_a=self._done_a, sequences_b=self._done_b)
            self._done_a = 0
            self._done_b.clear()

    def _refused(self, topic: str, why: str) -> None:
        if topic not in self._refused_topics:
            self._refused_topics.add(topic)
            self._alarm(Alarm(AlarmKind.EVENT_REFUSED, is_active=True, detail=f"{topic}: {why}"))

    def _accepted(self, topic: str) -> None:
        if topic in self._refused_topics:
            self._refused_topics.remove(topic)
            if not self._refused_topics:
                self._alarm(Alarm(AlarmKind.EVENT_REFUSED, is_active=False))

    def _write_down(self, moment: Moment) -> None:
        """Many confirmations at a time while more are to come: each time is a wait for the disk, and one that a power
        cut takes is an event sent again."""
        is_enough = len(self._done_b) >= _DONE_AT_ONCE or moment.mono_ns - self._written_mono_ns >= _DONE_WITHIN_NS
        if is_enough or not self._in_flight:
            self._confirm()
            self._written_mono_ns = moment.mono_ns
        while self._lost_b:
            outbox.give_up(self._conn, self._origin, self._lost_b[0], moment)
            del self._lost_b[0]

    def _look_for_doubt(self, mono_ns: int) -> None:
        status = outbox.status(self._conn)
        # What is not written down yet counts as well, or a doubt about it would be forgotten.
        confirmed = max(status.confirmed_a, self._done_a)
        up_to = self._doubt.send_again_up_to(acked=status.acked_a, confirmed=confirmed, mono_ns=mono_ns)
        if up_to is not None:
            self._send_again(status.acked_a, up_to)

    def _send_again(self, acked: int, up_to: int) -> None:
        if acked < up_to and not self._again_up_to:
            self._again_up_to, self._resume_a = up_to, self._after[Lane.A]
            self._after[Lane.A] = acked

    def _recall(self, refused: OutboxItem, mono_ns: int) -> None:
        """Take back all that is on the wire and send it again after a pause, so that nothing overtakes the refused."""
        recalled = [refused, *self._in_flight.values()]
        self._in_flight.clear()
        for lane in Lane:
            first = min((item.sequence for item in recalled if item.lane is lane), default=self._after[lane] + 1)
            self._after[lane] = min(self._after[lane], first - 1)
        self._paused_until_ns = mono_ns + self._pause_ns
        self._pause_ns = min(2 * self._pause_ns, _LONGEST_PAUSE_S * NS_PER_S)
