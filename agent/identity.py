"""UUIDv7 ids: they sort by the time they were made, so logs and stores keep them in order."""

from __future__ import annotations

import secrets
import time

from agent.units import NS_PER_MS

_RANDOM_BYTES = 10


def uuid7(unix_ms: int, random: bytes) -> str:
    """A UUIDv7 from a wall time in ms and ten random bytes (RFC 9562, section 5.7). Pure."""
    if len(random) != _RANDOM_BYTES:
        raise ValueError("a UUIDv7 takes ten random bytes")
    raw = bytearray(unix_ms.to_bytes(6, "big") + random)
    raw[6] = 0x70 | raw[6] & 0x0F
    raw[8] = 0x80 | raw[8] & 0x3F
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def new_uuid7() -> str:
    """A fresh UUIDv7 of this machine's wall clock. A wrong clock costs its order, never its uniqueness."""
    return uuid7(time.time_ns() // NS_PER_MS, secrets.token_bytes(_RANDOM_BYTES))
