"""The replicated broker's files from the office's register: a folder for each of its three servers."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from agent.authority.office import Office
from agent.errors import UsageError
from provisioning.broker.acl import Member, Role
from provisioning.broker.cluster import REPLICAS, ClusterServer, cluster_settings
from provisioning.office.broker_kit import current_certificate
from provisioning.office.filing import put

_ROUTE_PORT: Final = 6222


@dataclass(frozen=True, slots=True)
class FiledServer:
    """`changed`: files by name that were written; with `nats.conf` among them alone a reload is enough."""

    folder: Path
    changed: frozenset[str]


def file_cluster(
    office: Office, out: Path, routes: Sequence[str], names: Sequence[str], *, home: str, port: int, now_s: int
) -> list[FiledServer]:
    """`routes`: the three servers' own addresses, HOST or HOST:PORT, which only they need to reach. `names`: under
    which nodes reach them; none: the host of the office's address. `home`: where a server keeps its folder. Doing it
    again changes nothing. Raises RegisterError, UsageError."""
    if len(set(routes)) != REPLICAS:
        raise UsageError(servers=len(set(routes)), remedy=f"name {REPLICAS} servers with --server HOST")
    wanted = tuple(names) or (urlsplit(office.settings().broker_url).hostname or "",)
    members = [Member(each.name, Role(each.role.value), each.org, each.sites) for each in office.members()]
    places = [_place(route) for route in routes]
    done = []
    for number, (host, route_port) in enumerate(places):
        folder = out / f"n{number + 1}"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        pair = current_certificate(office, folder / "broker.pem", folder / "broker.key", wanted, now_s=now_s)
        server = ClusterServer(
            name=f"n{number + 1}",
            folder=home,
            routes=tuple(f"{other}:{at}" for other, at in places if (other, at) != (host, route_port)),
            mqtt_port=port,
            route_address=host,
            route_port=route_port,
        )
        files = {
            "nats.conf": cluster_settings(server, office.acl_nodes(), members),
            "clients-ca.pem": office.ca_bundle(),
            "broker.pem": pair.certificate,
            "broker.key": pair.key,
        }
        changed = [name for name, text in files.items() if _differs(folder / name, text)]
        for name in changed:
            put(folder / name, files[name])
        done.append(FiledServer(folder, frozenset(changed)))
    return done


def _differs(path: Path, text: str) -> bool:
    return not path.is_file() or path.read_text("utf-8") != text


def _place(route: str) -> tuple[str, int]:
    """Raises UsageError."""
    host, colon, port = route.partition(":")
    try:
        ipaddress.ip_address(host)
        return host, int(port) if colon else _ROUTE_PORT
    except ValueError as exc:
        raise UsageError(server=route, remedy="write an IPv4 address of the server, and :PORT if not 6222") from exc
