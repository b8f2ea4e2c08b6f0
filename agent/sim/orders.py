"""What the fleet's director and a process of nodes say to each other: one JSON object a line. Pure."""

from __future__ import annotations

import msgspec


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """The first line. Nodes `first` to `first + count - 1`; stores lie in `folder`."""

    folder: str
    url: str
    first: int
    count: int
    spread_s: float
    health_period_s: float


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """`incidents`: so many now by every node. `is_end`: say goodbye and end."""

    incidents: int = 0
    is_end: bool = False


class Birth(msgspec.Struct, frozen=True, array_like=True):
    """A connection of one node is complete. By CLOCK_MONOTONIC, which all processes of a machine share."""

    node: int
    mono_ns: int


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """`births` since the last line, `late_s`: by how much a node was worked on too late since then, at worst; the rest
    as it stands. `waiting`: of lane a, known only of the last line."""

    births: tuple[Birth, ...]
    connected: int
    made: int
    alarms: int
    late_s: float = 0.0
    waiting: int = 0
    peak_rss_mb: int = 0
