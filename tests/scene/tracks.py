"""Tracks as tables: what a tracker would have said, written down."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from agent.contract.events import EventData
from agent.scene.engine import Finding, SceneEngine, SceneSettings
from agent.scene.file import decode_scene
from agent.scene.moment import Moment, Sighting
from agent.units import NS_PER_S
from agent.vision.geometry import Box, Label

RATE_FPS = 5


def standing(foot_x: float, foot_y: float, *, width: float = 0.1, height: float = 0.2) -> Box:
    """A box by the point where it stands."""
    return Box(foot_x - width / 2, foot_y - height, width, height)


def sighting(track_id: int, box: Box, label: Label = Label.PERSON, *, is_seen: bool = True) -> Sighting:
    return Sighting(track_id, label, box, 0.8, is_seen)


def moments(seconds: float, look: Callable[[float], list[Sighting]], *, start_s: float = 0.0) -> Iterator[Moment]:
    """One moment per analysed frame; `look` says what is in view at a media time in seconds."""
    for index in range(round(seconds * RATE_FPS)):
        at_s = start_s + index / RATE_FPS
        yield Moment(round(at_s * NS_PER_S), look(at_s))


def engine_of(text: str, *, aspect: float = 1.0) -> SceneEngine:
    numbers = iter(range(1, 1000))
    settings = SceneSettings(aspect=aspect, model="tables@0", new_id=lambda: f"incident-{next(numbers)}")
    return SceneEngine(decode_scene(text, name="test.toml"), settings)


def findings(engine: SceneEngine, *parts: Iterator[Moment]) -> list[tuple[float, Finding]]:
    """(media time in seconds, finding) of everything the engine says over these moments, without its finish."""
    found: list[tuple[float, Finding]] = []
    for part in parts:
        for moment in part:
            found += [(moment.media_ns / NS_PER_S, finding) for finding in engine.update(moment)]
    return found


def words(found: list[tuple[float, Finding]]) -> list[str]:
    """The types, short."""
    return [finding.type.removeprefix("wayside.").removesuffix(".v1") for _, finding in found]


def only(found: list[tuple[float, Finding]], word: str) -> list[tuple[float, EventData]]:
    return [(at_s, finding.data) for at_s, finding in found if word in finding.type]
