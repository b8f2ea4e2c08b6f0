"""New keys in a desired document: whether the node could still be changed after it. Reads the list that is in force."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from agent.commands.pinned import REVOKED_NAME, read_keys, read_revoked
from agent.config import Config
from agent.contract.pinned import PinnedKey, PinnedKeys
from agent.contract.wire import decode
from agent.errors import ConfigError, SignatureError, WireError
from agent.processes.desired_record import write_file
from agent.signing import key_id, public_from_pem

_FILE: Final = "the desired configuration"


def check_keys(keys: tuple[PinnedKey, ...] | None, config: Config) -> None:
    """Raises ConfigError for keys that cannot be read, and for a list that would lock everybody out: a later change of
    keys needs two people who may sign a document."""
    if keys is None:
        return
    if not config.command_keys:
        raise ConfigError(file=_FILE, key="keys", remedy="this node has no file command_keys that could take them")
    for each in keys:
        try:
            public_from_pem(each.public_key)
        except SignatureError as exc:
            raise ConfigError(file=_FILE, key="keys", remedy=f"the key of {each.actor} is none: {exc.remedy}") from exc
    if len({each.actor for each in keys if not each.commands}) < 2:
        remedy = "at least two people must keep a key without a list of commands, or nobody can change this node again"
        raise ConfigError(file=_FILE, key="keys", remedy=remedy)


def keys_differ(keys: tuple[PinnedKey, ...] | None, config: Config) -> bool:
    """Whether the document changes who is obeyed, or as what."""
    if keys is None:
        return False
    try:
        present = read_keys(Path(config.command_keys) if config.command_keys else None).keys
    except SignatureError:
        return True
    return _facts(keys) != _facts(present)


def revoke(before: str, keys: tuple[PinnedKey, ...], revoked: frozenset[str]) -> frozenset[str]:
    """The kids not to be obeyed once `keys` replace the list whose text is `before`: those taken out now or earlier and
    not put in again. A list that cannot be read obeyed nobody."""
    try:
        listed = decode(before.encode(), PinnedKeys).keys
        old = {key_id(public_from_pem(each.public_key)) for each in listed}
    except (WireError, SignatureError):
        old = set()
    return (revoked | old) - {key_id(public_from_pem(each.public_key)) for each in keys}


def revoked_at(path: Path) -> frozenset[str]:
    """What stands beside the list at `path`. Where that cannot be read nobody is obeyed, and new keys begin anew."""
    try:
        return read_revoked(path)
    except (OSError, msgspec.DecodeError):
        return frozenset()


def write_revoked(path: Path, revoked: tuple[str, ...]) -> None:
    """Beside the list at `path`. Raises DiskError."""
    write_file(path.with_name(REVOKED_NAME), msgspec.json.encode(revoked) + b"\n")


def _facts(keys: tuple[PinnedKey, ...]) -> set[object]:
    return {(key_id(public_from_pem(each.public_key)), each.actor, each.role, each.commands) for each in keys}
