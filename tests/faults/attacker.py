"""Somebody who may publish what he likes at the broker, and what the node that he aims at did and said of it."""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from types import TracebackType
from typing import Final

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from agent.contract.commands import JWS_TYPE, Actor, Answer, CommandPayload
from agent.contract.events import AuditData, SecurityData, decode_data
from agent.contract.topics import FleetFilter, TopicKind, parse_topic
from agent.contract.wire import decode, encode
from agent.identity import new_uuid7
from agent.signing import sign_general
from agent.store import STORE_NAME
from agent.units import NS_PER_S, format_rfc3339
from tests.broker import LOOPBACK, Broker, wait_until
from tests.commands.attacks import Person
from tests.faults.ear import ADDRESS, Ear
from tests.faults.rig import AgentUnderTest

_LIMIT_S: Final = 120.0
# For a machine that runs all tests at once.
_HEARD_WITHIN_S: Final = 60.0


def command(name: str, args: object = None, **changes: object) -> CommandPayload:
    """One that Somchai might mean, made now; no two have the same number."""
    now_s = int(time.time())
    made = CommandPayload(
        v=1,
        jti=new_uuid7(),
        aud=ADDRESS.urn,
        iss="desk-1",
        ctr=time.time_ns() // 1000,
        iat=now_s,
        exp=now_s + 200,
        name=name,
        actor=Actor(id="somchai", role="operator"),
        purpose="case 12",
        case_ref="12",
        reply_to=ADDRESS.response("desk-1"),
        args=msgspec.Raw(msgspec.json.encode({} if args is None else args)),
    )
    return msgspec.structs.replace(made, **changes)


def span() -> dict[str, str]:
    """Of footage that may be there."""
    now_ns = time.time_ns()
    start, end = (format_rfc3339(now_ns - ago_s * NS_PER_S) for ago_s in (20, 1))
    return {"camera": "c01", "from": start, "to": end}


def signed(payload: msgspec.Struct, *people: Person) -> bytes:
    return encode(sign_general(encode(payload), [each.key for each in people], typ=JWS_TYPE))


@dataclass(frozen=True, slots=True)
class Row:
    """What one attack came to. `said`: the node's word for it."""

    attack: str
    sent: int
    executed: int
    told: int
    said: str

    def line(self) -> str:
        counts = f"{self.sent:>6} sent, {self.executed} executed, {self.told:>5} told"
        return f"attack: {self.attack:<32} {counts}: {self.said}"


class Attacker:
    """A context. Any bytes to any topic by bare paho: our own client would keep him from some of it."""

    def __init__(self, broker: Broker) -> None:
        self.answers: list[tuple[str, Answer]] = []
        self._newest: dict[str, bytes] = {}
        self._taken = threading.Semaphore(0)
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, "attacker", protocol=mqtt.MQTTv5)
        self._client.max_queued_messages_set(0)
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message
        self._broker = broker

    def __enter__(self) -> Attacker:
        self._client.connect(LOOPBACK, self._broker.port)
        self._client.loop_start()
        for kind in ("rsp/#", "alert/+", "reported"):
            self._client.subscribe(FleetFilter().of(kind), 1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def send(self, topic: str, message: bytes, *, is_retained: bool = False) -> None:
        """Returns when the broker has it."""
        self._client.publish(topic, message, 1, is_retained)
        self._wait_for_puback()

    def send_all(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Topics and payloads, one after the other without waiting; returns when the broker has them."""
        sent = [self._client.publish(topic, message, 1) for topic, message in messages]
        for _ in sent:
            self._wait_for_puback()

    def _wait_for_puback(self) -> None:
        assert self._taken.acquire(timeout=_LIMIT_S), "the broker does not take it"

    def order(self, payload: CommandPayload, message: bytes) -> None:
        self.send(ADDRESS.command(payload.name), message)

    def finals(self, jti: str) -> list[Answer]:
        return [each for _, each in list(self.answers) if each.jti == jti and each.state.is_final]

    def newest(self, topic: str) -> bytes:
        """What was said last on a topic of alerts or configurations; empty before anything was."""
        return self._newest.get(topic, b"")

    def _on_publish(
        self, _client: mqtt.Client, _data: object, _mid: int, code: ReasonCode, _properties: object
    ) -> None:
        assert not code.is_failure
        self._taken.release()

    def _on_message(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        self._newest[message.topic] = bytes(message.payload)
        if parse_topic(message.topic).kind is TopicKind.RESPONSE:
            self.answers.append((message.topic, decode(message.payload, Answer)))


class Witness:
    """What the node did, by its store, its processes and its log; and what the centre heard of it."""

    def __init__(self, agent: AgentUnderTest, ear: Ear) -> None:
        self._agent = agent
        self._ear = ear
        self._pids = agent.pids()

    def executed(self, *, meant: Sequence[str] = ()) -> int:
        """Commands accepted and staff holds made, but for those commands: every one that is accepted is a row."""
        with closing(sqlite3.connect(f"file:{self._agent.data_dir / STORE_NAME}?mode=ro", uri=True)) as conn:
            jtis = [str(row[0]) for row in conn.execute("SELECT jti FROM command")]
            (held,) = conn.execute("SELECT count(*) FROM hold WHERE kind = 'staff'").fetchone()
        return len(set(jtis) - set(meant)) + int(held)

    def crashes(self) -> int:
        """Processes that are not the ones that began, and stages that failed."""
        now = self._agent.pids()
        log = (self._agent.folder / "agent.log").read_text(encoding="utf-8", errors="replace")
        return sum(now.get(name) != pid for name, pid in self._pids.items()) + log.count("stage failed")

    def audits(self, jti: str) -> list[AuditData]:
        return [each for each in self._said() if isinstance(each, AuditData) and each.jti == jti]

    def wait_for_audit(self, jti: str, reason: str, *, times: int = 1) -> int:
        """How often it is in the audit with this reason, at least so often."""

        def told() -> int:
            return sum(each.reason == reason for each in self.audits(jti))

        wait_until(lambda: told() >= times, f"no audit says {reason}", limit_s=_HEARD_WITHIN_S)
        return told()

    def warnings(self, kind: str) -> list[SecurityData]:
        return [each for each in self._said() if isinstance(each, SecurityData) and each.kind == kind]

    def desired_refusals(self, reason: str) -> int:
        """How often the audit tells of a desired document refused for it."""
        audits = [each for each in self._said() if isinstance(each, AuditData) and each.action == "desired"]
        singly = sum(each.reason.startswith(f"{reason}:") for each in audits)
        return singly + sum(f" {reason}:" in each.detail for each in self.warnings("desired_refused"))

    def told(self) -> int:
        """All that the audit says of commands that nobody believed, one by one or as a number."""
        audits = [each for each in self._said() if isinstance(each, AuditData) and each.action != "desired"]
        singly = sum(each.outcome in ("rejected", "expired") for each in audits)
        counted = [
            each for each in self._said() if isinstance(each, SecurityData) and each.kind.startswith("commands_")
        ]
        numbers = sum(int(match[0]) for each in counted if (match := re.match(r"\d+", each.detail)))
        return singly + len(self.warnings("command_malformed")) + numbers

    def _said(self) -> list[object]:
        return [decode_data(each.envelope.type, each.envelope.data) for each in list(self._ear.events)]
