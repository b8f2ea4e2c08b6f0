"""Where a sound that came on a line of its own stands among the pictures. Pure.

Two things tell. When each came: whatever delays a packet only ever makes it later, so the least late of some seconds is
taken at its word, of the pictures as of the sound (as for a run's anchor, ADR 7). And what the camera itself says in
its RTCP sender reports, by its own clock, of pictures and sound alike (RFC 3550, 6.4.1): which is exact, unless that
clock is set meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agent.media.sound import SourceSound
from agent.units import NS_PER_MS, NS_PER_S

# In this time some packet of every line came without waiting behind another.
_WINDOW_NS: Final = 10 * NS_PER_S
# A camera's reports and the arrivals agree within what it needs to encode a picture; beyond this they are wrong.
_PLAUSIBLE_NS: Final = NS_PER_S
# Below this the place is moved slowly, 2 ms a second: crystals part by 0.1 ms a second, reports jitter by 10 ms.
_STILL_NS: Final = 20 * NS_PER_MS
_SLOWLY: Final = 500
# A camera whose clock is set says so of pictures and sound up to 5 s apart, the distance of its reports (RFC 3550,
# 6.2); what is true stays so for longer.
_PERSISTS_NS: Final = 6 * NS_PER_S
# The first report comes at once or within 3.75 s (the same); a camera that made none until now makes none.
_PATIENCE_NS: Final = 6 * NS_PER_S


class _Least:
    """How late the least late packet of this window came, and of the one before: arrival by the monotonic clock less
    the packet's own time."""

    def __init__(self) -> None:
        self._from_ns = 0
        self._least_ns: int | None = None
        self._before_ns: int | None = None

    def note(self, late_ns: int, arrived_mono_ns: int) -> None:
        if self._least_ns is None or arrived_mono_ns - self._from_ns > _WINDOW_NS:
            self._before_ns, self._least_ns = self._least_ns, late_ns
            self._from_ns = arrived_mono_ns
        self._least_ns = min(self._least_ns, late_ns)

    @property
    def late_ns(self) -> int:
        """0 before the first packet."""
        known = [each for each in (self._least_ns, self._before_ns) if each is not None]
        return min(known, default=0)


@dataclass(slots=True)
class _Line:
    """What is known of one line. `offset_ns` is what is added to a sound's own time to make it media time."""

    number: int
    arrivals: _Least
    begun_mono_ns: int = 0
    offset_ns: int | None = None
    is_reported: bool = False
    parted_since_ns: int | None = None

    def follow(self, wanted_ns: int, sound: SourceSound) -> int:
        """The offset from here on, now that it should be `wanted_ns`."""
        offset_ns = wanted_ns if self.offset_ns is None else self.offset_ns
        parted_ns = wanted_ns - offset_ns
        if abs(parted_ns) <= _STILL_NS:
            most_ns = sound.duration_ns // _SLOWLY
            offset_ns += max(-most_ns, min(most_ns, parted_ns))
            self.parted_since_ns = None
        elif self.parted_since_ns is None:
            self.parted_since_ns = sound.at_ns
        elif sound.at_ns - self.parted_since_ns > _PERSISTS_NS:
            offset_ns, self.parted_since_ns = wanted_ns, None
        self.offset_ns = offset_ns
        return offset_ns


class LipSync:
    """One camera's, over its runs. Owned by the capture's thread."""

    def __init__(self) -> None:
        self._anchor_mono_ns = 0
        # When media time 0 was, as the pictures arrive. Steering bends media time, and takes up small steps of the wall
        # clock (agent.media.steering), so this is not the anchor for ever.
        self._arrivals = _Least()
        # Media time less the camera's own time, of the pictures.
        self._picture_ns: int | None = None
        self._line = _Line(0, _Least())

    def begin_run(self, anchor_mono_ns: int) -> None:
        """Media time 0 is now this moment of the monotonic clock."""
        if self._line.offset_ns is not None:
            self._line.offset_ns -= anchor_mono_ns - self._anchor_mono_ns
        self._anchor_mono_ns = anchor_mono_ns
        self._arrivals = _Least()
        self._arrivals.note(anchor_mono_ns, anchor_mono_ns)
        self._picture_ns = None

    def note_picture(self, media_ns: int, arrived_mono_ns: int, ntp_ns: int | None) -> None:
        """A picture of this media time came; the camera says when it was taken by its own clock, if it does."""
        self._arrivals.note(arrived_mono_ns - media_ns, arrived_mono_ns)
        if ntp_ns is not None:
            self._picture_ns = media_ns - ntp_ns

    def note_sound(self, sound: SourceSound) -> bool:
        """It came. Whether its line's place is known: by reports, or as well as it ever will be."""
        if sound.line != self._line.number:
            self._line = _Line(sound.line, _Least(), sound.arrived_mono_ns)
        line = self._line
        # It cannot leave the camera before its last sample was heard.
        line.arrivals.note(sound.arrived_mono_ns - sound.at_ns - sound.duration_ns, sound.arrived_mono_ns)
        reported_ns = self._reported(sound)
        if reported_ns is not None and not line.is_reported:
            line.offset_ns, line.is_reported = reported_ns, True
        return line.is_reported or sound.arrived_mono_ns - line.begun_mono_ns > _PATIENCE_NS

    def place(self, sound: SourceSound) -> int:
        """Its media time in this run; negative before the first picture. After `note_sound` of its line's."""
        reported_ns = self._reported(sound)
        wanted_ns = self._arrived() if reported_ns is None else reported_ns
        return sound.at_ns + self._line.follow(wanted_ns, sound)

    def _arrived(self) -> int:
        """The offset by the arrivals."""
        return self._line.arrivals.late_ns - self._arrivals.late_ns

    def _reported(self, sound: SourceSound) -> int | None:
        """The offset by the camera's reports, where it makes any and they can be true."""
        if sound.ntp_ns is None or self._picture_ns is None:
            return None
        reported_ns = sound.ntp_ns - sound.at_ns + self._picture_ns
        return reported_ns if abs(reported_ns - self._arrived()) <= _PLAUSIBLE_NS else None
