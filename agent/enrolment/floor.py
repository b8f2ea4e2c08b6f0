"""Below which moment this node's clock cannot be right. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

# 2026-11-23, when this module was written: no node that runs it lives earlier.
WRITTEN_S: Final = 1_795_392_000
# A segment is ahead of the last saved time by as long as a full disk kept that from being saved. One that is further
# ahead was named by a clock that was wrong and has been put right since, and is not believed.
_AHEAD_S: Final = 86_400
# No box serves for twenty years; a time beyond that is a clock's fault and would keep TLS from working for ever.
_LIFE_S: Final = 20 * 366 * 86_400


class SavedTime(msgspec.Struct, frozen=True, kw_only=True):
    """clock.json in data_dir: the wall clock when it was last written down, and what vouched for it."""

    v: int = 1
    wall_s: int
    quality: str


def floor_s(*, built_s: int | None, saved_s: int | None, signed_s: int | None, segments_s: Iterable[int]) -> int:
    """The newest moment, in Unix seconds, that this node has certainly lived through.

    `built_s`: of the software in use. `signed_s`: of the newest paper that the office signed for this node. `saved_s`:
    the last saved time. `segments_s`: opening or modification of segments in the ring; believed up to a day beyond the
    saved time.
    """
    ground = max(WRITTEN_S, _believed(built_s, WRITTEN_S + _LIFE_S), _believed(signed_s, WRITTEN_S + _LIFE_S))
    saved = _believed(saved_s, ground + _LIFE_S)
    limit_s = saved + _AHEAD_S if saved else ground + _LIFE_S
    newest = max((at_s for at_s in segments_s if at_s <= limit_s), default=0)
    return max(ground, saved, newest)


def _believed(at_s: int | None, limit_s: int) -> int:
    return at_s if at_s is not None and 0 < at_s <= limit_s else 0
