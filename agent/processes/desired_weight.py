"""Which changes of a configuration are so grave that two people must sign them. Pure.

The contract names retention, keys and upload hosts. What blinds a node or hands its secrets to another machine is no
lighter, and one key alone could do it, so it stands here as well (ADR 42).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from agent.config import CameraConfig, Config
from agent.errors import ConfigError
from agent.processes.desired_merge import host_of
from agent.units import parse_bytes

# As urlsplit gives a host back: without port, in small letters; an IPv6 address without its brackets.
_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9.:-]{0,251}[a-z0-9])?")
_MOST_HOSTS: Final = 32


def check_hosts(hosts: tuple[str, ...]) -> None:
    """Raises ConfigError for what is no host's name."""
    for host in hosts:
        if not _HOST.fullmatch(host):
            remedy = f"{host[:60]!r} is no host; write its name alone, in small letters"
            raise ConfigError(file="the desired configuration", key="upload_hosts", remedy=remedy)
    if len(hosts) > _MOST_HOSTS:
        raise ConfigError(file="the desired configuration", key="upload_hosts", remedy=f"at most {_MOST_HOSTS}")


def grave_changes(before: Config, after: Config) -> tuple[str, ...]:
    """In people's words; empty where one signature is enough."""
    return (*_node(before, after), *_cameras(before, after))


def _node(before: Config, after: Config) -> Iterator[str]:
    if after.storage.keep_days < before.storage.keep_days:
        yield "storage.keep_days shrinks"
    if after.storage.max_ring_bytes < before.storage.max_ring_bytes:
        yield "storage.max_bytes shrinks"
    if after.storage.min_free_bytes > before.storage.min_free_bytes:
        yield "storage.min_free leaves less for footage"
    if after.outbox.max_outbox_bytes < before.outbox.max_outbox_bytes:
        yield "outbox.max_bytes shrinks"
    if before.broker != after.broker and (before.broker is None or after.broker is None):
        yield "the broker comes or goes"
    elif before.broker is not None and after.broker is not None and before.broker.url != after.broker.url:
        yield "broker.url changes"


def _cameras(before: Config, after: Config) -> Iterator[str]:
    for camera in before.cameras:
        now = after.camera(camera.id)
        if now is None:
            yield f"camera {camera.id} is taken out"
            continue
        if _days(now, after) < _days(camera, before):
            yield f"camera {camera.id}.keep_days shrinks"
        if _bound_bytes(now) < _bound_bytes(camera):
            yield f"camera {camera.id}.max_bytes shrinks"
        if _recording(now) != _recording(camera) and now.record != "continuous":
            yield f"camera {camera.id} records at other times"
        if camera.password_file and _hosts(now) - _hosts(camera):
            yield f"camera {camera.id}'s password goes to another host"


def _days(camera: CameraConfig, config: Config) -> int:
    return config.storage.keep_days if camera.keep_days is None else camera.keep_days


def _bound_bytes(camera: CameraConfig) -> float:
    """Unset and zero are no bound."""
    return (parse_bytes(camera.max_bytes) if camera.max_bytes else 0) or float("inf")


def _hosts(camera: CameraConfig) -> set[str]:
    return {host_of(camera.main), host_of(camera.sub)} - {""}


def _recording(camera: CameraConfig) -> object:
    return camera.record, camera.hours, camera.around
