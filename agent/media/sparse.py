"""Packets to pictures, no more of them than the scene is worth.

While nothing happens only IDRs are decoded, and each is compared with the one before by who watches. When one shows a
change, or the packets grow, the GOP that was passed over is decoded from its IDR, so that what began in it is seen from
its beginning. A GOP that may not be passed over, or is too long for it, is decoded whole, without the loop filter while
nothing happens.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from agent.media.decoder import Decoder, Picture

# Between two IDRs further apart a person may come and go (issue "Seeing": every IDR if the GOP is no longer than 2 s).
_LONGEST_GOP_NS: Final = 2_200_000_000
# A packet of so many times the usual size opens; at a constant bit rate none ever is (measured: AUC 0.51).
_BURST: Final = 3.0
_USUAL_PACKETS: Final = 100
_FEWEST_PACKETS: Final = 20
# 2 s of 16 Mbit/s.
_MAX_KEPT_BYTES: Final = 4 * 1024 * 1024


class Watcher(Protocol):
    """Who looks at the pictures; asked on the decoder's thread, after all pictures given so far."""

    def is_quiet(self, media_ns: int) -> bool:
        """Whether nothing has happened for a while."""

    def stirs(self, picture: Picture) -> bool:
        """Whether this picture shows a change against the last one given."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture; `is_late`: it was passed over first, and is worth a look whatever its age."""

    picture: Picture
    is_late: bool = False


@dataclass(frozen=True, slots=True)
class _Unit:
    data: bytes
    media_ns: int


class SparseDecoder:
    """Of one stream. One owner thread; packets in their order. `passed`: packets that were never decoded."""

    def __init__(self, codec: str, extradata: bytes, watcher: Watcher, *, may_skip: bool) -> None:
        """may_skip: whether pictures may be passed over at all; never where things cross a line."""
        self._codec = codec
        self._extradata = extradata
        self._watcher = watcher
        self._may_skip = may_skip
        self._decoder = Decoder(codec, extradata)
        self._is_filtered = True
        # Decodes IDRs alone, so that the other can still take up the GOP before.
        self._stills: Decoder | None = None
        self._kept: list[_Unit] = []
        self._kept_bytes = 0
        self._idr_ns: int | None = None
        self._gop_ns: int | None = None
        self._sizes: deque[int] = deque(maxlen=_USUAL_PACKETS)
        self.passed = 0

    def decode(self, data: bytes, media_ns: int, *, is_idr: bool) -> Iterator[Decoded]:
        """Pictures in the order they are shown; take them one by one, for each may change what is decoded next."""
        unit = _Unit(data, media_ns)
        if is_idr:
            yield from self._begin_gop(unit)
        elif self._kept:
            yield from self._pass_over(unit)
        else:
            self._sizes.append(len(data))
            yield from map(Decoded, self._decoder.decode(data, media_ns))

    def _begin_gop(self, unit: _Unit) -> Iterator[Decoded]:
        if self._idr_ns is not None:
            self._gop_ns = unit.media_ns - self._idr_ns
        self._idr_ns = unit.media_ns
        is_quiet = self._watcher.is_quiet(unit.media_ns)
        if is_quiet and self._may_skip and self._has_short_gops:
            yield from self._look_in(unit)
            return
        yield from self._catch_up()
        self._filter(wanted=not is_quiet)
        yield from map(Decoded, self._decoder.decode(unit.data, unit.media_ns))

    @property
    def _has_short_gops(self) -> bool:
        return self._gop_ns is not None and 0 < self._gop_ns <= _LONGEST_GOP_NS

    def _look_in(self, unit: _Unit) -> Iterator[Decoded]:
        """One IDR while nothing happens."""
        if self._stills is None:
            self._stills = Decoder(self._codec, self._extradata)
        stills = self._stills.decode(unit.data, unit.media_ns)
        if len(stills) == 1 and stills[0].media_ns == unit.media_ns and not self._watcher.stirs(stills[0]):
            self.passed += max(len(self._kept) - 1, 0)
            self._kept, self._kept_bytes = [unit], len(unit.data)
            yield Decoded(stills[0])
            return
        # A stream with B-frames gives an IDR out only after the next packets: it cannot be looked into.
        self._may_skip = self._may_skip and len(stills) == 1
        yield from self._catch_up()
        yield from map(Decoded, self._decoder.decode(unit.data, unit.media_ns))

    def _pass_over(self, unit: _Unit) -> Iterator[Decoded]:
        """A packet of a GOP whose IDR showed nothing."""
        self._kept.append(unit)
        self._kept_bytes += len(unit.data)
        is_burst = len(self._sizes) >= _FEWEST_PACKETS and len(unit.data) > _BURST * statistics.median(self._sizes)
        self._sizes.append(len(unit.data))
        is_long = unit.media_ns - self._kept[0].media_ns > _LONGEST_GOP_NS or self._kept_bytes > _MAX_KEPT_BYTES
        if is_burst or is_long:
            yield from self._catch_up()

    def _catch_up(self) -> Iterator[Decoded]:
        """Decode what was passed over; the first of it was given already."""
        kept, self._kept, self._kept_bytes = self._kept, [], 0
        if kept:
            self._filter(wanted=True)
        for at, unit in enumerate(kept):
            pictures = self._decoder.decode(unit.data, unit.media_ns)
            if at:
                yield from (Decoded(picture, is_late=True) for picture in pictures)

    def _filter(self, *, wanted: bool) -> None:
        """At an IDR: whether blocks' edges are smoothed from here on."""
        if wanted != self._is_filtered:
            self._decoder = Decoder(self._codec, self._extradata, filters=wanted)
            self._is_filtered = wanted
