"""The datagrams of WS-Discovery: the question, and what counts as a camera's answer. Pure.

Sources: WS-Discovery (April 2005), 5.2 and 5.3; ONVIF Core Specification, 7.3.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from agent.errors import DiscoveryError
from provisioning.cameras.camera import DiscoveredCamera
from provisioning.cameras.markup import Element, parse_xml, shown

# UDP's largest payload; the specification wants answers of one Ethernet frame.
MAX_DATAGRAM_BYTES: Final = 65_507
_MAX_ENDPOINT: Final = 256
_SCOPE: Final = "onvif://www.onvif.org/"
_TYPES: Final = frozenset({"NetworkVideoTransmitter", "Device"})
_TYPED: Final = "<d:Types>dn:NetworkVideoTransmitter</d:Types>"
_PROBE: Final = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
    ' xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
    ' xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"'
    ' xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><s:Header>'
    '<a:Action s:mustUnderstand="1">http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action>'
    "<a:MessageID>urn:uuid:{id}</a:MessageID>"
    "<a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>"
    '<a:To s:mustUnderstand="1">urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>'
    "</s:Header><s:Body><d:Probe>{types}</d:Probe></s:Body></s:Envelope>"
)


def make_probe(message_id: str, *, is_typed: bool) -> bytes:
    """The question. `message_id`: a UUID of ours. Untyped it also reaches cameras that declare no type, and printers,
    whose answers are not taken."""
    return _PROBE.format(id=message_id, types=_TYPED if is_typed else "").encode()


def read_answer(datagram: bytes, *, sender: str, interface: str, asked: frozenset[str]) -> tuple[DiscoveredCamera, ...]:
    """The cameras in one datagram; none in our own question coming back.

    asked: the ids of our questions. Raises DiscoveryError for what is no answer to one of them.
    """
    envelope = parse_xml(datagram)
    header, body = envelope.child("Header"), envelope.child("Body")
    if envelope.name != "Envelope" or header is None or body is None:
        raise DiscoveryError(reason="malformed", problem="no SOAP envelope")
    if header.value("RelatesTo").removeprefix("urn:uuid:").lower() not in asked:
        raise DiscoveryError(reason="not_asked", problem="it answers somebody else")
    # The standard wraps the matches in ProbeMatches; some firmware puts a lone one into the body.
    found = [_camera(match, sender, interface) for match in body.every("ProbeMatch")]
    return tuple(camera for camera in found if camera is not None)


def _camera(match: Element, sender: str, interface: str) -> DiscoveredCamera | None:
    scopes = match.value("Scopes").split()
    types = {word.rpartition(":")[2] for word in match.value("Types").split()}
    is_onvif = bool(types & _TYPES) or any(scope.startswith(_SCOPE) for scope in scopes)
    device_url = _device_url(match.value("XAddrs").split(), sender)
    if not is_onvif or not device_url:
        return None
    endpoint = match.value("EndpointReference", "Address")[:_MAX_ENDPOINT]
    return DiscoveredCamera(
        endpoint=shown(endpoint) or sender,
        address=sender,
        device_url=device_url,
        name=_scope(scopes, "name"),
        hardware=_scope(scopes, "hardware"),
        interface=interface,
    )


def _device_url(addresses: list[str], sender: str) -> str:
    """Where to ask further: the address that names the sender, else the first one moved to the sender.

    A datagram must not send us, and a password, to a third party.
    """
    parts = [split for split in map(_split, addresses) if split is not None]
    if not parts:
        return ""
    chosen = next((split for split in parts if split.hostname == sender), parts[0])
    return at_host(chosen, sender)


def _split(address: str) -> SplitResult | None:
    try:
        split = urlsplit(address)
        is_usable = split.scheme in {"http", "https"} and bool(split.hostname) and split.port != 0
    except ValueError:
        return None
    return split if is_usable and address.isascii() and address.isprintable() else None


def at_host(url: SplitResult, host: str) -> str:
    """The same URL at another host, without credentials and fragment. `url` must have been checked (`_split`)."""
    place = host if url.port is None else f"{host}:{url.port}"
    return urlunsplit((url.scheme, place, url.path or "/onvif/device_service", url.query, ""))


def _scope(scopes: list[str], kind: str) -> str:
    prefix = f"{_SCOPE}{kind}/"
    return next((shown(unquote(scope[len(prefix) :])) for scope in scopes if scope.startswith(prefix)), "")
