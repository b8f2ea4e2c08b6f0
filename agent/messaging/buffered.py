"""paho's client with fewer system calls: it reads what there is at once, and packets of a batch leave together.

paho asks the socket three times for each PUBACK and once for each PUBLISH. Each call lets go of the interpreter, and
beside threads that write the store each waits to get it back: that, not the bytes, made the outbox slow (ADR 45).
Replaced are paho's two methods that touch the socket and the one that takes a PUBACK. None is public; where a later
paho has others in their place, its own are used and nothing but the speed is lost.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final, Literal

import paho.mqtt.client as mqtt
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

# Of PUBACKs more than any window; of incoming messages one of the largest.
_READ_BYTES: Final = 1 << 16


class BufferedClient(mqtt.Client):
    """For one connection, and for a loop outside, which calls `read` and `write` in place of paho's."""

    _got = b""
    _taken = 0
    _held = b""
    _is_holding = False

    def read(self) -> None:
        """All that came. A packet that is not whole leaves nothing unread behind."""
        self.loop_read()
        while self._taken < len(self._got) and self.socket() is not None:
            self.loop_read()

    def write(self) -> None:
        """As much as the socket takes; `want_write` tells whether there is more. Raises OSError when the connection is
        gone."""
        if self._flush():
            self.loop_write()

    def want_write(self) -> bool:
        return bool(self._held) or super().want_write()

    @contextmanager
    def batch(self) -> Iterator[None]:
        """What is sent within is held for `write`. Not for DISCONNECT, after which paho closes."""
        self._is_holding = True
        self._parts: list[bytes] = []
        try:
            yield
        finally:
            self._is_holding = False
            self._held += b"".join(self._parts)

    def _flush(self) -> bool:
        """Whether everything held has left. Raises OSError."""
        while self._held:
            try:
                self._held = self._held[super()._sock_send(self._held) :]
            except BlockingIOError:
                return False
        return True

    def _sock_recv(self, bufsize: int) -> bytes:
        if self._taken == len(self._got):
            self._got, self._taken = super()._sock_recv(_READ_BYTES), 0
        data = self._got[self._taken : self._taken + bufsize]
        self._taken += len(data)
        return data

    def _sock_send(self, buf: bytes | bytearray) -> int:
        if self._is_holding:
            self._parts.append(bytes(buf))
            return len(buf)
        if not self._flush():
            raise BlockingIOError
        return super()._sock_send(buf)

    def _handle_pubackcomp(self, cmd: Literal["PUBACK", "PUBCOMP"]) -> MQTTErrorCode:
        """A PUBACK without properties; paho builds its tables of codes and properties anew for each."""
        packet = self._in_packet["packet"]
        if cmd != "PUBACK" or len(packet) not in (2, 3):
            return super()._handle_pubackcomp(cmd)
        mid = int.from_bytes(packet[:2], "big")
        reason = _reason(packet[2] if len(packet) == 3 else 0)
        with self._out_message_mutex:
            if reason is None or mid not in self._out_messages:
                return super()._handle_pubackcomp(cmd)
            return self._do_on_publish(mid, reason, _nothing())


class Lookout:
    """Waits for traffic of one client's socket, or for somebody who wakes it."""

    def __init__(self, client: BufferedClient) -> None:
        self._client = client
        self._selector = selectors.DefaultSelector()

    def watch(self, sock: socket.socket, wake: socket.socket) -> None:
        self._selector.register(sock, selectors.EVENT_READ)
        self._selector.register(wake, selectors.EVENT_READ)

    def look(self, sock: socket.socket, timeout_s: float) -> bool:
        """Write what can be written; whether there is something to read. Raises OSError."""
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._client.want_write() else 0)
        self._selector.modify(sock, wanted)
        can_read = False
        for key, ready in self._selector.select(timeout_s):
            if key.fileobj is not sock:
                if isinstance(key.fileobj, socket.socket):
                    key.fileobj.recv(4096)
                continue
            can_read = bool(ready & selectors.EVENT_READ)
            if ready & selectors.EVENT_WRITE:
                self._client.write()
        return can_read

    def close(self) -> None:
        self._selector.close()


@cache
def _reason(code: int) -> ReasonCode | None:
    """None: no PUBACK says this (MQTT 5, 3.4.2.1). Shared; nobody changes one."""
    try:
        return ReasonCode(PacketTypes.PUBACK, identifier=code)
    except (KeyError, ValueError):
        return None


@cache
def _nothing() -> Properties:
    return Properties(PacketTypes.PUBACK)  # type: ignore[no-untyped-call]  # paho 2.2 annotates all but this
