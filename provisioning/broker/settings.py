"""mosquitto.conf of the shipped broker. Pure. Tried with mosquitto 2.0.11 of Debian 12."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.contract.wire import MAX_MESSAGE_BYTES

# Contract: an event is at most 64 KiB; its topic and properties take less than this beside it.
MAX_PACKET_BYTES: Final = MAX_MESSAGE_BYTES + 4096
# The agent's own window (agent.messaging.broker); mosquitto's default of 20 holds a line of 600 ms to 33 events a
# second.
_WINDOW: Final = 100
# What waits for a receiver that is away. Nodes send again what was not acknowledged, so this only bounds memory: 20 000
# events of 3 kB are 60 MB.
_QUEUED: Final = 20_000
_QUEUED_BYTES: Final = 256 << 20
# mosquitto writes its database every 30 min by default (contract); events do not rest on it, retained states do.
_AUTOSAVE_S: Final = 60
# Nodes keep their session for a day (contract); a receiver's that is gone for two weeks does not come back.
_SESSION_LIFE: Final = "14d"


@dataclass(frozen=True, slots=True)
class KitPaths:
    """The kit's files in one folder, which belongs to mosquitto's user and is closed to others."""

    folder: Path

    @property
    def conf(self) -> Path:
        return self.folder / "mosquitto.conf"

    @property
    def acl(self) -> Path:
        return self.folder / "acl"

    @property
    def door_acl(self) -> Path:
        return self.folder / "acl-door"

    @property
    def ca(self) -> Path:
        return self.folder / "clients-ca.pem"

    @property
    def crl(self) -> Path:
        return self.folder / "clients.crl"

    @property
    def certificate(self) -> Path:
        return self.folder / "broker.pem"

    @property
    def key(self) -> Path:
        return self.folder / "broker.key"

    @property
    def pid(self) -> Path:
        return self.folder / "mosquitto.pid"

    @property
    def door(self) -> Path:
        """A Unix socket; who may reach it may end any client's session and say that it is lost, and nothing else."""
        return self.folder / "door.sock"

    @property
    def data(self) -> Path:
        return self.folder / "data"


@dataclass(frozen=True, slots=True)
class Listening:
    """`address` empty: every address of the machine. `user` is whom mosquitto becomes when root starts it."""

    port: int = 8883
    address: str = ""
    user: str = "mosquitto"


def broker_settings(paths: KitPaths, listening: Listening) -> str:
    """The whole file, in the words of mosquitto.conf(5)."""
    address = f" {listening.address}" if listening.address else ""
    return f"""# Made by wayside-provision; what is changed here is lost at the next synchronisation.
per_listener_settings true
user {listening.user}
pid_file {paths.pid}
log_dest stdout
log_type error
log_type warning
log_type notice
connection_messages true

persistence true
persistence_location {paths.data}/
autosave_interval {_AUTOSAVE_S}
persistent_client_expiration {_SESSION_LIFE}
max_packet_size {MAX_PACKET_BYTES}
max_inflight_messages {_WINDOW}
max_queued_messages {_QUEUED}
max_queued_bytes {_QUEUED_BYTES}

# Everybody comes by certificate, is called by its common name, and is nobody else by whatever client id it asks for.
listener {listening.port}{address}
cafile {paths.ca}
crlfile {paths.crl}
certfile {paths.certificate}
keyfile {paths.key}
tls_version tlsv1.2
require_certificate true
use_identity_as_username true
use_username_as_clientid true
allow_anonymous false
acl_file {paths.acl}

# On this machine only, for the owner of this folder: by coming here under a revoked node's id, one ends its session.
listener 0 {paths.door}
allow_anonymous true
acl_file {paths.door_acl}
"""
