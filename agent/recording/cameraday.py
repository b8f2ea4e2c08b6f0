"""One camera's civil day as values: footage and gaps that fill it, incidents, holds. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from agent.recording.gaps import Gap
from agent.units import NS_PER_MS, WallSpan


@dataclass(frozen=True, slots=True)
class IncidentMark:
    """An incident of one camera. `end_wall_ns` 0: still open; `where` is its zone, or empty for the whole picture."""

    incident_id: str
    kind: str
    where: str
    start_wall_ns: int
    end_wall_ns: int
    reason: str

    def span(self, now_wall_ns: int) -> WallSpan:
        """An open one lasts until now; one of a single frame is a point."""
        return WallSpan(self.start_wall_ns, max(self.end_wall_ns or now_wall_ns, self.start_wall_ns))


@dataclass(frozen=True, slots=True)
class CameraDay:
    """`footage` and `gaps` fill the day: whole milliseconds, in order, without overlap. `held` may overlap anything."""

    camera: str
    footage: tuple[WallSpan, ...]
    gaps: tuple[Gap, ...]
    incidents: tuple[IncidentMark, ...]
    held: tuple[WallSpan, ...]

    @property
    def recorded_ms(self) -> int:
        return sum(span.duration_ns for span in self.footage) // NS_PER_MS

    def missing_ms(self) -> dict[str, int]:
        """By reason, the longest first."""
        sums: dict[str, int] = {}
        for gap in self.gaps:
            sums[gap.reason.value] = sums.get(gap.reason.value, 0) + gap.span.duration_ns // NS_PER_MS
        return dict(sorted(sums.items(), key=lambda item: -item[1]))


@dataclass(frozen=True, slots=True)
class Calendar:
    """One civil day of the site: 23, 24 or 25 hours long."""

    day: date
    zone: ZoneInfo
    span: WallSpan
    cameras: tuple[CameraDay, ...]
    now_wall_ns: int
