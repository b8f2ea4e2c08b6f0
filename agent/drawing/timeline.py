"""A video's findings as one picture: rows of motion, lines, roads and incidents over time, as SVG. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final

from agent.contract.events import CrossingData, Direction, EventData, IncidentData, Level, MotionData, TrafficData

_WIDTH: Final = 1200.0
_NAMES: Final = 210.0
_RIGHT: Final = 24.0
_TOP: Final = 64.0
_ROW: Final = 30.0
_BAR: Final = 16.0
# Steps that people count in; the first that gives at most ten marks is taken.
_STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
_MAX_MARKS: Final = 10
_LEVELS: Final = {Level.FREE: "#2f9e44", Level.BUSY: "#f08c00", Level.JAMMED: "#c92a2a", Level.UNKNOWN: "#adb5bd"}
_ALARM: Final = "#c2255c"
_MOTION: Final = "#74a5d8"
_FORWARD: Final = "#1c7ed6"
_BACKWARD: Final = "#7048e8"


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    shapes: tuple[str, ...]


@dataclass(slots=True)
class Timeline:
    """Told of findings in their order; `svg` draws them. One owner."""

    name: str
    _motion: list[MotionData] = field(default_factory=list)
    _crossings: dict[str, list[CrossingData]] = field(default_factory=dict)
    _roads: dict[str, list[TrafficData]] = field(default_factory=dict)
    _incidents: dict[str, IncidentData] = field(default_factory=dict)

    def tell(self, data: EventData) -> None:
        if isinstance(data, MotionData):
            self._motion.append(data)
        elif isinstance(data, CrossingData):
            self._crossings.setdefault(data.line, []).append(data)
        elif isinstance(data, TrafficData):
            self._roads.setdefault(data.approach, []).append(data)
        elif isinstance(data, IncidentData):
            self._incidents[data.incident_id] = data

    def svg(self, video_s: float) -> str:
        """The whole picture, for `video_s` seconds of video."""
        rows = [*self._rows(_Scale(video_s))]
        height = _TOP + _ROW * max(len(rows), 1) + 48
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:.0f} {height:.0f}" '
            'font-family="Sarabun, Noto Sans, Helvetica, Arial, sans-serif" font-size="13">',
            f"<title>{escape(self.name)}</title>",
            f'<rect width="{_WIDTH:.0f}" height="{height:.0f}" fill="#fff"/>',
            f'<text x="16" y="28" font-size="17" font-weight="600" fill="#212529">{escape(self.name)}</text>',
            f'<text x="16" y="48" fill="#495057">{_clock(video_s)} of video, {self._sum()}</text>',
            *_axis(_Scale(video_s), height),
        ]
        for number, row in enumerate(rows):
            y = _TOP + number * _ROW
            parts.append(f'<text x="{_NAMES - 12}" y="{y + 20}" text-anchor="end" fill="#212529">{row.name}</text>')
            parts.append(f'<g transform="translate(0 {y + (_ROW - _BAR) / 2})">{"".join(row.shapes)}</g>')
        return "\n".join([*parts, "</svg>", ""])

    def _sum(self) -> str:
        crossings = sum(len(found) for found in self._crossings.values())
        return f"{_many(len(self._incidents), 'incident')}, {_many(crossings, 'crossing')}"

    def _rows(self, scale: _Scale) -> Iterator[_Row]:
        yield _Row(
            "motion", tuple(scale.bar(span.begin_s, span.end_s, _MOTION, _motion_words(span)) for span in self._motion)
        )
        for line, crossings in sorted(self._crossings.items()):
            yield _Row(f"line {escape(line)}", tuple(_tick(scale, crossing) for crossing in crossings))
        for approach, measured in sorted(self._roads.items()):
            bars = (scale.bar(one.begin_s, one.end_s, _LEVELS[one.level], _road_words(one)) for one in measured)
            yield _Row(f"road {escape(approach)}", tuple(bars))
        for (kind, zone), incidents in _by_kind(self._incidents.values()).items():
            where = f" in {escape(zone)}" if zone else ""
            bars = (
                scale.bar(one.begin_s, scale.seconds if one.end_s is None else one.end_s, _ALARM, one.reason_en)
                for one in incidents
            )
            yield _Row(f"{kind}{where}", tuple(bars))


@dataclass(frozen=True, slots=True)
class _Scale:
    """Seconds of video to the picture's x."""

    seconds: float

    def x(self, at_s: float) -> float:
        share = min(max(at_s / self.seconds, 0.0), 1.0) if self.seconds > 0 else 0.0
        return round(_NAMES + share * (_WIDTH - _NAMES - _RIGHT), 1)

    def bar(self, begin_s: float, end_s: float, colour: str, words: str) -> str:
        # Two units are still seen, whatever the length of the video.
        wide = max(self.x(end_s) - self.x(begin_s), 2.0)
        title = f"<title>{_clock(begin_s)} – {_clock(end_s)} {escape(words)}</title>"
        return f'<rect x="{self.x(begin_s)}" width="{wide:.1f}" height="{_BAR}" rx="2" fill="{colour}">{title}</rect>'


def _axis(scale: _Scale, height: float) -> Iterator[str]:
    step_s = next((step for step in _STEPS_S if scale.seconds / step <= _MAX_MARKS), _STEPS_S[-1])
    for number in range(int(scale.seconds // step_s) + 1):
        x = scale.x(number * step_s)
        yield f'<path d="M{x} {_TOP - 4}V{height - 34}" stroke="#dee2e6"/>'
        yield f'<text x="{x}" y="{height - 16}" text-anchor="middle" fill="#495057">{_clock(number * step_s)}</text>'


def _tick(scale: _Scale, crossing: CrossingData) -> str:
    """Forward above the middle, backward below it."""
    is_forward = crossing.direction is Direction.FORWARD
    speed = "" if crossing.speed_kmh is None else f" at {crossing.speed_kmh:.0f} km/h"
    title = f"{_clock(crossing.at_s)} {crossing.label} {crossing.direction.value}{speed}"
    top = 0.0 if is_forward else _BAR / 2
    return (
        f'<rect x="{scale.x(crossing.at_s) - 1:.1f}" y="{top}" width="2.5" height="{_BAR / 2}" '
        f'fill="{_FORWARD if is_forward else _BACKWARD}"><title>{escape(title)}</title></rect>'
    )


def _by_kind(incidents: Iterable[IncidentData]) -> dict[tuple[str, str], Sequence[IncidentData]]:
    found: dict[tuple[str, str], list[IncidentData]] = {}
    for incident in incidents:
        found.setdefault((incident.kind.value, incident.zone or ""), []).append(incident)
    return dict(sorted(found.items()))


def _motion_words(span: MotionData) -> str:
    return f"motion in {100 * span.ratio:.1f} % of the picture"


def _road_words(data: TrafficData) -> str:
    speed = "" if data.speed_kmh is None else f", {data.speed_kmh:.0f} km/h"
    return f"{data.level.value}, {_many(sum(data.flow.values()), 'vehicle')}{speed}"


def _many(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    shown = f"{rest:04.1f}" if rest % 1 else f"{int(rest):02d}"
    return f"{hours}:{minutes:02d}:{shown}" if hours else f"{minutes}:{shown}"
