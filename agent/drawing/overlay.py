"""Zones, lines, boxes, trails, incidents and the level of roads, drawn onto a picture. Any thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from agent.contract.events import IncidentData, Level, TrafficData
from agent.drawing.story import Story
from agent.scene.grammar import Approach, Line, Scene
from agent.scene.moment import Sighting
from agent.units import NS_PER_S
from agent.vision.detector import BgrImage
from agent.vision.geometry import Box

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cv2.typing import MatLike

    Colour = tuple[int, int, int]

_WHITE: Final = (255, 255, 255)
_INK: Final = (24, 24, 24)
_ZONE: Final = (200, 170, 60)
_LINE: Final = (230, 230, 60)
_SEEN: Final = (80, 220, 80)
_GUESSED: Final = (150, 150, 150)
_ALARM: Final = (40, 40, 235)
_LEVELS: Final = {
    Level.FREE: (70, 170, 40),
    Level.BUSY: (0, 150, 245),
    Level.JAMMED: (40, 40, 215),
    Level.UNKNOWN: (120, 120, 120),
}
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
# A picture of 576 rows gets letters of 11 pixels and lines of one; larger ones in proportion.
_ROWS_PER_SCALE: Final = 576


@dataclass(frozen=True, slots=True)
class Scenery:
    """What stands still in every picture of a film."""

    scene: Scene

    def draw(self, picture: BgrImage, seconds: float, story: Story) -> None:
        """In place: masks black, then zones, lines with their counts, roads, incidents and the time."""
        pen = _Pen(picture)
        for mask in self.scene.masks:
            pen.fill(mask.polygon)
        alarmed = {incident.zone for incident in story.incidents.values()}
        for zone in self.scene.zones:
            pen.outline(zone.polygon, _ALARM if zone.id in alarmed else _ZONE, zone.id)
        for line in self.scene.lines:
            _draw_line(pen, line, story)
        for incident in story.incidents.values():
            _draw_incident(pen, incident)
        pen.plate(f"{int(seconds // 60):02d}:{seconds % 60:04.1f}", (8, 8), _INK)
        for row, text in enumerate(_road_texts(self.scene.approaches, story.roads)):
            pen.plate(text[0], (8, 8 + (row + 1) * pen.row_px), _LEVELS[text[1]])
        for row, incident in enumerate(story.incidents.values()):
            where = f" in {incident.zone}" if incident.zone else ""
            rows_up = len(story.incidents) - row
            pen.plate(
                f"{incident.kind.value}{where}: {incident.reason_en}",
                (8, picture.shape[0] - 8 - rows_up * pen.row_px),
                _ALARM,
            )


def draw_sightings(
    picture: BgrImage, sightings: Sequence[Sighting], trails: Mapping[int, Sequence[tuple[float, float]]]
) -> None:
    """In place: each track's box with its number and class, and where its foot has been; grey while only guessed."""
    pen = _Pen(picture)
    for sighting in sightings:
        colour = _SEEN if sighting.is_seen else _GUESSED
        pen.trail(trails.get(sighting.track_id, ()), colour)
        pen.box(sighting.box, colour, f"{sighting.track_id} {sighting.label.value}", 1)


def _draw_line(pen: _Pen, line: Line, story: Story) -> None:
    counts = f"{story.crossings[line.id, 'forward']} forward, {story.crossings[line.id, 'backward']} backward"
    pen.line(line.points, _LINE)
    pen.label(f"{line.id}: {counts}", line.points[0], _LINE)


def _draw_incident(pen: _Pen, incident: IncidentData) -> None:
    pen.box(Box(*incident.box), _ALARM, incident.kind.value, 2)


