"""What a disk may be written in its life, how much of that is used, and whether the rest lasts. Pure.

The best witness first: what the device says of its own wear, then bytes written against its maker's rating, then
against what its class is known to bear.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType
from typing import Final

_TB: Final = 10**12
# A change of disk is ordered, shipped and needs a ladder.
_WARN_DAYS: Final = 90
_MOST_DAYS: Final = 36_500


@dataclass(frozen=True, slots=True)
class DiskClass:
    """`full_writes`: how often the whole disk may be written; `fixed_bytes` where that does not depend on its size."""

    source: str
    full_writes: int = 0
    fixed_bytes: int = 0


# By `storage.disk_class`. The low end of each class: a wrong alarm costs a look, a wrong promise a node.
CLASSES: Final[Mapping[str, DiskClass]] = MappingProxyType(
    {
        # Endurance cards are rated in hours of Full HD at 26 Mbit/s (3.25 MB/s): SanDisk High Endurance 64 GB 5 000 h,
        # which is 58.5 TB, 914 times its size. (Max Endurance: 15 000 h for 32 GB, 5 484 times.)
        "sd_endurance": DiskClass("card for recording: 900 times its size (5 000 h at 26 Mbit/s for 64 GB)", 900),
        # No maker rates ordinary cards, and several exclude continuous recording from their warranty. A third of the
        # above is an assumption, told as one.
        "sd": DiskClass("ordinary card: assumed 300 times its size, no maker rates them", 300),
        # TLC of 3 000 cycles (the usual rating) under a write amplification of 3 for small synced writes. JEDEC's own
        # wear register, where the part tells it, comes before this.
        "emmc": DiskClass("eMMC: assumed 1 000 times its size (3 000 cycles, write amplification 3)", 1000),
        # Data sheets: Crucial BX500 480 GB 120 TB (250), WD Blue SA510 500 GB 200 TB (400), Samsung 870 EVO 500 GB
        # 300 TB (600).
        "ssd": DiskClass("consumer SSD: 250 times its size, the lowest of common ratings", 250),
        # A magnetic disk is rated by its load: 180 TB a year over a warranty of three years (data sheets of WD Purple
        # and Seagate SkyHawk), of any size.
        "hdd": DiskClass("surveillance HDD: 180 TB a year for 3 years", 0, 540 * _TB),
    }
)


@dataclass(frozen=True, slots=True)
class Rating:
    """`rated_bytes` None: nobody knows. `source` is for people."""

    rated_bytes: int | None
    source: str


@dataclass(frozen=True, slots=True)
class WearSeen:
    """What is known of the disk. `used_ratio` is the device's own word; `lifetime_written_bytes` of its file system,
    `written_bytes` to the whole device since boot, `uptime_s` ago; `footage_bytes_per_day` stands in on the first day.
    None: not told."""

    used_ratio: float | None = None
    lifetime_written_bytes: int | None = None
    written_bytes: int | None = None
    uptime_s: float = 0.0
    footage_bytes_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class Endurance:
    """`worn_out`: the day on which the rating is used up at this pace; None when that is not known or beyond a
    century. `is_short`: it is used up, or will be before the site's planned end or within 90 days."""

    rating: Rating
    used_ratio: float | None
    bytes_per_day: int | None
    worn_out: date | None
    service_until: date | None
    is_short: bool


def rate(endurance_bytes: int, disk_class: str, disk_bytes: int | None) -> Rating:
    """The maker's word (`storage.endurance`) before that of the class; `disk_bytes` is the disk's size."""
    if endurance_bytes:
        return Rating(endurance_bytes, "rated by its maker")
    known = CLASSES.get(disk_class)
    if known is None:
        return Rating(None, "not known: set storage.endurance or storage.disk_class")
    if known.fixed_bytes:
        return Rating(known.fixed_bytes, known.source)
    return Rating(known.full_writes * disk_bytes if disk_bytes else None, known.source)


def judge(rating: Rating, seen: WearSeen, today: date, service_until: date | None) -> Endurance:
    """Whether the disk lasts."""
    used_ratio, pace = _used(rating, seen), _pace(seen)
    left_days = _left_days(rating, used_ratio, pace)
    worn_out = today + timedelta(days=left_days) if left_days is not None and left_days < _MOST_DAYS else None
    is_used_up = used_ratio is not None and used_ratio >= 1.0
    must_last_until = max(service_until or today, today + timedelta(days=_WARN_DAYS))
    is_too_soon = worn_out is not None and worn_out < must_last_until
    return Endurance(rating, used_ratio, pace, worn_out, service_until, is_short=is_used_up or is_too_soon)


def _used(rating: Rating, seen: WearSeen) -> float | None:
    if seen.used_ratio is not None:
        return seen.used_ratio
    if rating.rated_bytes is None or seen.lifetime_written_bytes is None:
        return None
    return round(seen.lifetime_written_bytes / rating.rated_bytes, 4)


def _pace(seen: WearSeen) -> int | None:
    """Bytes a day. The device counts all that is written, but a boot of less than a day says little."""
    day_s = 86_400
    if seen.written_bytes is not None and seen.uptime_s >= day_s:
        return round(seen.written_bytes / seen.uptime_s * day_s)
    return seen.footage_bytes_per_day


def _left_days(rating: Rating, used_ratio: float | None, pace: int | None) -> int | None:
    """A disk of which nobody knows what was written is taken to be new."""
    if rating.rated_bytes is None or not pace:
        return None
    return int(rating.rated_bytes * max(1.0 - (used_ratio or 0.0), 0.0) / pace)
