"""WS-Discovery: who on the camera network calls itself an ONVIF camera."""

from __future__ import annotations

import fcntl
import selectors
import socket
import struct
import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from agent import log
from agent.errors import DiscoveryError
from provisioning.cameras.camera import DiscoveredCamera
from provisioning.cameras.probe_match import MAX_DATAGRAM_BYTES, make_probe, read_answer

GROUP: Final = "239.255.255.250"
PORT: Final = 3702
# SOAP-over-UDP repeats a datagram, because any may be lost; a camera waits up to 0.5 s by itself (WS-Discovery, 3.1.3).
_ASK_AT_S: Final = (0.0, 0.4, 1.0, 1.8)
_WAIT_S: Final = 3.5
# More than any site has; beyond it somebody plays.
_MAX_CAMERAS: Final = 256
_MAX_DATAGRAMS: Final = 4_096
# <linux/sockios.h>, <linux/if.h>
_SIOCGIFFLAGS: Final = 0x8913
_SIOCGIFADDR: Final = 0x8915
_IFF_UP: Final = 0x1
_IFF_LOOPBACK: Final = 0x8
_IFF_MULTICAST: Final = 0x1000
_IFREQ: Final = struct.Struct("16s24s")

_log = log.get("cameras")


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface that is up, with its first IPv4 address."""

    name: str
    address: str


@dataclass(slots=True)
class Hearing:
    """What came so far; `asked` holds the ids of our questions."""

    asked: set[str] = field(default_factory=set)
    found: dict[tuple[str, str], DiscoveredCamera] = field(default_factory=dict)
    datagrams: int = 0
    refused: int = 0

    def take(self, datagram: bytes, sender: str, interface: str) -> None:
        self.datagrams += 1
        try:
            cameras = read_answer(datagram, sender=sender, interface=interface, asked=frozenset(self.asked))
        except DiscoveryError:
            self.refused += 1
            return
        for camera in cameras[:_MAX_CAMERAS]:
            if len(self.found) < _MAX_CAMERAS:
                self.found.setdefault((camera.endpoint, camera.address), camera)

    @property
    def is_flooded(self) -> bool:
        return self.datagrams >= _MAX_DATAGRAMS


def interfaces() -> tuple[Interface, ...]:
    """Those that cameras may be on: up, with multicast and IPv4, not the loopback."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _, name in socket.if_nameindex():
            try:
                flags = struct.unpack_from("<H", _ask(sock, _SIOCGIFFLAGS, name))[0]
                if flags & (_IFF_UP | _IFF_LOOPBACK | _IFF_MULTICAST) != _IFF_UP | _IFF_MULTICAST:
                    continue
                # struct sockaddr_in: family and port before the address.
                found.append(Interface(name, socket.inet_ntoa(_ask(sock, _SIOCGIFADDR, name)[4:8])))
            except OSError:
                # It went away, or has no IPv4 address.
                continue
    return tuple(found)


def _ask(sock: socket.socket, request: int, name: str) -> bytes:
    return bytes(_IFREQ.unpack(fcntl.ioctl(sock, request, _IFREQ.pack(name.encode(), b"")))[1])


def discover(names: Sequence[str] = (), *, wait_s: float = _WAIT_S) -> tuple[DiscoveredCamera, ...]:
    """Cameras that answer within `wait_s`, by address. Blocks that long; any thread.

    names: interfaces to ask on; empty means all that there are. Raises DiscoveryError where there is none to ask on.
    """
    chosen = [one for one in interfaces() if not names or one.name in names]
    if not chosen:
        remedy = "plug the camera network in and give the node an address on it"
        raise DiscoveryError(reason="no_interface", interfaces=",".join(names), remedy=remedy)
    hearing = Hearing()
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        for interface in chosen:
            selector.register(stack.enter_context(_socket(interface)), selectors.EVENT_READ, interface)
        _converse(selector, hearing, wait_s)
    _log.info(
        "cameras looked for", interfaces=[one.name for one in chosen], found=len(hearing.found), refused=hearing.refused
    )
    return tuple(sorted(hearing.found.values(), key=lambda one: (socket.inet_aton(one.address), one.endpoint)))


def _socket(interface: Interface) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        # struct ip_mreqn: the interface by its index, so that a network without a route is asked as well.
        index = struct.pack("=4s4si", b"", b"", socket.if_nametoindex(interface.name))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, index)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        sock.bind((interface.address, 0))
    except OSError as exc:
        sock.close()
        remedy = "plug the camera network in and give the node an address on it"
        raise DiscoveryError(
            reason="no_interface", interfaces=interface.name, problem=exc.strerror, remedy=remedy
        ) from exc
    return sock


def _converse(selector: selectors.BaseSelector, hearing: Hearing, wait_s: float) -> None:
    """Ask at each of the times, and listen until the end."""
    began_s = time.monotonic()
    questions = [at for at in _ASK_AT_S if at < wait_s]
    while (elapsed_s := time.monotonic() - began_s) < wait_s and not hearing.is_flooded:
        if questions and elapsed_s >= questions[0]:
            # The last one also to those that declare no type.
            is_typed = len(questions) > 1
            questions.pop(0)
            _send(selector, hearing, is_typed=is_typed)
        next_s = questions[0] if questions else wait_s
        for key, _ in selector.select(max(next_s - elapsed_s, 0.01)):
            _receive(key, hearing)


def _send(selector: selectors.BaseSelector, hearing: Hearing, *, is_typed: bool) -> None:
    for key in list(selector.get_map().values()):
        message_id = str(uuid.uuid4())
        hearing.asked.add(message_id)
        assert isinstance(key.fileobj, socket.socket)
        try:
            key.fileobj.sendto(make_probe(message_id, is_typed=is_typed), (GROUP, PORT))
        except OSError as exc:
            # The next question may go through; a link that is going down is not worth more.
            _log.warning("probe not sent", interface=key.data.name, problem=exc.strerror)


def _receive(key: selectors.SelectorKey, hearing: Hearing) -> None:
    assert isinstance(key.fileobj, socket.socket)
    try:
        datagram, (sender, _port) = key.fileobj.recvfrom(MAX_DATAGRAM_BYTES)
    except OSError:
        return
    hearing.take(datagram, sender, key.data.name)
