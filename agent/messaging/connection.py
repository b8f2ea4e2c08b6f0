"""One connection to a broker, from CONNECT to its end. Everything here runs on the one thread that made it.

paho is driven from outside (no loop thread of its own), because its loop thread dies of an exception in a callback
while is_connected() stays true. Each connection is a fresh paho client; queueing and re-sending are the outbox's.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import paho.mqtt.client as mqtt
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent.errors import BrokerUnreachable
from agent.messaging.broker import (
    BrokerEvent,
    BrokerOptions,
    Confirmed,
    Connected,
    Message,
    Outcome,
    Publication,
    parse_url,
)
from agent.messaging.buffered import BufferedClient, Lookout
from agent.messaging.refusals import BUSY_CODES, UNHEARD_CODE, ended, unreachable
from agent.messaging.transport import RECEIVE_MAXIMUM, connect_properties, make_client, packet_bytes, properties_of
from agent.units import NS_PER_S

# A broker that takes longer for its CONNACK or SUBACK is as good as away.
_ANSWER_LIMIT_S = 10.0
# Contract: rebuilt after three keepalives of silence, whatever paho believes.
_SILENT_KEEPALIVES = 3


class Connection:
    """`emit` hears Connected, Confirmed and Message; the end is an exception or a return of `pump`."""

    def __init__(
        self,
        options: BrokerOptions,
        generation: int,
        emit: Callable[[BrokerEvent], None],
        *,
        filters: tuple[str, ...],
    ) -> None:
        self._options = options
        self._filters = filters
        self._generation = generation
        self._emit = emit
        self._is_v5 = options.protocol == "5"
        self._tokens: dict[int, int] = {}
        self._confirmed_early: dict[int, ReasonCode] = {}
        self._connack: Connected | None = None
        self._subscribe_mid: int | None = None
        self._end: ReasonCode | None = None
        self._is_live = False
        self._window = options.window
        self._max_packet_bytes: int | None = None
        self._heard_ns = self._answer_by_ns = time.monotonic_ns()
        self._client = self._listen_to(make_client(options, generation))
        self._lookout = Lookout(self._client)

    @property
    def is_live(self) -> bool:
        """Whether CONNACK and SUBACK have come."""
        return self._is_live

    @property
    def room(self) -> int:
        """How many more messages may be on the wire now (receive maximum)."""
        return self._window - len(self._tokens)

    @property
    def outstanding(self) -> int:
        return len(self._tokens)

    def begin(self, wake: socket.socket) -> None:
        """Connect and send CONNECT; `pump` does the rest, and is ended early when `wake` is readable. Raises
        BrokerRefused, BrokerUnreachable."""
        endpoint = parse_url(self._options.url)
        try:
            self._client.connect(
                endpoint.host,
                endpoint.port,
                keepalive=self._options.keepalive_s,
                clean_start=self._options.is_clean_start if self._is_v5 else mqtt.MQTT_CLEAN_START_FIRST_ONLY,
                properties=connect_properties(self._options),
            )
        except OSError as exc:
            raise unreachable(exc, self._options.url) from exc
        self._lookout.watch(self._socket(), wake)
        self._answer_by_ns = time.monotonic_ns() + int(_ANSWER_LIMIT_S * NS_PER_S)

    def open(self, wake: socket.socket) -> None:
        """`begin`, and wait for the answers. Raises BrokerRefused, BrokerUnreachable."""
        self.begin(wake)
        while not self._is_live:
            self.pump(1.0)

    def fileno(self) -> int:
        """Of the socket, for a loop of many connections. Raises BrokerUnreachable."""
        return self._socket().fileno()

    @contextmanager
    def batch(self) -> Iterator[None]:
        """What is sent within leaves together. Raises BrokerUnreachable."""
        with self._client.batch():
            yield
        with _lost():
            self._client.write()

    def send(self, token: int, publication: Publication) -> None:
        """Hand one message to the wire. Its Confirmed follows, at once when the broker could never take it."""
        refusal = self._unsendable(publication)
        if refusal:
            self._emit(Confirmed(self._generation, token, Outcome.REFUSED, refusal))
            return
        properties = None
        if self._is_v5 and publication.expiry_s is not None:
            properties = properties_of(PacketTypes.PUBLISH)
            properties.MessageExpiryInterval = publication.expiry_s
        sent = self._client.publish(
            publication.topic, publication.payload, publication.qos, publication.is_retained, properties
        )
        if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise BrokerUnreachable(reason="connection_lost", detail=mqtt.error_string(sent.rc))
        self._tokens[sent.mid] = token
        # A QoS 0 message is confirmed within publish(), before its mid is known here.
        early = self._confirmed_early.pop(sent.mid, None)
        if early is not None:
            self._settle(sent.mid, early)

    def subscribe(self, *filters: str) -> None:
        self._client.subscribe([(one, 1) for one in filters])

    def acknowledge(self, message: Message) -> None:
        """PUBACK, if it came by this connection and under `is_manual_ack`."""
        if message.generation == self._generation:
            self._client.ack(message.receipt, 1)

    def pump(self, timeout_s: float) -> None:
        """Read and write what the socket allows, for at most `timeout_s` without traffic.

        Raises BrokerRefused or BrokerUnreachable when the connection has ended, and whatever `emit` raises.
        """
        sock = self._socket()
        has_pending = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
        with _lost():
            has_pending = self._lookout.look(sock, 0 if has_pending else timeout_s) or has_pending
        if has_pending:
            self._heard_ns = time.monotonic_ns()
            self._client.read()
        self._client.loop_misc()
        self._raise_if_ended()

    def close(self) -> None:
        """Say DISCONNECT, so that no will is sent, and let it leave. Safe after any failure."""
        if self._client.socket() is not None and self._is_live:
            self._client.disconnect()
            with suppress(OSError):
                self._linger()
        self.abandon()

    def abandon(self) -> None:
        """Free the socket without a word: to the broker the connection is lost."""
        sock = self._client.socket()
        self._lookout.close()
        if sock is not None:
            sock.close()

    def _linger(self) -> None:
        """Flush, then wait for the broker to close; a socket closed with unread bytes in it resets what was sent."""
        limit_ns = time.monotonic_ns() + NS_PER_S
        while self._client.socket() is not None and time.monotonic_ns() < limit_ns:
            if self._lookout.look(self._socket(), 0.2):
                self._client.loop_read()

    def _listen_to(self, client: BufferedClient) -> BufferedClient:
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        return client

    def _socket(self) -> socket.socket:
        sock = self._client.socket()
        if sock is None:
            self._raise_if_ended()
            raise BrokerUnreachable(reason="connection_lost", url=self._options.url)
        assert isinstance(sock, socket.socket)  # no websockets here, so paho's is the system's
        return sock

    def _unsendable(self, publication: Publication) -> str:
        if "#" in publication.topic or "+" in publication.topic or not publication.topic:
            return "invalid_topic"
        limit = self._max_packet_bytes
        return "packet_too_large" if limit is not None and packet_bytes(publication) > limit else ""

    def _raise_if_ended(self) -> None:
        now_ns = time.monotonic_ns()
        if self._end is not None:
            raise ended(self._end, self._options.url)
        if self._client.socket() is None:
            raise BrokerUnreachable(reason="connection_lost", url=self._options.url)
        if not self._is_live and now_ns > self._answer_by_ns:
            raise BrokerUnreachable(reason="no_answer", url=self._options.url)
        if now_ns - self._heard_ns > _SILENT_KEEPALIVES * self._options.keepalive_s * NS_PER_S:
            raise BrokerUnreachable(reason="silent", url=self._options.url)

    def _on_connect(
        self,
        client: mqtt.Client,
        userdata: object,
        flags: mqtt.ConnectFlags,
        code: ReasonCode,
        props: Properties | None,
    ) -> None:
        if code.is_failure:
            self._end = code
            return
        self._window = min(self._window, int(getattr(props, "ReceiveMaximum", RECEIVE_MAXIMUM)))
        limit = getattr(props, "MaximumPacketSize", None)
        self._max_packet_bytes = None if limit is None else int(limit)
        self._connack = Connected(self._generation, flags.session_present, self._window, self._max_packet_bytes)
        if self._filters:
            _, self._subscribe_mid = client.subscribe([(one, 1) for one in self._filters])
        else:
            self._go_live(())

    def _on_subscribe(
        self, client: mqtt.Client, userdata: object, mid: int, codes: list[ReasonCode], props: Properties | None
    ) -> None:
        if mid == self._subscribe_mid:
            self._go_live(tuple(one for one, code in zip(self._filters, codes, strict=False) if code.is_failure))

    def _go_live(self, refused: tuple[str, ...]) -> None:
        if self._connack is not None:
            self._is_live = True
            self._emit(replace(self._connack, refused_filters=refused))

    def _on_publish(
        self, client: mqtt.Client, userdata: object, mid: int, code: ReasonCode, props: Properties | None
    ) -> None:
        self._settle(mid, code)

    def _settle(self, mid: int, code: ReasonCode) -> None:
        token = self._tokens.pop(mid, None)
        if token is None:
            self._confirmed_early[mid] = code
            return
        outcome, reason = Outcome.DELIVERED, ""
        if code.is_failure:
            outcome, reason = Outcome.BUSY if code.value in BUSY_CODES else Outcome.REFUSED, str(code)
        self._emit(Confirmed(self._generation, token, outcome, reason, code.value == UNHEARD_CODE))

    def _on_message(self, client: mqtt.Client, userdata: object, message: mqtt.MQTTMessage) -> None:
        expiry = getattr(message.properties, "MessageExpiryInterval", None)
        self._emit(
            Message(
                self._generation,
                message.topic,
                bytes(message.payload),
                bool(message.retain),
                None if expiry is None else int(expiry),
                message.mid if self._options.is_manual_ack and message.qos else 0,
            )
        )

    def _on_disconnect(
        self,
        client: mqtt.Client,
        userdata: object,
        flags: mqtt.DisconnectFlags,
        code: ReasonCode,
        props: Properties | None,
    ) -> None:
        if self._end is None:
            self._end = code


@contextmanager
def _lost() -> Iterator[None]:
    """The socket's own words as ours."""
    try:
        yield
    except OSError as exc:
        raise BrokerUnreachable(reason="connection_lost", detail=str(exc)) from exc
