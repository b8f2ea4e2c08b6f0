"""Arguments and results of the commands that are built; those on footage and gaps stand here. Pure."""

from __future__ import annotations

import datetime
from typing import Annotated, Final, Literal

import msgspec

from agent.contract.commands import CommandName
from agent.contract.events import Lane
from agent.contract.keeping import (
    FootageEraseArgs,
    FootageEraseResult,
    ForecastArgs,
    ForecastResult,
    HoldReleaseArgs,
    HoldReleaseResult,
    HoldSetArgs,
    HoldSetResult,
)
from agent.contract.looking import (
    LiveStartArgs,
    LiveStartResult,
    LiveStopArgs,
    LiveStopResult,
    SnapshotArgs,
    SnapshotResult,
    TrafficArgs,
    TrafficResult,
)
from agent.contract.records import ClipFileData
from agent.contract.tending import (
    AgentRestartArgs,
    AgentRestartResult,
    CertRenewArgs,
    CertRenewResult,
    ConfigRefreshArgs,
    ConfigRefreshResult,
    SetupOpenArgs,
    SetupOpenResult,
)
from agent.contract.wire import Count, Down, Identifier, Instant, Seconds, Sequence, Up, Uuid7, WireGap, WireSpan

Url = Annotated[str, msgspec.Meta(pattern=r"^https?://[^\s]+$", max_length=4096)]


class PingArgs(Down, frozen=True, kw_only=True):
    pass


class PingResult(Up, frozen=True, kw_only=True):
    software: str
    boot_id: str
    uptime_s: Seconds
    clock_quality: str
    clock_error_s: float | None


class RepublishArgs(Down, frozen=True, kw_only=True):
    """Send again what is still kept of `lane`, from this sequence on."""

    lane: Lane
    first: Sequence = msgspec.field(name="from")


class RepublishResult(Up, frozen=True, kw_only=True):
    """`first` is the oldest that is still kept at or after the asked one; both null when nothing is."""

    count: Count
    first: Sequence | None
    last: Sequence | None


class ClipPlanArgs(Down, frozen=True, kw_only=True):
    camera: Identifier
    start: Instant = msgspec.field(name="from")
    end: Instant = msgspec.field(name="to")


class ClipPlanResult(Up, frozen=True, kw_only=True):
    """What `clip.export` of the same span would deliver now. `files` is how many upload addresses it needs."""

    camera: Identifier
    asked: WireSpan
    delivered: tuple[WireSpan, ...]
    gaps: tuple[WireGap, ...]
    files: Count
    bytes: Count


class ClipExportArgs(Down, frozen=True, kw_only=True):
    """Cut and upload. The first file goes to `upload_url`; further ones, which only changed codec parameters cause, to
    `more_upload_urls` in order. `hold_days`: keep the footage itself that long as
    well, under a hold whose id is the command's `jti`; refused as hold.set is."""

    camera: Identifier
    start: Instant = msgspec.field(name="from")
    end: Instant = msgspec.field(name="to")
    upload_url: Url
    upload_method: Literal["put", "tus"] = "put"
    more_upload_urls: tuple[Url, ...] = ()
    upload_expires: Instant | None = None
    hold_days: Annotated[int, msgspec.Meta(ge=0, le=3650)] = 0


class ClipExportResult(Up, frozen=True, kw_only=True):
    """`asked` and `delivered` are both stated; `delivered` begins at the IDR at or before the asked second. The
    answer's state is `partial` when `gaps` is not empty."""

    camera: Identifier
    asked: WireSpan
    delivered: tuple[WireSpan, ...]
    gaps: tuple[WireGap, ...]
    files: tuple[ClipFileData, ...]


class ClipCancelArgs(Down, frozen=True, kw_only=True):
    """`jti` of the clip.export to stop."""

    jti: Uuid7


class ClipCancelResult(Up, frozen=True, kw_only=True):
    was_running: bool


class SheetArgs(Down, frozen=True, kw_only=True):
    """A contact sheet (JPEG, at most 300 kB) of a span, uploaded as a clip is: to see before it is pulled. `stills` is
    how many pictures it may hold; each gap has its place beside them."""

    camera: Identifier
    start: Instant = msgspec.field(name="from")
    end: Instant = msgspec.field(name="to")
    upload_url: Url
    upload_method: Literal["put", "tus"] = "put"
    upload_expires: Instant | None = None
    stills: Annotated[int, msgspec.Meta(ge=1, le=48)] = 24


