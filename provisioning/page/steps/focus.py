"""What to tell somebody who turns a lens: sharper, sharpest, turn back. Pure."""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from statistics import median
from typing import Final

# A lorry that drives through the picture changes three or four scores at 4 fps; the middle one of five does not follow.
_SMOOTHED: Final = 5
# Within 7 % of the best nobody sees a difference on a screen, and a waving tree makes as much.
_AS_GOOD_AS_BEST: Final = 0.93
# Whoever turned the ring past the sharpest point sees the score fall below this and knows that it is behind them.
_PAST: Final = 0.85


class FocusAdvice(StrEnum):
    """`sharp` is only said once a worse picture was seen after the best: before that there may be a better one."""

    TURN = "turn"
    TURN_BACK = "turn_back"
    SHARP = "sharp"


class FocusWatch:
    """Follows the score of one camera while somebody turns its lens. One owner thread."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=_SMOOTHED)
        self._is_past = False
        self.best = 0.0

    def update(self, score: float) -> None:
        """score: of agent.vision.sharpness, of one picture after the other."""
        self._recent.append(score)
        if len(self._recent) < _SMOOTHED:
            return
        self.best = max(self.best, self.now)
        self._is_past = self._is_past or self.now < self.best * _PAST

    def start_over(self) -> None:
        """The camera was turned to another view, whose scores do not compare."""
        self._recent.clear()
        self._is_past = False
        self.best = 0.0

    @property
    def now(self) -> float:
        """The smoothed score; 0 before the first picture."""
        return median(self._recent) if self._recent else 0.0

    @property
    def share(self) -> float:
        """Of the best, 0 to 1."""
        return min(self.now / self.best, 1.0) if self.best > 0 else 0.0

    @property
    def advice(self) -> FocusAdvice:
        if not self._is_past:
            return FocusAdvice.TURN
        return FocusAdvice.SHARP if self.share >= _AS_GOOD_AS_BEST else FocusAdvice.TURN_BACK
