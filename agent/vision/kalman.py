"""One coordinate of a moving thing: where it is and how fast, from noisy looks at uneven times. Pure.

Source: constant velocity with white-noise acceleration, Bar-Shalom et al., Estimation with Applications to Tracking and
Navigation (2001), ch. 6.2. Position and velocity of one axis need four numbers, which plain floats hold faster than
arrays do.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Motive:
    """How freely a thing moves and how well it is seen; lengths in the unit of the position.

    `looks`: standard deviation of one look. `start`: of the velocity before anything is known, per second. `swerve`:
    how much the velocity strays within one second.
    """

    looks: float
    start: float
    swerve: float


class Axis:
    """One coordinate. `velocity` is per second."""

    __slots__ = ("_both", "_speed", "_where", "position", "velocity")

    def __init__(self, position: float, motive: Motive) -> None:
        self.position = position
        self.velocity = 0.0
        self._where = motive.looks**2
        self._both = 0.0
        self._speed = motive.start**2

    def fold(self, position: float, after_s: float, motive: Motive) -> None:
        """Take in a look made `after_s` after the last."""
        strength = motive.swerve**2
        self.position += self.velocity * after_s
        where = (
            self._where
            + after_s * (2 * self._both + after_s * self._speed)
            + strength * after_s**3 / 3
            + motive.looks**2
        )
        both = self._both + after_s * self._speed + strength * after_s**2 / 2
        speed = self._speed + strength * after_s
        gain, velocity_gain = 1 - motive.looks**2 / where, both / where
        surprise = position - self.position
        self.position += gain * surprise
        self.velocity += velocity_gain * surprise
        self._where = gain * motive.looks**2
        self._both = (1 - gain) * both
        self._speed = speed - velocity_gain * both