def _road_texts(approaches: Sequence[Approach], roads: Mapping[str, TrafficData]) -> list[tuple[str, Level]]:
    texts = []
    for approach in approaches:
        measured = roads.get(approach.id)
        if measured is None:
            texts.append((f"{approach.id}: not measured yet", Level.UNKNOWN))
            continue
        speed = "" if measured.speed_kmh is None else f", {measured.speed_kmh:.0f} km/h"
        waiting = f", {measured.queue_vehicles} standing" if measured.queue_vehicles else ""
        flow = sum(measured.flow.values())
        texts.append((f"{approach.id}: {measured.level.value}, {flow} vehicles{speed}{waiting}", measured.level))
    return texts


class _Pen:
    """Fractions of the picture to its pixels. OpenCV's font has no Thai: what is written is ASCII."""

    def __init__(self, picture: BgrImage) -> None:
        self._picture: MatLike = picture
        self._size = np.array([picture.shape[1], picture.shape[0]])
        self._scale = max(picture.shape[0] / _ROWS_PER_SCALE, 0.6)
        self._thick = max(round(self._scale), 1)
        self.row_px = round(20 * self._scale)

    def _pixels(self, points: Sequence[tuple[float, float]]) -> MatLike:
        return np.asarray(np.array(points) * self._size, np.int32)

    def fill(self, polygon: Sequence[tuple[float, float]]) -> None:
        cv2.fillPoly(self._picture, [self._pixels(polygon)], (0, 0, 0))

    def outline(self, polygon: Sequence[tuple[float, float]], colour: Colour, name: str) -> None:
        cv2.polylines(self._picture, [self._pixels(polygon)], isClosed=True, color=colour, thickness=self._thick)
        self.label(name, min(polygon, key=lambda point: point[1]), colour)

    def line(self, points: Sequence[tuple[float, float]], colour: Colour) -> None:
        first, last = self._pixels(points).tolist()
        cv2.line(self._picture, first, last, colour, self._thick * 2, cv2.LINE_AA)

    def trail(self, points: Sequence[tuple[float, float]], colour: Colour) -> None:
        if len(points) > 1:
            cv2.polylines(self._picture, [self._pixels(points)], False, colour, self._thick, cv2.LINE_AA)

    def box(self, box: Box, colour: Colour, text: str, weight: int) -> None:
        left, top = self._pixels([(box.x, box.y)])[0].tolist()
        right, bottom = self._pixels([(box.right, box.bottom)])[0].tolist()
        cv2.rectangle(self._picture, (left, top), (right, bottom), colour, self._thick * weight)
        self.label(text, (box.x, box.y), colour)

    def label(self, text: str, at: tuple[float, float], colour: Colour) -> None:
        """Above the point, inside the picture, with a dark edge so that it can be read on anything."""
        x, y = self._pixels([at])[0].tolist()
        (wide, high), _ = cv2.getTextSize(text, _FONT, 0.45 * self._scale, self._thick)
        left, base = min(max(x, 2), max(int(self._size[0]) - wide - 2, 2)), max(y - 4, high + 2)
        # Shifted copies, as a heavier weight of the font is also wider.
        for right, down, ink in ((-1, 0, _INK), (1, 0, _INK), (0, -1, _INK), (0, 1, _INK), (0, 0, colour)):
            corner = (left + right, base + down)
            cv2.putText(self._picture, text, corner, _FONT, 0.45 * self._scale, ink, self._thick, cv2.LINE_AA)

    def plate(self, text: str, at: tuple[int, int], colour: Colour) -> None:
        """White words on a plate of that colour; `at` is its top left pixel."""
        size = 0.5 * self._scale
        (wide, high), below = cv2.getTextSize(text, _FONT, size, self._thick)
        x, y = at
        cv2.rectangle(self._picture, (x, y), (x + wide + 8, y + high + below + 4), colour, cv2.FILLED)
        cv2.putText(self._picture, text, (x + 4, y + high + 3), _FONT, size, _WHITE, self._thick, cv2.LINE_AA)


def seconds_of(media_ns: int) -> float:
    return media_ns / NS_PER_S
