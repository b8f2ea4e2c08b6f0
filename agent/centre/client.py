"""The centre's connection: hears a fleet, and asks nodes with exactly one final answer each."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from agent import log
from agent.contract.commands import (
    COMMAND_EXPIRY_MAX_S,
    JWS_TYPE,
    Actor,
    Answer,
    CommandName,
    CommandPayload,
    encode_unsigned,
)
from agent.contract.topics import FleetFilter, NodeAddress, TopicKind, parse_topic
from agent.contract.wire import decode, encode
from agent.errors import BrokerRefused, BrokerUnreachable, NoAnswer, WireError
from agent.identity import new_uuid7
from agent.mailbox import Mailbox
from agent.messaging.broker import (
    BrokerEvent,
    BrokerOptions,
    Connected,
    Disconnected,
    Message,
    Publication,
    parse_url,
)
from agent.messaging.client import BrokerClient
from agent.signing import sign_general
from agent.units import NS_PER_S

# A province of 378 nodes sends some thousand retained messages at once when a desk connects.
_INBOX_ITEMS: Final = 200_000
# A command lives two minutes: longer than a slow line needs, shorter than a replay would like.
_COMMAND_LIFE_S: Final = 120

_UNREACHABLE_REMEDY: Final = "check the broker's address and port, that it runs, and the line to it"

_log = log.get("centre")


@dataclass(frozen=True, slots=True)
class CentreOptions:
    """How a desk reaches the broker and who sits at it. `hears`: topic filters to subscribe to. `signing_keys`: the
    actor's own, and a second person's where two are due; without any, commands go unsigned."""

    url: str
    ca: str = ""
    certificate: str = ""
    key: str = ""
    username: str = ""
    password: str = ""
    protocol: Literal["5", "3.1.1"] = "5"
    actor: str = "desk"
    role: str = "operator"
    hears: tuple[str, ...] = ()
    signing_keys: tuple[EllipticCurvePrivateKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One command to one node. `args` is the command's own struct; `jti` is made for it where none is given."""

    address: NodeAddress
    name: CommandName
    args: msgspec.Struct
    purpose: str
    case_ref: str = ""
    jti: str = ""


class CentreClient:
    """Connects at `connect`; everything but answers lands in `inbox`. `ask` may be called from several threads."""

    def __init__(self, options: CentreOptions) -> None:
        self._url = options.url
        self._requester = f"desk-{secrets.token_hex(6)}"
        self._actor = Actor(id=options.actor, role=options.role)
        self._keys = options.signing_keys
        self._counter = 0
        self._lock = threading.Lock()
        self._waiting: dict[str, Mailbox[Answer]] = {}
        self._state = threading.Condition()
        self._trouble: Disconnected | None = None
        self._is_connected = False
        self.inbox: Mailbox[Message] = Mailbox(_INBOX_ITEMS)
        answers = FleetFilter().of(f"rsp/{self._requester}")
        self._broker = BrokerClient(
            BrokerOptions(
                url=options.url,
                client_id=self._requester,
                ca=options.ca,
                certificate=options.certificate,
                key=options.key,
                username=options.username,
                password=options.password,
                protocol=options.protocol,
                is_clean_start=True,
                session_expiry_s=0,
                subscriptions=(answers, *options.hears),
            ),
            self._hear,
            name=f"broker-{self._requester}",
        )

    def connect(self, timeout_s: float = 10.0) -> None:
        """Raises BrokerRefused or BrokerUnreachable, and has then closed itself; ConfigError for what is no address."""
        parse_url(self._url)
        self._broker.start()
        with self._state:
            self._state.wait_for(lambda: self._is_connected or self._is_refused(), timeout_s)
            if self._is_connected:
                return
            trouble = self._trouble
        self._broker.close(0.0)
        reason = trouble.reason if trouble else "no_answer"
        remedy = (trouble.remedy if trouble else "") or _UNREACHABLE_REMEDY
        kind = BrokerRefused if trouble is not None and trouble.is_refusal else BrokerUnreachable
        raise kind(reason=reason, broker=self._url, remedy=remedy)

    def close(self) -> None:
        self._broker.close()

    def publish(self, topic: str, payload: bytes, *, is_retained: bool = False) -> bool:
        """Whether the message was handed to a living connection."""
        return self._broker.publish(Publication(topic, payload, is_retained=is_retained)) is not None

    def ask(
        self, request: Request, *, timeout_s: float = 60.0, on_answer: Callable[[Answer], None] | None = None
    ) -> Answer:
        """Send one command and wait for its final answer; `on_answer` hears progress. `timeout_s` counts from the last
        sign of life, so a long clip is waited for as long as it moves. Raises NoAnswer."""
        jti = request.jti or new_uuid7()
        answers: Mailbox[Answer] = Mailbox(10_000)
        with self._lock:
            self._waiting[jti] = answers
        try:
            self._send(request, jti)
            while True:
                answer = answers.take(timeout_s)
                if answer is None:
                    remedy = "is the node online? `wayside centre fleet` tells"
                    raise NoAnswer(node=request.address.node, command=request.name.value, remedy=remedy)
                if answer.state.is_final:
                    return answer
                if on_answer is not None:
                    on_answer(answer)
        finally:
            with self._lock:
                del self._waiting[jti]

    def tell(self, request: Request) -> None:
        """Send one command and hear no answer. Raises BrokerUnreachable."""
        self._send(request, request.jti or new_uuid7())

    def _send(self, request: Request, jti: str) -> None:
        with self._lock:
            self._counter += 1
            counter = self._counter
        now_s = time.time_ns() // NS_PER_S
        payload = CommandPayload(
            v=1,
            jti=jti,
            aud=request.address.urn,
            iss=self._requester,
            ctr=counter,
            iat=now_s,
            exp=now_s + min(_COMMAND_LIFE_S, COMMAND_EXPIRY_MAX_S),
            name=request.name.value,
            actor=self._actor,
            purpose=request.purpose,
            case_ref=request.case_ref,
            reply_to=request.address.response(self._requester),
            args=msgspec.Raw(encode(request.args)),
        )
        topic = request.address.command(request.name.value)
        message = encode_unsigned(payload)
        if self._keys:
            message = encode(sign_general(encode(payload), self._keys, typ=JWS_TYPE))
        publication = Publication(topic, message, expiry_s=_COMMAND_LIFE_S)
        if self._broker.publish(publication) is None:
            raise BrokerUnreachable(reason=self._broker.status.reason, remedy="the broker is away; try again")

    def _hear(self, event: BrokerEvent) -> None:
        """On the client's own thread: only sorts, so that it returns at once."""
        if isinstance(event, Message):
            self._sort(event)
            return
        if isinstance(event, Connected | Disconnected):
            with self._state:
                self._is_connected = isinstance(event, Connected)
                self._trouble = event if isinstance(event, Disconnected) else None
                self._state.notify_all()

    def _sort(self, message: Message) -> None:
        try:
            parsed = parse_topic(message.topic)
            if parsed.kind is not TopicKind.RESPONSE:
                self.inbox.put(message)
                return
            answer = decode(message.payload, Answer)
        except WireError as exc:
            _log.warning("message not understood", topic=message.topic, problem=str(exc))
            return
        with self._lock:
            answers = self._waiting.get(answer.jti)
        if answers is not None:
            answers.put(answer)

    def _is_refused(self) -> bool:
        return self._trouble is not None and self._trouble.is_refusal
