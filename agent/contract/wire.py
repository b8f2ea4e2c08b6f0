"""The scalar types of the wire and the strictness of each direction. Pure."""

from __future__ import annotations

from typing import Annotated, Final, TypeVar

import msgspec

from agent.errors import WireError

# Contract: an event is at most 64 KiB; mosquitto's own limit is far above it.
MAX_MESSAGE_BYTES: Final = 65_536
# Contract: a picture inside a message.
MAX_PICTURE_BYTES: Final = 30_000

ID_PATTERN: Final = r"^[a-z0-9-]{1,32}$"
Identifier = Annotated[str, msgspec.Meta(pattern=ID_PATTERN)]
# RFC 3339 with its offset; a naive time is refused (contract).
Instant = Annotated[
    str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$", max_length=40)
]
Uuid7 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")]
Sequence = Annotated[str, msgspec.Meta(pattern=r"^\d{20}$")]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
Ratio = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]
# x, y, w, h as fractions of the picture; x, y is the top left corner.
WireBox = tuple[float, float, float, float]


class Up(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """From node to centre. Fields with a default are left out when they hold it; unknown fields are ignored."""


class Down(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """From centre to node. Unknown fields are refused."""


class WireSpan(Up, frozen=True, kw_only=True):
    """A half-open span of wall time."""

    start: Instant
    end: Instant


class WireGap(Up, frozen=True, kw_only=True):
    """A span without footage and the one reason for it (GapReason of agent.recording.gaps)."""

    start: Instant
    end: Instant
    seconds: Seconds
    reason: str


def format_sequence(number: int) -> str:
    """A position in a lane as the wire writes it: 20 digits, so text order is number order."""
    return f"{number:020d}"


def parse_sequence(text: str) -> int:
    """Raises WireError for anything but 20 digits."""
    if len(text) != 20 or not text.isascii() or not text.isdigit():
        raise WireError(what="sequence", remedy="a sequence is 20 digits")
    return int(text)


T = TypeVar("T")
_encoder = msgspec.json.Encoder()


def encode(message: msgspec.Struct) -> bytes:
    """JSON of any struct of the contract."""
    return _encoder.encode(message)


def decode(payload: bytes | msgspec.Raw, kind: type[T]) -> T:
    """`payload` as `kind`. Raises WireError, which names the field, for anything else."""
    try:
        return msgspec.json.decode(payload, type=kind)
    except msgspec.MsgspecError as exc:
        raise WireError(what=kind.__name__, detail=str(exc)) from exc
    except RecursionError as exc:
        raise WireError(what=kind.__name__, detail="nested too deep") from exc
    except UnicodeDecodeError as exc:
        raise WireError(what=kind.__name__, detail="not UTF-8") from exc
