"""Who hears of segments as they are begun and closed."""

from __future__ import annotations

from typing import Protocol

from agent.notices import SegmentClosed, SegmentOpened


class Listener(Protocol):
    """Called on the recorder's thread; must not block."""

    def opened(self, notice: SegmentOpened) -> None: ...

    def closed(self, notice: SegmentClosed) -> None: ...
