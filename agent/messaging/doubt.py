"""When to send lane a again although the broker took it. Pure.

A broker that was killed may come back with an old session and without the newest messages, and a full queue at the
broker drops silently (mosquitto: 1000 for a centre that is away); its PUBACK says neither. The centre sees holes and
asks for them, but not a missing end. So when acks stay away, the oldest few are sent again, ever more rarely; once the
centre answers those, more follow at once. A PUBACK that says that nobody listens (MQTT 5, 3.4.2.1: 0x10), as in the
second between a broker's return and its centre's, is a doubt of its own and is followed up within seconds.
"""

from __future__ import annotations

from agent.units import NS_PER_S

# A living centre acks within seconds. Hourly tries cost 24 x 20 small events a day on a line that is paid for.
_FIRST_WAIT_S = 300
_LONGEST_WAIT_S = 3600
_FIRST_CHUNK = 20
# A centre's ear is back within a second or two of its broker; from there on the waits double up to the first above.
_UNHEARD_WAIT_S = 5


class Doubt:
    """`acked` and `confirmed` are lane a's: stored by the centre, taken by the broker."""

    def __init__(self) -> None:
        self._wait_ns = _FIRST_WAIT_S * NS_PER_S
        self._due_ns: int | None = None
        self._chunk = _FIRST_CHUNK
        self._is_doubting = False
        self._unheard_wait_ns = _UNHEARD_WAIT_S * NS_PER_S

    def unheard(self, mono_ns: int) -> None:
        """The broker took an event of lane a and had nobody to give it to: look again soon, unless that is due soon
        anyhow."""
        soon_ns = mono_ns + self._unheard_wait_ns
        if self._due_ns is None or self._due_ns > soon_ns:
            self._due_ns = soon_ns
            self._unheard_wait_ns = min(2 * self._unheard_wait_ns, _FIRST_WAIT_S * NS_PER_S)

    def send_again_up_to(self, *, acked: int, confirmed: int, mono_ns: int) -> int | None:
        """The last sequence to send again now, from acked + 1 on; None: nothing is in doubt yet."""
        if confirmed <= acked:
            self._due_ns = None
            return None
        if self._due_ns is None:
            self._due_ns = mono_ns + self._wait_ns
        if mono_ns < self._due_ns:
            return None
        self._is_doubting = True
        self._wait_ns = min(2 * self._wait_ns, _LONGEST_WAIT_S * NS_PER_S)
        self._due_ns = mono_ns + self._wait_ns
        return min(acked + self._chunk, confirmed)

    def acknowledged(self, *, acked: int, confirmed: int, mono_ns: int) -> None:
        """The centre is alive: what it still lacks after a doubt follows at once, in growing chunks."""
        self._wait_ns = _FIRST_WAIT_S * NS_PER_S
        self._unheard_wait_ns = _UNHEARD_WAIT_S * NS_PER_S
        if self._is_doubting and acked < confirmed:
            self._chunk *= 2
            self._due_ns = mono_ns
        else:
            self._is_doubting = False
            self._chunk = _FIRST_CHUNK
            self._due_ns = None
