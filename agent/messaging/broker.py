"""What a user of a broker connection says and hears: options, publications, events. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal
from urllib.parse import urlsplit

from agent.errors import ConfigError

# MQTT 5, 3.1.2.11.2; contract: a day, so that a night's outage keeps the subscriptions and what waits for them.
SESSION_EXPIRY_S: Final = 86_400
KEEPALIVE_S: Final = 30


@dataclass(frozen=True, slots=True)
class Publication:
    """One message. `expiry_s` is MQTT 5's message expiry; a 3.1.1 broker never sees it."""

    topic: str
    payload: bytes
    qos: Literal[0, 1] = 1
    is_retained: bool = False
    expiry_s: int | None = None


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says when the connection is lost; `delay_s` is MQTT 5's, under 3.1.1 it is said at once."""

    publication: Publication
    delay_s: int = 0


def _no_will(generation: int) -> Will | None:
    return None


@dataclass(frozen=True, slots=True)
class BrokerOptions:
    """How to reach a broker. `url`: mqtt://host[:port] or mqtts://host[:port].

    `will` is asked before each attempt, on the client's thread, with the attempt's generation. `window` bounds the
    messages on the wire without a PUBACK; the broker's receive maximum lowers it. With `is_manual_ack` a received
    message is confirmed to the broker only by `BrokerClient.acknowledge`, and comes again after a connection that ended
    before. The receiver bounds what waits: mosquitto 2.0.11 sends all it has after the first PUBACK, whatever receive
    maximum or max_inflight_messages say (seen).
    """

    url: str
    client_id: str
    ca: str = ""
    certificate: str = ""
    key: str = ""
    username: str = ""
    password: str = ""
    protocol: Literal["5", "3.1.1"] = "5"
    is_clean_start: bool = False
    session_expiry_s: int = SESSION_EXPIRY_S
    keepalive_s: int = KEEPALIVE_S
    connect_spread_s: float = 0.0
    subscriptions: tuple[str, ...] = ()
    window: int = 100
    will: Callable[[int], Will | None] = _no_will
    is_manual_ack: bool = False


@dataclass(frozen=True, slots=True)
class Endpoint:
    host: str
    port: int
    is_tls: bool


def parse_url(url: str) -> Endpoint:
    """Raises ConfigError for anything but mqtt:// or mqtts:// with a host."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise ConfigError(key="broker.url", remedy="write mqtts://host:8883") from exc
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.username or parts.path not in ("", "/"):
        raise ConfigError(key="broker.url", remedy="write mqtts://host:8883, without a password in it")
    is_tls = parts.scheme == "mqtts"
    return Endpoint(parts.hostname, port or (8883 if is_tls else 1883), is_tls)


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker answered and all subscriptions are made; those it refused stand in `refused_filters`.

    Each attempt has its own generation, rising by one. `is_session_present`: the broker still knew this client.
    """

    generation: int
    is_session_present: bool
    window: int
    max_packet_bytes: int | None
    refused_filters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Disconnected:
    """A connection ended or an attempt failed; every token of this generation that is not confirmed is void.

    `reason` is a machine word; `is_refusal`: the broker answered no, so only people can change it.
    """

    generation: int
    reason: str
    remedy: str
    is_refusal: bool


class Outcome(StrEnum):
    """DELIVERED: PUBACK (QoS 0: written out). BUSY: refused for now. REFUSED: refused, and will be again."""

    DELIVERED = "delivered"
    BUSY = "busy"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Confirmed:
    """`is_unheard`: DELIVERED to a broker that knows no subscriber, which MQTT 5 may say (3.4.2.1: 0x10)."""

    generation: int
    token: int
    outcome: Outcome
    reason: str = ""
    is_unheard: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a subscription. `expiry_s` is what is left of its message expiry, None without one. `receipt` is
    for `BrokerClient.acknowledge`; 0 when there is nothing to confirm."""

    generation: int
    topic: str
    payload: bytes
    is_retained: bool
    expiry_s: int | None = None
    receipt: int = 0


BrokerEvent = Connected | Disconnected | Confirmed | Message
