"""All checks of a node, one after the other, as the technician's page and the doctor show them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from agent.clock import Clock, SystemClock
from agent.config import Config, StorageConfig
from agent.health.probes import probe_machine
from agent.messaging.broker import parse_url
from agent.units import NS_PER_S
from provisioning.checks.machine import judge_clock, judge_disk, judge_power, judge_temperature, read_disk
from provisioning.checks.network import Service, check_link, check_names, check_service
from provisioning.checks.result import CheckResult

_HTTPS_PORT: Final = 443
# In the order in which a technician can do something about them.
CHECK_IDS: Final = ("link", "dns", "clock", "centre", "broker", "disk", "temperature", "under_voltage")


@dataclass(frozen=True, slots=True)
class CheckGround:
    """What the checks need to know. `centre_url` and `ca` (PEM file) are empty while the node knows no centre; `config`
    is None before it is enrolled. `root` stands before /sys and /proc: "/" on a node."""

    data_dir: Path
    config: Config | None = None
    centre_url: str = ""
    ca: str = ""
    root: Path = Path("/")


def run_checks(ground: CheckGround, clock: Clock | None = None) -> Iterator[CheckResult]:
    """Each result as soon as it is there; together at most half a minute, when nothing answers."""
    for _, check in checks(ground, clock or SystemClock()):
        yield check()


def checks(ground: CheckGround, clock: Clock) -> Iterator[tuple[str, Callable[[], CheckResult]]]:
    """The checks that make sense on this ground, by id; each may be called again."""
    services = list(_services(ground))
    machine = probe_machine(ground.root)
    storage = ground.config.storage if ground.config is not None else StorageConfig()
    yield "link", lambda: check_link(ground.root)
    if services:
        yield "dns", lambda: check_names([each.host for each in services])
    yield "clock", lambda: judge_clock(clock.status(), clock.wall_ns() / NS_PER_S)
    for service in services:
        yield service.id, _service_check(service)
    yield "disk", lambda: judge_disk(read_disk(ground.data_dir), storage.min_free_bytes)
    yield "temperature", lambda: judge_temperature(machine)
    yield "under_voltage", lambda: judge_power(machine)


def _service_check(service: Service) -> Callable[[], CheckResult]:
    return lambda: check_service(service)


def _services(ground: CheckGround) -> Iterator[Service]:
    if ground.centre_url:
        parts = urlsplit(ground.centre_url)
        if parts.hostname:
            yield Service("centre", parts.hostname, parts.port or _HTTPS_PORT, ca=ground.ca)
    broker = ground.config.broker if ground.config is not None else None
    if broker is not None:
        at = parse_url(broker.url)
        yield Service("broker", at.host, at.port, broker.ca, broker.certificate, broker.key, at.is_tls)
