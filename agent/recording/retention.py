"""What the ring deletes, and why: by bytes, by free space, by age; the oldest first, fairly between cameras. Pure.

The oldest is what was recorded first (boot, run, n), whatever its clock said: a boot in 1970 is not the oldest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from agent.recording.catalog import SegmentRow, SegmentState
from agent.units import DAY_S, NS_PER_S, WallSpan

# Once over a limit, go this far below it: a deletion an hour instead of one a minute keeps the ledger and the card's
# wear small (each costs a synced record), and 0.5 % of a ring of 30 days is 3.6 h.
_SLACK_RATIO = 0.005


@dataclass(frozen=True, slots=True)
class CameraLimits:
    """One camera's own bounds; None: those of the whole ring alone."""

    keep_days: int | None = None
    max_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class RetentionLimits:
    """Of the whole ring; `by_camera` names those cameras that have bounds of their own."""

    max_bytes: int
    min_free_bytes: int
    keep_days: int
    by_camera: Mapping[str, CameraLimits] = field(default_factory=dict)

    def of(self, camera: str) -> CameraLimits:
        return self.by_camera.get(camera, CameraLimits())

    def days_of(self, camera: str) -> int:
        own_days = self.of(camera).keep_days
        return self.keep_days if own_days is None else own_days


@dataclass(frozen=True, slots=True)
class RingState:
    """The ring now. `bytes_by_camera` counts finished segments; `free_bytes` is what the disk has left for us."""

    bytes_by_camera: Mapping[str, int]
    free_bytes: int
    now_wall_ns: int
    is_clock_trusted: bool


@dataclass(frozen=True, slots=True)
class DeletionPlan:
    """`short_bytes`: what holds keep from being freed although a limit asks for it; 0 when all limits can be met."""

    doomed: tuple[SegmentRow, ...]
    freed_bytes: int
    short_bytes: int


def plan_deletions(
    oldest_first: Mapping[str, Iterable[SegmentRow]],
    held: Mapping[str, Sequence[WallSpan]],
    *,
    limits: RetentionLimits,
    state: RingState,
) -> DeletionPlan:
    """Choose what to delete; each camera's finished segments are read oldest first and only as far as needed.

    A camera's own bounds come first: its days instead of the ring's, and bytes that it alone may not exceed. For bytes
    or free space of the ring the oldest goes first among the cameras that take more than an equal share, so one camera
    with a high bit rate does not push the others out. By age nothing goes while the clock is unsure, and nothing whose
    own time is: that goes with the first sure one recorded after it. What a hold touches stays, whatever limits say.
    """
    queues = {camera: _Queue(iter(rows), held.get(camera, ())) for camera, rows in oldest_first.items()}
    doomed: list[SegmentRow] = []
    left = {camera: state.bytes_by_camera.get(camera, 0) for camera in queues}
    if state.is_clock_trusted:
        for camera, queue in queues.items():
            limit_ns = state.now_wall_ns - limits.days_of(camera) * DAY_S * NS_PER_S
            while expired := queue.take_expired(limit_ns):
                left[camera] -= sum(row.bytes for row in expired)
                doomed.extend(expired)
    for camera, queue in queues.items():
        own_bytes = limits.of(camera).max_bytes
        if own_bytes is None or left[camera] <= own_bytes:
            continue
        while left[camera] > own_bytes - int(own_bytes * _SLACK_RATIO) and queue.next is not None:
            row = queue.take()
            left[camera] -= row.bytes
            doomed.append(row)
    freed_bytes = sum(row.bytes for row in doomed)
    wanted_bytes = _wanted_bytes(limits, state)
    while freed_bytes < wanted_bytes:
        chosen = _next_camera(queues, left)
        if chosen is None:
            break
        row = queues[chosen].take()
        left[chosen] -= row.bytes
        freed_bytes += row.bytes
        doomed.append(row)
    ring_short_bytes = max(_over_bytes(limits, state) - freed_bytes, 0)
    return DeletionPlan(tuple(doomed), freed_bytes, max(ring_short_bytes, _own_short_bytes(limits, left)))


class _Queue:
    """One camera's segments that no hold touches, oldest first; `next` is the one to go next."""

    def __init__(self, rows: Iterator[SegmentRow], held: Sequence[WallSpan]) -> None:
        self._rows = rows
        self._held = held
        self._ahead: deque[SegmentRow] = deque()

    @property
    def next(self) -> SegmentRow | None:
        return self._at(0)

    def take(self) -> SegmentRow:
        assert self.next is not None
        return self._ahead.popleft()

    def take_expired(self, limit_ns: int) -> list[SegmentRow]:
        """The next one whose time is sure, with the unsure ones before it, if it is too old; else nothing."""
        count = 0
        while (row := self._at(count)) is not None:
            count += 1
            # A damaged one knows its beginning by its name only.
            if row.is_time_sure and row.state is not SegmentState.DAMAGED:
                is_old = row.end_wall_ns <= limit_ns
                return [self._ahead.popleft() for _ in range(count)] if is_old else []
        return []

    def _at(self, index: int) -> SegmentRow | None:
        while len(self._ahead) <= index:
            row = self._read()
            if row is None:
                return None
            self._ahead.append(row)
        return self._ahead[index]

    def _read(self) -> SegmentRow | None:
        return next((row for row in self._rows if not _is_held(row, self._held)), None)


def _is_held(row: SegmentRow, held: Sequence[WallSpan]) -> bool:
    # A damaged segment knows only its beginning; a hold over that instant keeps it for a person to look at.
    span = WallSpan(row.start_wall_ns, max(row.end_wall_ns, row.start_wall_ns + 1))
    return any(span.overlaps(each) for each in held)


def _over_bytes(limits: RetentionLimits, state: RingState) -> int:
    return max(sum(state.bytes_by_camera.values()) - limits.max_bytes, limits.min_free_bytes - state.free_bytes)


def _own_short_bytes(limits: RetentionLimits, left: Mapping[str, int]) -> int:
    """By how much cameras stay above bounds of their own."""
    bounds = {camera: limits.of(camera).max_bytes for camera in left}
    return sum(max(left[camera] - own, 0) for camera, own in bounds.items() if own is not None)


def _wanted_bytes(limits: RetentionLimits, state: RingState) -> int:
    over_bytes = _over_bytes(limits, state)
    return over_bytes + int(limits.max_bytes * _SLACK_RATIO) if over_bytes > 0 else 0


def _next_camera(queues: Mapping[str, _Queue], left: Mapping[str, int]) -> str | None:
    """Whose oldest goes next; None when nothing is left that may go."""
    ready = [camera for camera, queue in queues.items() if queue.next is not None]
    if not ready:
        return None
    share_bytes = sum(left.values()) / len(left)
    greedy = [camera for camera in ready if left[camera] >= share_bytes] or ready

    def age(camera: str) -> tuple[int, int, str]:
        row = queues[camera].next
        return (row.boot if row else 0, row.start_wall_ns if row else 0, camera)

    return min(greedy, key=age)
