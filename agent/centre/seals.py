"""Whether a bundle agrees with the seals that its node published while it recorded.

Who rewrites a node's chain afterwards signs it anew with the node's own key, so the bundle alone is sound. What the
node published before lies at the centre, out of reach.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from agent.centre.eventstore import EVENTS_NAME
from agent.contract import events
from agent.contract.envelope import data_of, decode_envelope
from agent.contract.records import SealData
from agent.errors import StoreError


@dataclass(frozen=True, slots=True)
class Agreement:
    """`seals`: how many of the node's were looked at. `contradictions`: lines for people, empty where the bundle says
    what was published. `covered_to`: the newest link of the bundle that a published seal vouches for, None without
    one; what comes after it rests on the bundle's own signature."""

    seals: int
    contradictions: tuple[str, ...]
    covered_to: int | None


def published_seals(folder: Path, source: str) -> list[SealData]:
    """Every seal event that `wayside centre serve` stored of one node (its URN), oldest first. Raises StoreError."""
    path = folder / EVENTS_NAME
    if not path.is_file():
        raise StoreError(path=str(path), remedy="no events are kept there; give the folder of `wayside centre serve`")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as conn:
            rows = conn.execute(
                "SELECT payload FROM event WHERE source = ? AND type = ? ORDER BY number", (source, events.SEAL)
            ).fetchall()
    except sqlite3.Error as exc:
        raise StoreError(path=str(path), detail=str(exc), remedy="check the folder given as --store") from exc
    found = [data_of(decode_envelope(payload)) for (payload,) in rows]
    return [data for data in found if isinstance(data, SealData)]


def agree(camera: str, links: Mapping[int, str], seals: Sequence[SealData]) -> Agreement:
    """Hold a chain's links, SHA-256 of each line by its number, against the heads that were published. Pure.

    A seal names the last link at its moment, and each link names the one before, so one head that agrees vouches for
    all links up to it.
    """
    wrong: list[str] = []
    covered: int | None = None
    for seal in seals:
        for head in seal.heads:
            if head.chain != camera or head.n not in links:
                continue
            if links[head.n] == head.sha256:
                covered = max(covered or 0, head.n)
            else:
                wrong.append(f"seal {seal.number} of {seal.at} published another link {head.n} of {camera}")
    return Agreement(len(seals), tuple(wrong), covered)
