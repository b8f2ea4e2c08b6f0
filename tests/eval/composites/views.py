"""Rows of what happens to a camera: fog, a lost focus, a frozen picture, a hand, steps of exposure, a noisy night."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from agent.contract.events import IncidentKind
from agent.scene.rules.view import view_rules
from tests.eval.clips import judged_row
from tests.eval.composites.film import Change, Film, Frame, blend, blurred, clip_of, film_of
from tests.eval.context import Context
from tests.eval.incidents import Expected
from tests.eval.table import Group, Row
from tests.eval.watching import read_scene

# A campus, a road and a junction; nothing happens in any of them that a scene asks for.
_BASES = ("vtest_PETS09-S2L1", "suburban_road_8cars", "junction_stopped_car")
# From here on: the view is known after 8 s, a frozen one is told after 15.
_START_S = 12.0
_FOG_LEVEL = 190
_NIGHT_SHARE = 0.25
_DELAYS_S = {rule.kind: rule.after_s for rule in view_rules()}


@dataclass(frozen=True, slots=True)
class _Effect:
    """`make`: the film changed; `kind`: what must be told of it, None for nothing; `may`: what may be argued."""

    name: str
    made_of: str
    make: Callable[[Film], Film]
    kind: IncidentKind | None = None
    may: tuple[IncidentKind, ...] = ()


def rows(context: Context) -> Iterator[Row]:
    for base in _BASES:
        wanted = [one for one in _EFFECTS if context.wants(f"{base} {one.name}", "composite", "view")]
        if wanted:
            film = film_of(clip_of(context, base), context.watcher.rate_fps)
            for effect in wanted:
                yield _row(context, base, film, effect)


def _row(context: Context, base: str, film: Film, effect: _Effect) -> Row:
    made = effect.make(film)
    told = () if effect.kind is None else (Expected(effect.kind, _START_S, made.seconds, _DELAYS_S[effect.kind]),)
    argued = [Expected(kind, _START_S, made.seconds, _DELAYS_S[kind], is_optional=True) for kind in effect.may]
    watched = context.watcher.watch_pictures(made.pictures(), read_scene(base), lambda: made.seconds)
    return judged_row(
        f"{base} {effect.name}",
        watched,
        expected=[*told, *argued],
        group=Group.COMPOSITE,
        notes=(f"composite: {effect.made_of}",),
    )


def _changing(change: Change) -> Callable[[Film], Film]:
    """`change` is given the time since the effect began."""
    return lambda film: film.changed(lambda frame, at_s: change(frame, at_s - _START_S) if at_s >= _START_S else frame)


def _fog(frame: Frame, since_s: float) -> Frame:
    """Thicker with distance, which grows to the top: transmission falls with depth (Koschmieder 1924)."""
    density = min(since_s / 10, 1) * 2.5
    depth = np.linspace(1.0, 0.35, frame.shape[0], dtype=np.float32)[:, None, None]
    return blend(frame, np.full_like(frame, _FOG_LEVEL), np.asarray(1 - np.exp(-density * depth), np.float32))


def _defocus(frame: Frame, since_s: float) -> Frame:
    return blurred(frame, min(since_s, 1) * frame.shape[1] / 100)


def _cover(frame: Frame, since_s: float) -> Frame:
    """A bag: nearly one colour, with a little light through it."""
    return blend(blurred(frame, frame.shape[1] / 10), np.full_like(frame, 60), min(since_s * 2, 1) * 0.9)


def _dip(frame: Frame, since_s: float) -> Frame:
    """Half the light for three seconds, then all of it at once: what a bright lorry does to an automatic exposure."""
    return np.asarray(frame * 0.5, np.uint8) if since_s % 8 < 3 else frame


def _freeze(film: Film) -> Film:
    first = film.at(_START_S)
    return film.changed(lambda frame, at_s: first if at_s >= _START_S else frame)


def _night(film: Film) -> Film:
    """A quarter of the light and a sensor at full gain, from the first frame on."""
    noise = np.random.default_rng(1)
    return film.changed(
        lambda frame, _: np.asarray(
            np.clip(frame * np.float32(_NIGHT_SHARE) + noise.normal(12, 8, frame.shape), 0, 255), np.uint8
        )
    )


_EFFECTS = (
    _Effect(
        "in fog",
        "fog comes up within 10 s",
        _changing(_fog),
        may=(IncidentKind.VIEW_COVERED, IncidentKind.VIEW_DEFOCUSED),
    ),
    _Effect("out of focus", "blurred by a hundredth of the width", _changing(_defocus), IncidentKind.VIEW_DEFOCUSED),
    _Effect("covered", "a bag over the lens", _changing(_cover), IncidentKind.VIEW_COVERED),
    _Effect("frozen", "one frame repeated", _freeze, IncidentKind.VIEW_FROZEN),
    _Effect("with dips of exposure", "half the light for 3 of each 8 s; nothing to tell", _changing(_dip)),
    _Effect("by night", "a quarter of the light with noise; nothing to tell", _night),
)
