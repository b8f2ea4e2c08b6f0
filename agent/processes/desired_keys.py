"""New keys in a desired document: whether the node could still be changed after it. Reads the list that is in force."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from agent.commands.pinned import read_keys
from agent.config import Config
from agent.contract.pinned import PinnedKey
from agent.errors import ConfigError, SignatureError
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


def _facts(keys: tuple[PinnedKey, ...]) -> set[object]:
    return {(key_id(public_from_pem(each.public_key)), each.actor, each.role, each.commands) for each in keys}
