"""Where tracks are in a frame that was not analysed: on the straight way between two analysed ones. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent.scene.moment import Sighting
from agent.vision.geometry import Box


def between(
    before: Sequence[Sighting], before_ns: int, after: Sequence[Sighting], after_ns: int, media_ns: int
) -> list[Sighting]:
    """The sightings at `media_ns`, which lies from `before_ns` to `after_ns`.

    A track of one of the two moments only is left out: where it was in between nobody saw.
    """
    if media_ns >= after_ns:
        return list(after)
    share = (media_ns - before_ns) / (after_ns - before_ns)
    known = {sighting.track_id: sighting for sighting in before}
    return [
        replace(sighting, box=_blend(known[sighting.track_id].box, sighting.box, share))
        for sighting in after
        if sighting.track_id in known
    ]


def _blend(first: Box, second: Box, share: float) -> Box:
    return Box(
        *(
            a + (b - a) * share
            for a, b in zip((first.x, first.y, first.w, first.h), (second.x, second.y, second.w, second.h), strict=True)
        )
    )
