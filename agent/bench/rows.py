"""What every measurement ends with: one row a measure, the medians of paired runs. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class Pair:
    """One run: ours and the peer's value, measured at the same time or one right after the other."""

    ours: float
    peer: float | None = None


class Row(msgspec.Struct, frozen=True):
    """`ratio` is ours / peer, None without a peer; other tools rely on these names."""

    measure: str
    ours: float
    peer: float | None
    peer_name: str
    ratio: float | None
    unit: str
    runs: int


def median_row(measure: str, pairs: Sequence[Pair], *, unit: str, peer_name: str = "") -> Row:
    """The medians of `pairs`; the ratio is the median of each pair's own, so that a slow moment of the machine, which
    slows both, does not count."""
    peers = [pair.peer for pair in pairs if pair.peer is not None]
    ratios = [pair.ours / pair.peer for pair in pairs if pair.peer]
    return Row(
        measure=measure,
        ours=_rounded(statistics.median(pair.ours for pair in pairs)),
        peer=_rounded(statistics.median(peers)) if peers else None,
        peer_name=peer_name,
        ratio=_rounded(statistics.median(ratios)) if ratios else None,
        unit=unit,
        runs=len(pairs),
    )


def _rounded(value: float) -> float:
    """Four digits: no measurement here is better than that."""
    return float(f"{value:.4g}")
