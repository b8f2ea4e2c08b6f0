"""When a certificate is renewed. Pure."""

from __future__ import annotations

from typing import Final

# Provisioning, flow 4: at two thirds of its life. RFC 9773 (ARI) spreads renewals for the same reason: a province that
# was enrolled in one week must not come back in one minute. A thirtieth of 90 days is three.
_DUE_RATIO: Final = 2 / 3
_SPREAD_RATIO: Final = 1 / 30


def renewal_due_s(not_before_s: int, not_after_s: int, chance: float) -> float:
    """Unix time from which a certificate of this life is to be renewed; `chance` in [0, 1) is this node's own."""
    life_s = max(0, not_after_s - not_before_s)
    return not_before_s + life_s * (_DUE_RATIO + _SPREAD_RATIO * chance)


def chance_of(spki_sha256: str) -> float:
    """A node's place in the spread: the same at each start, so that a node that restarts daily is not always early."""
    return int(spki_sha256[:8], 16) / 2**32
