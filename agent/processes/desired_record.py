"""What a node remembers of desired documents: beside its configuration, and the revision's floor beside the store too.

Neither copy lies in the store, which can be lost (ADR 4): a replayed old document is refused by either of them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec

from agent import log
from agent.config import Config
from agent.contract.wire import decode, encode
from agent.enrolment.wholefile import write_whole
from agent.errors import DiskError, WireError
from agent.processes.desired_trial import Trial
from agent.recording.folder import disk_error

RECORD_NAME: Final = "desired.json"
FLOOR_NAME: Final = "desired-floor.json"
# As the configuration: what is in it is no secret, and its keys are public ones.
_MODE: Final = 0o640
_MOST_BYTES: Final = 1 << 20

T = TypeVar("T")

_log = log.get("desired")


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a document, to be written to the audit by whoever has a store."""

    revision: int
    outcome: Literal["succeeded", "failed"]
    reason: str
    actors: str


class DesiredRecord(msgspec.Struct, frozen=True, kw_only=True):
    """`revision` is in force, None while the local file alone rules; `floor` never falls, -1 before the first;
    `document` is the digest of the payload that has the floor's revision; `config` the digest of the configuration that
    `revision` asked for. `untold`: not yet in the audit. `urn`: the node's at the time; one that has moved to
    another site hears another office, which counts from 1."""

    v: Literal[1] = 1
    urn: str = ""
    revision: int | None = None
    floor: int = -1
    document: str = ""
    config: str = ""
    since: str = ""
    actors: str = ""
    upload_hosts: tuple[str, ...] = ()
    rejected_revision: int | None = None
    errors: tuple[str, ...] = ()
    trial: Trial | None = None
    untold: Told | None = None


class _Floor(msgspec.Struct, frozen=True, kw_only=True):
    urn: str
    floor: int
    document: str = ""


@dataclass(frozen=True, slots=True)
class RecordFile:
    """Where the record lies. Safe from any thread: each write replaces a whole file; one thread writes."""

    config: Path
    data_dir: Path
    urn: str

    @property
    def path(self) -> Path:
        return self.config.parent / RECORD_NAME

    def load(self) -> DesiredRecord:
        """A damaged record is told and begins anew, but for the floor, which either copy keeps."""
        record = _read(self.path, DesiredRecord)
        if record is None or record.urn != self.urn:
            record = DesiredRecord(urn=self.urn)
        floor = _read(self.data_dir / FLOOR_NAME, _Floor)
        if floor is not None and floor.urn == self.urn and floor.floor > record.floor:
            return msgspec.structs.replace(record, floor=floor.floor, document=floor.document)
        return record

    def save(self, record: DesiredRecord) -> None:
        """The floor first: a power cut between them must not let it fall. Raises DiskError."""
        floor = _Floor(urn=record.urn, floor=record.floor, document=record.document)
        write_file(self.data_dir / FLOOR_NAME, encode(floor) + b"\n")
        write_file(self.path, encode(record) + b"\n")


def write_file(path: Path, data: bytes) -> None:
    """Whole or not at all, with the mode that the file had. Raises DiskError."""
    try:
        mode = path.stat().st_mode & 0o777 if path.exists() else _MODE
        write_whole(path, data, mode=mode)
    except OSError as exc:
        raise disk_error(exc) from exc


def read_text(path: Path) -> str | None:
    """None where there is no such file. Raises DiskError."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as exc:
        raise DiskError(reason="disk_error", path=str(path), remedy="it cannot be read") from exc


def config_digest(config: Config) -> str:
    """Of what a configuration means: comments and order of its file do not count."""
    return hashlib.sha256(encode(config)).hexdigest()


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return decode(path.read_bytes()[:_MOST_BYTES], kind)
    except FileNotFoundError:
        return None
    except (OSError, WireError) as exc:
        _log.error("record of desired documents unreadable", file=str(path), problem=str(exc))
        return None
