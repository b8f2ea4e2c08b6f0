"""A desired configuration laid over the present one: what may be said from afar, and what is the node's own. Pure.

A document reaches what the office decides: what is recorded, how long it is kept, who is spoken to. Paths, papers,
secrets and scenes lie on the node; a document that could name them could have any file of the node sent anywhere.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import msgspec

from agent.config import CameraConfig, Config, decode_config
from agent.enrolment.configuration import to_toml
from agent.errors import ConfigError

_FILE: Final = "the desired configuration"
# Said again they must be as they are; left out they stay as they are.
_OWN: Final[dict[str, frozenset[str]]] = {
    "": frozenset({"data_dir", "runtime_dir", "command_keys", "trust"}),
    "broker": frozenset({"ca", "certificate", "key"}),
    "storage": frozenset({"ring_id"}),
    "vision": frozenset({"models_dir", "own_models_dir"}),
    "outbox": frozenset(),
}
_CAMERAS_OWN: Final = frozenset({"username", "password_file", "scene"})
# What a camera process opens on the node itself is drawn on the node, but for its own cables.
_SOURCES: Final = ("rtsp://", "rtsps://", "v4l2:", "picamera:")


def merge_desired(said: bytes | msgspec.Raw, present: Config) -> Config:
    """The configuration to run with. Raises ConfigError for what the file itself could not say either, for another
    node's identity, for what is the node's own, and for a secret."""
    try:
        wanted = msgspec.json.decode(said, type=dict[str, object])
        merged = _laid_over(wanted, msgspec.to_builtins(present))
        config = msgspec.convert(merged, Config, strict=True)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as exc:
        raise ConfigError(file=_FILE, remedy=str(exc)) from exc
    for camera in config.cameras:
        _check_sources(camera, present.camera(camera.id))
    # What is written must be what is read: a zone, a size or an unknown key is found here, as in the file.
    return decode_config(to_toml(config), name=_FILE)


def _laid_over(wanted: dict[str, object], present: dict[str, object]) -> dict[str, object]:
    _keep_own("", wanted, present, _OWN[""])
    if wanted.get("node", present["node"]) != present["node"]:
        raise ConfigError(file=_FILE, key="node", remedy="it is another node's; a node moves by a work order")
    merged = {**present, **wanted}
    for name, own in _OWN.items():
        if name and name in wanted:
            section = _table(name, wanted[name])
            before = _table(name, present.get(name) or {})
            _keep_own(name, section, before, own)
            merged[name] = {**before, **section}
    if "camera" in wanted:
        merged["camera"] = _cameras(wanted["camera"], present)
    return merged


def _cameras(wanted: object, present: dict[str, object]) -> list[dict[str, object]]:
    """The whole list, each camera laid over the one of its id."""
    tables = msgspec.convert(wanted, list[dict[str, object]])
    before = {each["id"]: each for each in msgspec.convert(present.get("camera", []), list[dict[str, object]])}
    found: list[dict[str, object]] = []
    for table in tables:
        name = msgspec.convert(table.get("id", ""), str)
        known = before.get(name, {})
        _keep_own(f"camera {name}", table, known, _CAMERAS_OWN)
        found.append({**known, **table})
    return found


def _keep_own(where: str, wanted: dict[str, object], present: dict[str, object], own: frozenset[str]) -> None:
    for key in sorted(own & wanted.keys()):
        if wanted[key] != present.get(key, ""):
            path = f"{where}.{key}" if where else key
            raise ConfigError(file=_FILE, key=path, remedy="this is the node's own; leave it out")


def _table(name: str, value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ConfigError(file=_FILE, key=name, remedy="it must be an object")
    return value


def _check_sources(camera: CameraConfig, before: CameraConfig | None) -> None:
    """Of a camera that is new or changed. What the site chose itself (a file, on a desk) may stay."""
    for key, source, known in (
        ("main", camera.main, before.main if before else ""),
        ("sub", camera.sub, before.sub if before else ""),
    ):
        if source in ("", known):
            continue
        where = f"camera {camera.id}.{key}"
        if not source.startswith(_SOURCES):
            raise ConfigError(file=_FILE, key=where, remedy="from afar: rtsp://, rtsps://, v4l2: or picamera:")
        if has_secret(source):
            remedy = "a password does not travel in a document: it is entered on the site; take it out of the address"
            raise ConfigError(file=_FILE, key=where, remedy=remedy)


def has_secret(source: str) -> bool:
    """Whether an address carries a login; one that cannot be taken apart may."""
    try:
        parts = urlsplit(source)
        return parts.username is not None or parts.password is not None
    except ValueError:
        return True


def host_of(source: str) -> str:
    """Host and port of a stream's address; empty for a cable."""
    try:
        return urlsplit(source).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""
