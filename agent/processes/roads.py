"""What the roads were measured to be last: for the retained state, and for whoever asks now. Any thread."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from agent.clock import Clock
from agent.contract.events import Level, TrafficData
from agent.contract.states import TrafficState
from agent.units import NS_PER_S, format_rfc3339

# No measurement for this long: the level is unknown, never free (scene.md). A camera that sees tells each minute.
_STALE_NS = 120 * NS_PER_S


@dataclass(frozen=True, slots=True)
class _Measured:
    data: TrafficData
    wall_ns: int
    mono_ns: int


class Roads:
    """The newest measurement of every approach of every camera."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._measured: dict[str, dict[str, _Measured]] = {}

    def note(self, camera: str, data: TrafficData) -> None:
        with self._lock:
            self._measured.setdefault(camera, {})[data.approach] = _Measured(
                data, self._clock.wall_ns(), self._clock.mono_ns()
            )

    def states(self) -> Mapping[str, TrafficState]:
        """By camera, as it is told now: what is stale has become unknown."""
        now_ns = self._clock.mono_ns()
        with self._lock:
            return {camera: _state(list(roads.values()), now_ns) for camera, roads in self._measured.items()}


def _state(measured: list[_Measured], now_ns: int) -> TrafficState:
    newest = max(measured, key=lambda each: each.mono_ns)
    return TrafficState(
        measured_at=format_rfc3339(newest.wall_ns),
        expires=format_rfc3339(newest.wall_ns + _STALE_NS),
        approaches=tuple(
            msgspec.structs.replace(each.data, level=Level.UNKNOWN) if now_ns - each.mono_ns > _STALE_NS else each.data
            for each in sorted(measured, key=lambda each: each.data.approach)
        ),
    )
