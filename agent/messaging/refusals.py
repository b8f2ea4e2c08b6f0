"""How a broker says no or is not there, as our errors: a machine word, and what a person can do about it."""

from __future__ import annotations

import socket
import ssl
from typing import Final

from paho.mqtt.reasoncodes import ReasonCode

from agent.errors import BrokerRefused, BrokerUnreachable
from agent.messaging.broker import BrokerOptions

# MQTT 5, 2.4 (reason codes of CONNACK and DISCONNECT), as the words the fleet view shows, with what to do.
REFUSALS: Final[dict[int, tuple[str, str]]] = {
    0x84: ("unsupported_protocol", 'set broker.protocol = "3.1.1" or use a broker that speaks MQTT 5'),
    0x85: ("identifier_rejected", "the node's id does not suit the broker or its certificate"),
    0x86: ("bad_credentials", "check the certificate or password that this node presents"),
    0x87: ("not_authorised", "enrol this node at the centre, or check the broker's access list"),
    0x8A: ("banned", "the centre has banned this node"),
    0x8C: ("bad_authentication", "check how the broker authenticates its clients"),
    0x9D: ("server_moved", "set broker.url to the broker's new address"),
}
# Not refusals: the same client may be welcome later.
SETBACKS: Final[dict[int, tuple[str, str]]] = {
    0x88: ("server_unavailable", ""),
    0x89: ("server_busy", ""),
    0x8B: ("server_shutting_down", ""),
    0x8D: ("keepalive_timeout", ""),
    0x8E: ("session_taken_over", "another client connects with this node's id; give each node its own"),
    0x95: ("packet_too_large", "raise the broker's packet limit to 64 KiB and more"),
    0x97: ("quota_exceeded", ""),
    0x9F: ("connection_rate", ""),
}
# What a broker's TLS says to our certificate (alerts of RFC 8446, 6.2, in OpenSSL's words), with what to do.
ALERTS: Final[dict[str, tuple[str, str]]] = {
    "CERTIFICATE_REVOKED": ("certificate_revoked", "the office revoked this node: enrol it with a new work order"),
    "CERTIFICATE_EXPIRED": ("certificate_expired", "it is renewed as soon as the centre answers; check both clocks"),
    "UNKNOWN_CA": ("certificate_unknown", "the broker does not know who issued it: bring the broker's kit up to date"),
    "CERTIFICATE_REQUIRED": ("certificate_required", "enrol this node: it has no certificate"),
    "BAD_CERTIFICATE": ("certificate_refused", "enrol this node again"),
}
# PUBACK codes after which the same message may be taken later: unspecified, implementation specific, quota exceeded.
BUSY_CODES: Final = frozenset({0x80, 0x83, 0x97})
# "No matching subscribers" (MQTT 5, 3.4.2.1).
UNHEARD_CODE: Final = 0x10


def tls_context(options: BrokerOptions) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.ca or None)
        if options.certificate:
            context.load_cert_chain(options.certificate, options.key or None)
    except (OSError, ssl.SSLError) as exc:
        remedy = "check broker.ca, broker.certificate and broker.key"
        raise BrokerRefused(reason="tls_files", detail=str(exc), remedy=remedy) from exc
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def unreachable(exc: OSError, url: str) -> BrokerRefused | BrokerUnreachable:
    if isinstance(exc, ssl.SSLCertVerificationError):
        remedy = "check broker.ca and this machine's clock"
        return BrokerRefused(reason="certificate", url=url, detail=exc.verify_message, remedy=remedy)
    if isinstance(exc, ssl.SSLError):
        for part, (reason, remedy) in ALERTS.items():
            if part in (exc.reason or ""):
                return BrokerRefused(reason=reason, url=url, remedy=remedy)
        return BrokerRefused(
            reason="tls", url=url, detail=str(exc.reason), remedy="check broker.url, ca and certificate"
        )
    words: tuple[tuple[type[OSError], str], ...] = (
        (socket.gaierror, "unknown_host"),
        (ConnectionRefusedError, "connection_refused"),
        (TimeoutError, "timeout"),
    )
    reason = next((word for kind, word in words if isinstance(exc, kind)), "network")
    return BrokerUnreachable(reason=reason, url=url, detail=str(exc))


def ended(code: ReasonCode, url: str) -> BrokerRefused | BrokerUnreachable:
    if code.value in REFUSALS:
        reason, remedy = REFUSALS[code.value]
        return BrokerRefused(reason=reason, url=url, remedy=remedy)
    reason, remedy = SETBACKS.get(code.value, ("connection_lost", ""))
    return BrokerUnreachable(reason=reason, url=url, remedy=remedy)
