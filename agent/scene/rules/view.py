"""The camera itself: covered, turned, out of focus, frozen or in the dark. They need no zone. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.contract.events import IncidentKind
from agent.scene.moment import Hit, Moment
from agent.units import NS_PER_S
from agent.vision.geometry import Box, intersection
from agent.vision.view_facts import ViewFacts

# With less structure than this (fog, a wall, night) nobody can say what became of it. A quarter of the 48 blocks.
_LEAST_BLOCKS = 12
# Turned: hardly a block is as it was. A camera that is knocked by a tenth of its picture leaves no kerb in its place;
# traffic that fills the road leaves the houses.
_TURNED_RATIO = 0.7
# Covered: what is before the lens is near, so it is large; it has no edges (a bag, paint), or leaves the rest alone.
_HIDDEN_RATIO = 0.4
_SMOOTH_RATIO = 0.4
# Half of the usual steepness of edges is a blur of four pixels of 640 (measured on six views, blurred).
_BLURRED_RATIO = 0.55
# By night a lamp gives a spread of 100 and more; without any light there is noise of some levels around black.
_DARK_LEVEL = 30.0
_DARK_SPREAD = 24.0
# It is day when the view is usually lighter than this: then a black picture is no night.
_DAY_LEVEL = 60.0
# A block counts as hidden by a road user when most of it lies inside the user's box.
_BEHIND = 0.5
_WHOLE = Box(0.0, 0.0, 1.0, 1.0)
_SCORE = 0.9


@dataclass(frozen=True, slots=True)
class _Kind:
    """`after_s`: how long it must last before it is told; `holds`: whether it is so in one look."""

    kind: IncidentKind
    after_s: float
    holds: Callable[[ViewFacts, Sequence[Box]], bool]


def _is_dark(view: ViewFacts) -> bool:
    return view.level < _DARK_LEVEL and view.spread < _DARK_SPREAD


def _is_black_by_day(view: ViewFacts) -> bool:
    return _is_dark(view) and view.is_known and view.usual_level > _DAY_LEVEL


def _can_tell(view: ViewFacts) -> bool:
    return view.is_known and view.blocks >= _LEAST_BLOCKS and not _is_dark(view)


def _dark(view: ViewFacts, _: Sequence[Box]) -> bool:
    return _is_dark(view) and not _is_black_by_day(view)


def _frozen(view: ViewFacts, _: Sequence[Box]) -> bool:
    return view.is_same


def _moved(view: ViewFacts, _: Sequence[Box]) -> bool:
    return _can_tell(view) and view.gone_ratio >= _TURNED_RATIO and view.detail_ratio >= _SMOOTH_RATIO


def _covered(view: ViewFacts, _: Sequence[Box]) -> bool:
    is_smooth = _can_tell(view) and view.gone_ratio >= _TURNED_RATIO and view.detail_ratio < _SMOOTH_RATIO
    return is_smooth or _is_black_by_day(view)


def _partly_covered(view: ViewFacts, users: Sequence[Box]) -> bool:
    if not _can_tell(view) or view.gone_ratio >= _TURNED_RATIO:
        return False
    hidden = [block for block in view.gone if not any(_lies_behind(block, user) for user in users)]
    return len(hidden) >= _HIDDEN_RATIO * view.blocks


def _defocused(view: ViewFacts, _: Sequence[Box]) -> bool:
    return _can_tell(view) and view.gone_ratio < _TURNED_RATIO and view.sharpness_ratio < _BLURRED_RATIO


def _lies_behind(block: Box, user: Box) -> bool:
    return intersection(block, user) >= _BEHIND * block.area


_MOVED = (_Kind(IncidentKind.VIEW_MOVED, 3.0, _moved),)
# A bus that waits at a kerb hides as much as a hand for some seconds, and the detector may not know its side.
_COVERED = (_Kind(IncidentKind.VIEW_COVERED, 3.0, _covered), _Kind(IncidentKind.VIEW_COVERED, 10.0, _partly_covered))
# A camera hunts for its focus for two or three seconds after each change of light.
_DEFOCUSED = (_Kind(IncidentKind.VIEW_DEFOCUSED, 5.0, _defocused),)
# No encoder sends the very same pixels longer than its longest GOP, which is 10 s with the savings that makers sell.
_FROZEN = (_Kind(IncidentKind.VIEW_FROZEN, 15.0, _frozen),)
# A lamp that goes out and a camera that turns to infrared take seconds; an operator needs no second's notice.
_DARK = (_Kind(IncidentKind.VIEW_DARK, 30.0, _dark),)


class ViewRule:
    """One of the five. The incident begins when the first look showed it, and is told after the rule's own time."""

    def __init__(self, ways: Sequence[_Kind]) -> None:
        self._ways = tuple(ways)
        self._since: list[int | None] = [None] * len(self._ways)
        self._hits: list[Hit] = []

    @property
    def kind(self) -> IncidentKind:
        return self._ways[0].kind

    @property
    def after_s(self) -> float:
        """How long the surest way waits before it tells."""
        return self._ways[0].after_s

    def update(self, moment: Moment) -> list[Hit]:
        """Between two looks what was told last still holds."""
        view = moment.view
        if view is None:
            return self._hits
        users = [one.box for one in moment.sightings]
        self._hits = []
        for index, way in enumerate(self._ways):
            if not way.holds(view, users):
                self._since[index] = None
                continue
            since_ns = self._since[index]
            if since_ns is None:
                since_ns = self._since[index] = moment.media_ns
            if moment.media_ns - since_ns >= way.after_s * NS_PER_S:
                self._hits.append(Hit(None, None, _WHOLE, _SCORE, since_ns, moment.media_ns))
        self._hits.sort(key=lambda hit: hit.since_ns)
        return self._hits


def view_rules() -> list[ViewRule]:
    """All of them, in the order of the contract; each camera has them without asking."""
    return [ViewRule(ways) for ways in (_COVERED, _MOVED, _DEFOCUSED, _FROZEN, _DARK)]
