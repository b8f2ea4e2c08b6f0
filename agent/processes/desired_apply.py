"""A desired configuration put in force, kept, or taken back: files only; a power cut may break it off anywhere.

The record is written first and says what to go back to. Who starts processes anew when the file changes is the
supervisor or `wayside-apply` (agent.processes.follow), as with a local edit.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from agent import log
from agent.clock import Clock
from agent.config import Config, decode_config
from agent.contract.pinned import PinnedKeys
from agent.contract.states import Desired
from agent.contract.topics import NodeAddress
from agent.contract.wire import encode
from agent.enrolment.configuration import to_toml
from agent.errors import ConfigError
from agent.processes.desired_keys import revoke, revoked_at, write_revoked
from agent.processes.desired_record import (
    DesiredRecord,
    RecordFile,
    Told,
    config_digest,
    read_text,
    write_file,
)
from agent.processes.desired_trial import Trial, is_given_up
from agent.processes.lastgood import copy_of
from agent.units import format_rfc3339

_log = log.get("desired")


@dataclass(frozen=True, slots=True)
class Change:
    """A believed document: what it asks for, who signed it, and the digest of its payload."""

    document: Desired
    digest: str
    config: Config
    actors: str


@dataclass(frozen=True, slots=True)
class Before:
    """How the node was when the document came. `config` is what its processes were begun with."""

    config: Config
    streaming: tuple[str, ...]
    had_vision: bool
    boot_id: str
    mono_ns: int
    at: str


def put_in_force(files: RecordFile, change: Change, before: Before) -> DesiredRecord:
    """Returns the record, on trial where processes must be started anew. Raises DiskError."""
    record, wanted = files.load(), config_digest(change.config)
    kept = _keys_before(change, before, record.trial)
    common = msgspec.structs.replace(
        record,
        floor=change.document.revision,
        document=change.digest,
        upload_hosts=change.document.upload_hosts,
        errors=(),
        rejected_revision=None,
    )
    if change.config == before.config and record.trial is None:
        done = _confirmed(common, change.document.revision, wanted, change.actors, before.at)
        _write_keys(change)
        files.save(done)
        return done
    first = record.trial
    trial = Trial(
        revision=change.document.revision,
        config=wanted,
        previous=first.previous if first else _right_text(files.config),
        previous_keys=kept[0],
        previous_revoked=kept[1],
        previous_hosts=first.previous_hosts if first else record.upload_hosts,
        streaming=first.streaming if first else before.streaming,
        had_vision=first.had_vision if first else before.had_vision,
        within_s=change.document.confirm_within_s,
        boot_id=before.boot_id,
        began_mono_ns=before.mono_ns,
    )
    trying = msgspec.structs.replace(common, trial=trial, actors=change.actors)
    files.save(trying)
    _write_keys(change)
    write_file(files.config, to_toml(change.config).encode())
    _log.info("desired configuration on trial", revision=trial.revision, within_s=trial.within_s)
    return trying


def confirm(files: RecordFile, at: str) -> DesiredRecord:
    """The node is well under it. Raises DiskError."""
    record = files.load()
    if record.trial is None:
        return record
    done = _confirmed(record, record.trial.revision, record.trial.config, record.actors, at)
    files.save(done)
    _log.info("desired configuration in force", revision=done.revision)
    return done


def revert(files: RecordFile, errors: tuple[str, ...], at: str) -> DesiredRecord:
    """Put back what was before the trial; its revision stays taken. A file that somebody edited on the site meanwhile
    is left alone. Raises DiskError."""
    record = files.load()
    trial = record.trial
    if trial is None:
        return record
    if trial.previous_keys is not None and (keys := _keys_path(trial.previous, files.config)) is not None:
        write_file(keys, trial.previous_keys.encode())
        write_revoked(keys, trial.previous_revoked)
    if not _is_other(files.config, trial):
        write_file(files.config, trial.previous.encode())
    done = msgspec.structs.replace(
        record,
        trial=None,
        upload_hosts=trial.previous_hosts,
        rejected_revision=trial.revision,
        errors=errors,
        since=at,
        untold=Told(revision=trial.revision, outcome="failed", reason="; ".join(errors)[:500], actors=record.actors),
    )
    files.save(done)
    _log.error("desired configuration taken back", revision=trial.revision, problems=list(errors))
    return done


def settle_start(path: Path, config: Config, clock: Clock, boot_id: str) -> Config:
    """The configuration that the node process is to begin with. Called first of all at its start: a document under
    which it does not even begin is taken back here. Raises ConfigError, DiskError."""
    node = config.node
    files = RecordFile(path, Path(config.data_dir), NodeAddress(node.org, node.site, node.id).urn)
    record, mono_ns = files.load(), clock.mono_ns()
    trial = record.trial
    if trial is None:
        return config
    if is_given_up(trial, boot_id=boot_id, mono_ns=mono_ns):
        revert(files, ("the node did not come back",), format_rfc3339(clock.wall_ns()))
        return decode_config(read_text(path) or "", name=str(path))
    began_ns = trial.began_mono_ns if trial.boot_id == boot_id else mono_ns
    counted = msgspec.structs.replace(trial, boot_id=boot_id, began_mono_ns=began_ns, starts=trial.starts + 1)
    files.save(msgspec.structs.replace(record, trial=counted))
    return config


def _right_text(path: Path) -> str:
    """To go back to: the file, or the last right one where somebody has edited it wrongly meanwhile."""
    text = read_text(path) or ""
    try:
        decode_config(text, name=str(path))
    except ConfigError:
        return read_text(copy_of(path, path.name)) or text
    return text


def _confirmed(record: DesiredRecord, revision: int, config: str, actors: str, at: str) -> DesiredRecord:
    return msgspec.structs.replace(
        record,
        revision=revision,
        config=config,
        since=at,
        actors=actors,
        trial=None,
        errors=(),
        rejected_revision=None,
        untold=Told(revision=revision, outcome="succeeded", reason="", actors=actors),
    )


def _keys_before(change: Change, before: Before, first: Trial | None) -> tuple[str | None, tuple[str, ...]]:
    """The list that new keys replace and what was revoked beside it; None where no document of the trial brings any."""
    if first is not None and first.previous_keys is not None:
        return first.previous_keys, first.previous_revoked
    if change.document.keys is None or not before.config.command_keys:
        return None, ()
    path = Path(before.config.command_keys)
    return read_text(path) or "", tuple(sorted(revoked_at(path)))


def _write_keys(change: Change) -> None:
    """What is taken out is written first: a power cut between them must not bring it back."""
    if change.document.keys is not None and change.config.command_keys:
        path = Path(change.config.command_keys)
        revoked = revoke(read_text(path) or "", change.document.keys, revoked_at(path))
        write_revoked(path, tuple(sorted(revoked)))
        write_file(path, encode(PinnedKeys(v=1, keys=change.document.keys)) + b"\n")


def _keys_path(previous: str, name: Path) -> Path | None:
    """Where the list lay under the configuration before, which was valid when it was kept."""
    try:
        found = decode_config(previous, name=str(name)).command_keys
    except ConfigError:
        return None
    return Path(found) if found else None


def _is_other(path: Path, trial: Trial) -> bool:
    """Whether the file says something right that is not the trial's."""
    try:
        return config_digest(decode_config(read_text(path) or "", name=str(path))) != trial.config
    except ConfigError:
        return False
