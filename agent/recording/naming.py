"""What a segment is called, and the comment inside it that lets it stand alone. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Annotated, Literal

import msgspec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAME = re.compile(
    r"footage/(?P<camera>[a-z0-9-]{1,32})/\d{4}-\d\d-\d\d/"
    r"(?P<boot>\d{6,9})_(?P<run>\d{6,9})_(?P<n>\d{6,9})_"
    r"(?P<y>\d{4})(?P<mo>\d\d)(?P<d>\d\d)T(?P<h>\d\d)(?P<mi>\d\d)(?P<s>\d\d)(?P<ms>\d{3})Z\.mp4",
    re.ASCII,
)


# What the index can hold: a comment is the word of a camera's process, and SQLite refuses more with an OverflowError.
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


@dataclass(frozen=True, slots=True, order=True)
class SegmentName:
    """What a segment's path says; the order of names is the order of recording, whatever the clock did meanwhile.

    `boot` counts this node's boots, `run` the camera sessions of the boot, `n` the segments of the run.
    """

    camera: str
    boot: int
    run: int
    n: int
    opened_wall_ms: int

    def text(self) -> str:
        """Relative to data_dir. The folder's date is UTC at opening."""
        at = _EPOCH + timedelta(milliseconds=self.opened_wall_ms)
        stamp = f"{at.year:04d}{at.month:02d}{at.day:02d}T{at.hour:02d}{at.minute:02d}{at.second:02d}"
        place = f"{self.boot:06d}_{self.run:06d}_{self.n:06d}"
        day = f"{at.year:04d}-{at.month:02d}-{at.day:02d}"
        return f"footage/{self.camera}/{day}/{place}_{stamp}{self.opened_wall_ms % 1000:03d}Z.mp4"

    def path(self) -> PurePosixPath:
        """As `text`; a ring's worth of these costs seconds."""
        return PurePosixPath(self.text())

    @classmethod
    def parse(cls, path: PurePosixPath | str) -> SegmentName | None:
        """The name of a path relative to data_dir; None when it is not exactly what `path()` would give."""
        match = _NAME.fullmatch(str(path))
        if match is None:
            return None
        year, month, day, hour, minute, second, millis = (
            int(match[key]) for key in ("y", "mo", "d", "h", "mi", "s", "ms")
        )
        try:
            opened = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError:
            return None
        opened_ms = (opened - _EPOCH) // timedelta(milliseconds=1) + millis
        name = cls(match["camera"], int(match["boot"]), int(match["run"]), int(match["n"]), opened_ms)
        return name if name.text() == str(path) else None


class SegmentComment(msgspec.Struct, frozen=True, kw_only=True):
    """What the muxer writes as JSON into the `moov`'s comment, so that the files alone rebuild the index.

    `clock_error_s` is None when nothing vouches for the clock. `sound` says what its sound was made from ("aac" as it
    came, "aac from pcm_mulaw"), empty without a sound track. Fields that a later version adds are ignored.
    """

    camera: str
    boot: Int64
    boot_id: str
    run: Int64
    n: Int64
    start_wall_ns: Int64
    start_mono_ns: Int64
    clock_quality: Literal["synced", "holdover", "unsynced"]
    clock_error_s: float | None
    sound: str = ""
    v: Literal[1] = 1

    def encode(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def decode(cls, text: bytes | str) -> SegmentComment | None:
        """None for a comment that is not ours."""
        try:
            return msgspec.json.decode(text, type=cls)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            # RecursionError: a field of a later version may hold anything, also a hundred thousand brackets.
            return None
