"""The node's wayside.toml: the office's settings, with what only this node knows kept. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec
import tomli_w

from agent.config import Config, decode_config
from agent.errors import ConfigError, EnrolmentError

# Of these a node keeps what its grant leaves unsaid: the size of its disk, where its models lie, its ring's marker.
# `trust` is not among them: a node that was open on a desk obeys signed commands alone once it is enrolled.
_SECTIONS: Final = ("broker", "storage", "vision", "outbox")


@dataclass(frozen=True, slots=True)
class LocalPaths:
    """Where things lie on this node; the office neither knows nor decides it."""

    data_dir: str
    runtime_dir: str
    ca: str
    certificate: str
    key: str
    command_keys: str


def merge(granted: bytes | msgspec.Raw, existing: Config | None, paths: LocalPaths) -> Config:
    """The configuration to run with: all that is granted, what the grant leaves unsaid and the node has, its paths.

    Cameras set up on site stay as they are; one that only the office names is added, so that a swapped node gets its
    site's cameras back. Raises EnrolmentError `bad_config`.
    """
    old = {} if existing is None else msgspec.to_builtins(existing)
    try:
        said = msgspec.json.decode(granted, type=dict[str, object])
        said["data_dir"] = old.get("data_dir", paths.data_dir)
        said["runtime_dir"] = old.get("runtime_dir", paths.runtime_dir)
        said["command_keys"] = paths.command_keys
        for name in _SECTIONS:
            if said.get(name) or old.get(name):
                said[name] = {**(old.get(name) or {}), **_section(said, name)}
        if "broker" in said:
            broker = _section(said, "broker")
            said["broker"] = {**broker, "ca": paths.ca, "certificate": paths.certificate, "key": paths.key}
        config = msgspec.convert(said, Config, strict=True)
        merged = msgspec.structs.replace(config, cameras=_cameras(config, existing))
        # What is written must be what is read: a zone or a size that is none is found here.
        return decode_config(to_toml(merged), name="the granted configuration")
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, ConfigError) as exc:
        raise EnrolmentError(reason="bad_config", detail=str(exc), remedy="ask the office for a new order") from exc


def to_toml(config: Config) -> str:
    """A wayside.toml that says what differs from the defaults; agent.config reads it back as the same."""
    return tomli_w.dumps(_differences(config))


def _cameras(config: Config, existing: Config | None) -> list[msgspec.Struct]:
    kept = [] if existing is None else existing.cameras
    known = {camera.id for camera in kept}
    return [*kept, *(camera for camera in config.cameras if camera.id not in known)]


def _section(said: dict[str, object], name: str) -> dict[str, object]:
    """Raises msgspec.ValidationError when it is no object."""
    return msgspec.convert(said.get(name, {}), dict[str, object])


def _differences(struct: msgspec.Struct) -> dict[str, object]:
    """Encoded fields that are required or hold another value than their default."""
    said: dict[str, object] = {}
    for field in msgspec.structs.fields(struct):
        value = getattr(struct, field.name)
        is_list = field.default_factory is not msgspec.NODEFAULT and value == field.default_factory()
        if value is None or value == field.default or is_list:
            continue
        said[field.encode_name] = _plain(value)
    return said


def _plain(value: object) -> object:
    if isinstance(value, msgspec.Struct):
        return _differences(value)
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value
