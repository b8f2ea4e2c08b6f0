"""Rows of what happens on roads: wrong way by reversed play, stops that last, a road under water."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from agent.contract.events import IncidentKind
from tests.eval.clips import judged_row
from tests.eval.composites.film import Film, Frame, blend, clip_of, film_of, grown, shown_at
from tests.eval.context import Context
from tests.eval.incidents import Expected
from tests.eval.table import Group, Row
from tests.eval.truth import true_crossings
from tests.eval.watching import read_scene

# Before and after its crossing a vehicle is to be seen this long at least.
_AROUND_S = 1.5
# One of those who drive alone, just before it crosses the line, and from when on the road is empty.
_STOPS = {"suburban_road_8cars": (17.7, 31.5), "topview_5cars": (10.0, 11.9), "intel_car_detection": (6.6, 9.5)}
_STANDS_S = 20.0
# A vehicle that brakes gently needs two seconds.
_BRAKES_S = 2.0
_AFTER_S = 8.0
# Streets under water are brown, and the water comes slowly.
_WATER_BGR = (70, 95, 120)
_FLOOD_START_S, _FLOOD_RISES_S = 10.0, 15.0


def rows(context: Context) -> Iterator[Row]:
    for name in ("suburban_road_8cars", "topview_5cars"):
        if context.wants(f"{name} reversed", "composite", "wrong_way"):
            yield _wrong_way(context, name)
    for name in _STOPS:
        if context.wants(f"{name} with a stop", "composite", "stopped_vehicle"):
            yield _stop(context, name)
    if context.wants("suburban_road_8cars under water", "composite", "flood"):
        yield _flood(context, "suburban_road_8cars")


def _wrong_way(context: Context, name: str) -> Row:
    """Every vehicle drives against the scene's heading, one after the other. The end of the first clip holds nothing,
    so that its beginning is now the camera's first sight of the road."""
    clip, scene = clip_of(context, name), read_scene(name)
    film = film_of(clip, context.watcher.rate_fps).reversed()
    crossed_s = [film.seconds - one.to_s for one in true_crossings(clip) or ()]
    expected = [Expected(IncidentKind.WRONG_WAY, at_s - _AROUND_S, at_s + _AROUND_S) for at_s in sorted(crossed_s)]
    watched = context.watcher.watch_pictures(film.pictures(), scene, lambda: film.seconds)
    notes = ("composite: the clip played backwards, one wrong way for each vehicle",)
    return judged_row(f"{name} reversed", watched, expected=expected, group=Group.COMPOSITE, notes=notes)


def _stop(context: Context, name: str) -> Row:
    """The clip slows down to a stop in one of its frames, which then lasts under the noise of the empty road."""
    clip, scene = clip_of(context, name), read_scene(name)
    film = film_of(clip, context.watcher.rate_fps)
    stop_s, empty_s = _STOPS[name]
    turns = range(round(_BRAKES_S * film.fps))
    # Half as far as without the brakes; the speed falls evenly.
    brakes_s = [stop_s - _BRAKES_S / 2 * (1 - turn / len(turns)) ** 2 for turn in turns]
    before, braking = film.cut(0, stop_s - _BRAKES_S / 2), shown_at(clip, brakes_s, film.fps)
    empty = film.cut(empty_s, film.seconds)
    mean, stopped = empty.mean(), film.at(stop_s).astype(np.float32)
    standing = grown(empty, _STANDS_S).changed(
        lambda frame, _: np.asarray(np.clip(stopped + frame - mean, 0, 255), np.uint8)
    )
    after = film.cut(stop_s, film.seconds)
    made = Film([*before.frames, *braking.frames, *standing.frames, *after.frames], film.fps)
    start_s = before.seconds + braking.seconds
    expected = [Expected(IncidentKind.STOPPED_VEHICLE, start_s, start_s + _STANDS_S, _AFTER_S)]
    watched = context.watcher.watch_pictures(made.pictures(), scene, lambda: made.seconds)
    notes = (f"composite: slowed to a stop that lasts {_STANDS_S:.0f} s, with the noise of the clip's empty road",)
    return judged_row(f"{name} with a stop", watched, expected=expected, group=Group.COMPOSITE, notes=notes)


def _flood(context: Context, name: str) -> Row:
    """Rippling brown water over the lower half of the picture."""
    film = film_of(clip_of(context, name), context.watcher.rate_fps)
    height, width = film.frames[0].shape[:2]
    ripples = np.random.default_rng(1).normal(0, 1, (2 * height, width)).astype(np.float32)
    smooth = cv2.GaussianBlur(ripples, (0, 0), sigmaX=14, sigmaY=3)
    waves = np.asarray(18 * smooth / smooth.std(), np.float32)

    def flooded(frame: Frame, at_s: float) -> Frame:
        part = float(np.clip((at_s - _FLOOD_START_S) / _FLOOD_RISES_S, 0, 1))
        depth = np.clip((np.linspace(0, 1, height) - (1 - 0.55 * part)) * 8, 0, 0.9)[:, None, None]
        shift = int(at_s * 6) % height
        water = np.array(_WATER_BGR, np.float32) + waves[shift : shift + height, :, None]
        return blend(frame, np.asarray(np.clip(water, 0, 255), np.uint8), np.asarray(depth, np.float32))

    made = film.changed(flooded)
    expected = [
        Expected(IncidentKind.FLOOD, _FLOOD_START_S + _FLOOD_RISES_S, made.seconds),
        # Half of what the camera knew is under water.
        Expected(IncidentKind.VIEW_COVERED, _FLOOD_START_S, made.seconds, is_optional=True),
    ]
    watched = context.watcher.watch_pictures(made.pictures(), read_scene(name), lambda: made.seconds)
    notes = ("composite: brown water rises over the lower half; flood waits for a user's own model",)
    return judged_row(f"{name} under water", watched, expected=expected, group=Group.COMPOSITE, notes=notes)
