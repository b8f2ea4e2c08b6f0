"""nats.conf of a replicated broker: three servers with JetStream that speak MQTT 3.1.1. Pure. Tried with 2.9.10.

Who may say and hear what is the access list of the single broker (provisioning.broker.acl), said in NATS's words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from agent.errors import RegisterError
from provisioning.broker.acl import Member, NodeRow, access_list
from provisioning.broker.settings import MAX_PACKET_BYTES

# Every message stands on three servers before its PUBACK.
REPLICAS: Final = 3
# What a client was given and did not confirm comes again after this; a receiver confirms within a second.
_ACK_WAIT: Final = "10s"
# On the wire to one subscription at once; NATS's own 1024 is a receiver's batch and more.
_MAX_ACK_PENDING: Final = 1024
# By which the server itself brings QoS 1 messages to a client (NATS documentation, MQTT, permissions).
_DELIVERIES: Final = "$MQTT.sub.>"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterServer:
    """One of the three. `routes`: host:port of the others' `route_port`, which only the three may reach: NATS speaks
    plainly there. `folder` holds `clients-ca.pem`, `broker.pem`, `broker.key` and what JetStream keeps."""

    name: str
    folder: str
    routes: tuple[str, ...]
    address: str = "0.0.0.0"  # noqa: S104 - nodes come from outside
    mqtt_port: int = 8883
    route_address: str
    route_port: int = 6222
    monitor_port: int = 8222
    max_store: str = "10GB"


@dataclass(frozen=True, slots=True)
class Subjects:
    """What one client may publish and subscribe to."""

    says: tuple[str, ...]
    hears: tuple[str, ...]


def cluster_settings(server: ClusterServer, nodes: Iterable[NodeRow], members: Sequence[Member]) -> str:
    """The whole file; a reload (SIGHUP) takes on changed clients and ends those that are gone. Raises RegisterError
    for a list of nobody, and as `access_list`."""
    clients = subjects(access_list(nodes, members))
    if not clients:
        # Whether a server with an empty list lets in nobody or everybody shall be no question of its version.
        raise RegisterError(reason="nobody", remedy="let a receiver in first: `wayside-provision office member`")
    users = "\n".join(_user_line(name, allowed) for name, allowed in clients.items())
    routes = ", ".join(f'"nats-route://{each}"' for each in server.routes)
    tls = (
        f'cert_file: "{server.folder}/broker.pem", key_file: "{server.folder}/broker.key",'
        f' ca_file: "{server.folder}/clients-ca.pem", verify_and_map: true, timeout: 5'
    )
    return f"""# Made by wayside-provision; what is changed here is lost at the next synchronisation.
server_name: "{server.name}"
# NATS's own clients: on this machine only, and by certificate like all others.
listen: "127.0.0.1:-1"
tls {{ {tls} }}
http: "127.0.0.1:{server.monitor_port}"
max_payload: {MAX_PACKET_BYTES}
jetstream {{ store_dir: "{server.folder}/data", max_file_store: {server.max_store}, max_memory_store: 64MB }}
cluster {{ name: "wayside", listen: "{server.route_address}:{server.route_port}", routes: [{routes}] }}
mqtt {{
  host: "{server.address}"
  port: {server.mqtt_port}
  tls {{ {tls} }}
  ack_wait: "{_ACK_WAIT}"
  max_ack_pending: {_MAX_ACK_PENDING}
  stream_replicas: {REPLICAS}
}}
authorization {{
  users: [
{users}
  ]
}}
"""


def subjects(access: str) -> dict[str, Subjects]:
    """An access list in NATS's words, by the clients' names."""
    says: dict[str, list[str]] = {}
    hears: dict[str, list[str]] = {}
    name = ""
    for line in access.splitlines():
        match line.split(" "):
            case ["user", name]:
                says[name], hears[name] = [], []
            case ["topic", "write", topic]:
                says[name].append(_subject(topic))
            case ["topic", "read", topic]:
                hears[name] += _heard(topic)
    return {name: Subjects(tuple(says[name]), tuple(hears[name])) for name in says}


def _subject(topic: str) -> str:
    return topic.replace("/", ".").replace("+", "*").replace("#", ">")


def _heard(topic: str) -> list[str]:
    """NATS lets nobody subscribe to more than is allowed, and our nodes ask for `cmd/#`, which means `cmd` as well."""
    parent, _, last = topic.rpartition("/")
    return [_subject(f"{parent}/#"), _subject(parent)] if last in ("+", "#") else [_subject(topic)]


def _user_line(name: str, allowed: Subjects) -> str:
    says = ", ".join(f'"{each}"' for each in allowed.says)
    hears = ", ".join(f'"{each}"' for each in (*allowed.hears, _DELIVERIES))
    # The subject of a certificate as NATS reads it (RFC 2253); our authorities issue common names alone.
    return (
        f'    {{ user: "CN={name}", permissions: {{ publish: {{ allow: [{says}] }},'
        f" subscribe: {{ allow: [{hears}] }} }} }}"
    )