class SheetResult(Up, frozen=True, kw_only=True):
    """`stills` are the pictures shown, and when each was taken. The answer's state is `partial` when `gaps` is not
    empty."""

    camera: Identifier
    asked: WireSpan
    gaps: tuple[WireGap, ...]
    stills: tuple[Instant, ...]
    file: ClipFileData


class GapsArgs(Down, frozen=True, kw_only=True):
    """A span, or a civil day of the site's time zone. Without `camera`: every camera of the node."""

    camera: Identifier | None = None
    start: Instant | None = msgspec.field(name="from", default=None)
    end: Instant | None = msgspec.field(name="to", default=None)
    day: datetime.date | None = None

    def __post_init__(self) -> None:
        has_span = self.start is not None and self.end is not None
        has_part = self.start is not None or self.end is not None
        if has_part != has_span or has_span == (self.day is not None):
            raise ValueError("give from and to, or a day")


class CameraGaps(Up, frozen=True, kw_only=True):
    camera: Identifier
    recorded_s: Seconds
    gaps: tuple[WireGap, ...]


class GapsResult(Up, frozen=True, kw_only=True):
    """The same names as `wayside footage gaps --json`."""

    cameras: tuple[CameraGaps, ...]


Args = (
    PingArgs
    | RepublishArgs
    | ClipPlanArgs
    | ClipExportArgs
    | ClipCancelArgs
    | SheetArgs
    | SnapshotArgs
    | LiveStartArgs
    | LiveStopArgs
    | GapsArgs
    | TrafficArgs
    | HoldSetArgs
    | HoldReleaseArgs
    | ForecastArgs
    | FootageEraseArgs
    | ConfigRefreshArgs
    | AgentRestartArgs
    | CertRenewArgs
    | SetupOpenArgs
)
Result = (
    PingResult
    | RepublishResult
    | ClipPlanResult
    | ClipExportResult
    | ClipCancelResult
    | SheetResult
    | SnapshotResult
    | LiveStartResult
    | LiveStopResult
    | GapsResult
    | TrafficResult
    | HoldSetResult
    | HoldReleaseResult
    | ForecastResult
    | FootageEraseResult
    | ConfigRefreshResult
    | AgentRestartResult
    | CertRenewResult
    | SetupOpenResult
)

ARGS_TYPES: Final[dict[CommandName, type[Args]]] = {
    CommandName.PING: PingArgs,
    CommandName.REPUBLISH: RepublishArgs,
    CommandName.CLIP_PLAN: ClipPlanArgs,
    CommandName.CLIP_EXPORT: ClipExportArgs,
    CommandName.CLIP_CANCEL: ClipCancelArgs,
    CommandName.SHEET: SheetArgs,
    CommandName.SNAPSHOT: SnapshotArgs,
    CommandName.LIVE_START: LiveStartArgs,
    CommandName.LIVE_STOP: LiveStopArgs,
    CommandName.GAPS: GapsArgs,
    CommandName.TRAFFIC: TrafficArgs,
    CommandName.HOLD_SET: HoldSetArgs,
    CommandName.HOLD_RELEASE: HoldReleaseArgs,
    CommandName.FORECAST: ForecastArgs,
    CommandName.CONFIG_REFRESH: ConfigRefreshArgs,
    CommandName.AGENT_RESTART: AgentRestartArgs,
    CommandName.CERT_RENEW: CertRenewArgs,
    CommandName.SETUP_OPEN: SetupOpenArgs,
    CommandName.FOOTAGE_ERASE: FootageEraseArgs,
}
RESULT_TYPES: Final[dict[CommandName, type[Result]]] = {
    CommandName.PING: PingResult,
    CommandName.REPUBLISH: RepublishResult,
    CommandName.CLIP_PLAN: ClipPlanResult,
    CommandName.CLIP_EXPORT: ClipExportResult,
    CommandName.CLIP_CANCEL: ClipCancelResult,
    CommandName.SHEET: SheetResult,
    CommandName.SNAPSHOT: SnapshotResult,
    CommandName.LIVE_START: LiveStartResult,
    CommandName.LIVE_STOP: LiveStopResult,
    CommandName.GAPS: GapsResult,
    CommandName.TRAFFIC: TrafficResult,
    CommandName.HOLD_SET: HoldSetResult,
    CommandName.HOLD_RELEASE: HoldReleaseResult,
    CommandName.FORECAST: ForecastResult,
    CommandName.CONFIG_REFRESH: ConfigRefreshResult,
    CommandName.AGENT_RESTART: AgentRestartResult,
    CommandName.CERT_RENEW: CertRenewResult,
    CommandName.SETUP_OPEN: SetupOpenResult,
    CommandName.FOOTAGE_ERASE: FootageEraseResult,
}
