"""A clip for old players: the same coded pictures in a plain MP4 with its index in front. A derivative, and says so.

Some players and editors know no fragments. Nothing is decoded; what the native clip proves (its fragments' wall times,
its statement of gaps) an index cannot carry, so the native one stays the evidence and its hash stands in this one.
"""

from __future__ import annotations

import errno
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import msgspec

from agent.errors import ClipDamaged, DiskError

_HASH_BYTES: Final = 1 << 20


class Derivation(msgspec.Struct, frozen=True):
    """What the file's comment says of it."""

    derivative: str
    of_sha256: str


@dataclass(frozen=True, slots=True)
class DerivedFile:
    """`of_sha256` is the native clip's hash; the own one proves nothing about a camera."""

    path: Path
    size_bytes: int
    sha256: str
    of_sha256: str


def faststart_path(clip: Path) -> Path:
    return clip.with_name(f"{clip.stem}-faststart{clip.suffix}")


def remux_faststart(clip: Path, out: Path, of_sha256: str) -> DerivedFile:
    """Write `out`, whole and synced or not at all. Raises ClipDamaged for what cannot be remuxed, DiskError."""
    part = out.with_name(out.name + ".part")
    try:
        _remux(clip, part, Derivation("faststart", of_sha256))
        found = _seal(part)
        part.replace(out)
    except av.FFmpegError as exc:
        if isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskError(reason="disk_full", path=str(out), remedy="free some space") from exc
        raise ClipDamaged(reason="it cannot be remuxed", path=clip.name, detail=str(exc)) from exc
    except OSError as exc:
        raise DiskError(reason="disk_error", path=str(out), error=exc.strerror or "") from exc
    finally:
        part.unlink(missing_ok=True)
    return DerivedFile(out, found[0], found[1], of_sha256)


def _remux(clip: Path, part: Path, derivation: Derivation) -> None:
    # use_editlist=0: an edit list would hide the pre-roll, which the native clip shows and states.
    options = {"movflags": "faststart", "use_editlist": "0"}
    with (
        av.open(str(clip), "r", format="mp4") as source,
        av.open(str(part), "w", format="mp4", options=options) as sink,
    ):
        sink.metadata["comment"] = msgspec.json.encode(derivation).decode()
        copied = {each.index: sink.add_stream_from_template(each) for each in source.streams}
        for packet in source.demux():
            # The demuxer's last, empty packet of each stream has no time.
            if packet.dts is not None:
                packet.stream = copied[packet.stream.index]
                sink.mux(packet)


def _seal(part: Path) -> tuple[int, str]:
    digest = hashlib.sha256()
    with part.open("rb") as file:
        while block := file.read(_HASH_BYTES):
            digest.update(block)
        os.fsync(file.fileno())
        return file.tell(), digest.hexdigest()
