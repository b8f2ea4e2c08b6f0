"""Where a live picture may go. Pure.

The same hosts as clips (`upload_hosts` of the desired document), by RTSP over TLS. Beyond the name, the address that it
resolves to is looked at: no name may lead back into the network of the cameras.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from agent.errors import LiveError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# A site's cameras stand behind one switch; nobody writes a longer prefix for them.
_PREFIX: Final = {4: 24, 6: 64}


@dataclass(frozen=True, slots=True)
class IngestPolicy:
    """`allows_loopback`: plain RTSP to this machine, under trust = "open" only."""

    hosts: tuple[str, ...] = ()
    allows_loopback: bool = False


def check_ingest(url: str, policy: IngestPolicy) -> None:
    """Raises LiveError (`reason` names why) when live pictures may not go to `url`."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as exc:
        raise LiveError(reason="malformed_address") from exc
    if not host or port == 0 or not (url.isascii() and url.isprintable()) or " " in url or parts.fragment:
        raise LiveError(reason="malformed_address")
    if parts.username is not None:
        raise LiveError(
            reason="malformed_address",
            remedy="no password in an address, which is written down; use a token that is good once",
        )
    if parts.scheme == "rtsp" and policy.allows_loopback and _is_loopback(host):
        return
    if parts.scheme != "rtsps":
        raise LiveError(reason="not_rtsps", host=host, remedy="give an rtsps address")
    if host not in policy.hosts:
        raise LiveError(reason="host_not_allowed", host=host, remedy="add it to upload_hosts of the desired document")


def camera_networks(sources: Iterable[str]) -> tuple[Network, ...]:
    """The networks of cameras that are named by their addresses."""
    found: list[Network] = []
    for source in sources:
        try:
            address = ipaddress.ip_address(urlsplit(source).hostname or "")
        except ValueError:
            continue
        found.append(ipaddress.ip_network((address, _PREFIX[address.version]), strict=False))
    return tuple(found)


def may_reach(address: str, cameras: Iterable[Network], *, allows_loopback: bool) -> bool:
    """Whether a resolved address may be connected to."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    real = getattr(found, "ipv4_mapped", None) or found
    if real.is_loopback:
        return allows_loopback
    if real.is_link_local or real.is_multicast or real.is_unspecified or real.is_reserved:
        return False
    return not any(real in network for network in cameras if network.version == real.version)


def _is_loopback(host: str) -> bool:
    """Literal addresses only: a name, even localhost, is whatever the resolver says."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
