"""The list of public keys that a node obeys, each of one actor, with what that actor may ask. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from agent.contract.commands import CommandName


class PinnedKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`public_key` is PEM. `commands` empty: all of them. Two keys of one `actor` are still one person."""

    actor: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    role: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    public_key: str
    commands: tuple[CommandName, ...] = ()


class PinnedKeys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file `command_keys` of the configuration."""

    v: Literal[1]
    keys: tuple[PinnedKey, ...]
