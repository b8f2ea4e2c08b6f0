"""Commands on what the ring keeps and for how long: holds, the forecast, erasing. Pure."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from agent.contract.wire import Count, Down, Identifier, Instant, Up, WireGap, WireSpan

_Days = Annotated[int, msgspec.Meta(ge=1, le=3650)]
_Person = Annotated[str, msgspec.Meta(max_length=100)]
# Answers stay below the 64 KiB of a message: a hold is some 300 bytes.
MOST_HOLDS_TOLD: Final = 100


class HoldSetArgs(Down, frozen=True, kw_only=True):
    """Keep footage for `days` from now, whatever the ring has to delete. Why stands in the command's `purpose`.
    `reviewer` looks at it again before it ends: the node alarms a week ahead; without one it is the actor."""

    camera: Identifier
    start: Instant = msgspec.field(name="from")
    end: Instant = msgspec.field(name="to")
    days: _Days = 30
    reviewer: _Person = ""


class HoldShare(Up, frozen=True, kw_only=True):
    """How much all staff holds take, of how much they may."""

    bytes: Count
    limit_bytes: Count


class HoldData(Up, frozen=True, kw_only=True):
    """One hold in force. `kind` is `staff` or `incident`; the incident's id is the hold's."""

    hold_id: str
    kind: Literal["staff", "incident"]
    camera: Identifier
    start: Instant
    end: Instant
    made_at: Instant
    expires: Instant | None
    actor: str = ""
    reason: str = ""
    reviewer: str = ""
    case_ref: str = ""


class HoldSetResult(Up, frozen=True, kw_only=True):
    """What is kept from now on. The span ends at the node's now at the latest. `gaps`: what of it is not there to be
    kept; the answer's state is `partial` then."""

    hold: HoldData
    segments: Count
    bytes: Count
    gaps: tuple[WireGap, ...]
    share: HoldShare


class HoldReleaseArgs(Down, frozen=True, kw_only=True):
    """End a hold before its time: two signatures by different actors are due. `hold_id` is that of the answer to
    hold.set, or an incident's."""

    hold_id: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f-]{36}$")]


class HoldReleaseResult(Up, frozen=True, kw_only=True):
    """`freed_bytes`: what no other hold keeps; the ring takes it when it needs room."""

    hold_id: str
    freed_bytes: Count


class ForecastArgs(Down, frozen=True, kw_only=True):
    """How long the node will keep what it records, how worn its disk is, and which holds it keeps."""

    camera: Identifier | None = None


class CameraForecast(Up, frozen=True, kw_only=True):
    """`promised_days` is the configuration's word. `days` will really be kept at the rate of the last week, holds taken
    off; null while less than ten minutes were recorded. `is_short`: the word will not be kept."""

    camera: Identifier
    promised_days: Count
    days: float | None
    bytes_per_day: Count | None
    footage_bytes: Count
    oldest: Instant | None
    is_short: bool


class EnduranceForecast(Up, frozen=True, kw_only=True):
    """`rated_bytes` of the disk's life, by its maker's word or its class (`source`); null: not known. `used_ratio` is
    the disk's own word where it has one. `worn_out` is the day at which the rating is used up at this pace; `is_short`:
    that is before `service_until`."""

    rated_bytes: Count | None
    source: str
    used_ratio: float | None
    bytes_per_day: Count | None
    worn_out: str | None
    service_until: str | None
    is_short: bool


class ForecastResult(Up, frozen=True, kw_only=True):
    """`holds` are the staff's, those that end first first, at most 100; `held_more` are not told. Incident holds are
    only counted, by their bytes."""

    cameras: tuple[CameraForecast, ...]
    ring_bytes: Count
    endurance: EnduranceForecast
    staff_share: HoldShare
    incident_held_bytes: Count
    holds: tuple[HoldData, ...]
    held_more: Count = 0


class FootageEraseArgs(Down, frozen=True, kw_only=True):
    """Delete footage for good: two signatures by different actors are due. Whole segments go, so up to a minute more at
    each end. What is held is refused."""

    camera: Identifier
    start: Instant = msgspec.field(name="from")
    end: Instant = msgspec.field(name="to")


class FootageEraseResult(Up, frozen=True, kw_only=True):
    """`erased` is what is gone, null where only stills were left of the span."""

    camera: Identifier
    asked: WireSpan
    erased: WireSpan | None
    segments: Count
    bytes: Count
    stills: Count
