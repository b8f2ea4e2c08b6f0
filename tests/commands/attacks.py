"""Commands that nobody meant: what somebody who may publish on `cmd/` can make of real ones."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from agent.commands.trust import Trust
from agent.contract.commands import JWS_TYPE, CommandName, CommandPayload, Jws, base64url, decode_jws, from_base64url
from agent.contract.pinned import PinnedKey, PinnedKeys
from agent.contract.wire import encode
from agent.errors import WireError
from agent.recording import holds
from agent.signing import key_id, make_key, public_to_pem, sign_general
from agent.units import NS_PER_S
from tests.commands.desk import Node, at

SPAN = {"camera": "c01", "from": at(1), "to": at(3)}
DAY_NS = 86_400 * NS_PER_S
# A forged hold.set would be seen, and a forged erasure missed.
TEMPLATES = (("hold.set", SPAN), ("footage.erase", SPAN), ("ping", {}), ("republish", {"lane": "a", "from": "0" * 20}))


@dataclass(frozen=True, slots=True)
class Person:
    actor: str
    key: EllipticCurvePrivateKey
    commands: tuple[CommandName, ...] = ()

    @property
    def pinned(self) -> PinnedKey:
        pem = public_to_pem(self.key.public_key())
        return PinnedKey(actor=self.actor, role="operator", public_key=pem, commands=self.commands)


SOMCHAI, MALI = Person("somchai", make_key()), Person("mali", make_key())
STRANGER = Person("somchai", make_key())


def guarded_node(folder: Path) -> Node:
    """A node that obeys Somchai and Mali."""
    node = Node(folder, trust=Trust.SIGNED)
    assert node.facts.command_keys is not None
    node.facts.command_keys.write_bytes(msgspec.json.encode(PinnedKeys(v=1, keys=(SOMCHAI.pinned, MALI.pinned))))
    return node


@dataclass(slots=True)
class Toll:
    """What came of a campaign. `told` counts what the audit says, one by one or as a number; `same` are forgeries that
    turned out to be a genuine command, spelt otherwise or with a signature twice."""

    sent: int = 0
    same: int = 0
    executed: int = 0
    told: int = 0
    kinds: Counter[str] = field(default_factory=Counter)

    def line(self) -> str:
        return f"{self.sent} forged commands: {self.executed} executed, {self.told} in the audit ({self.kinds_line()})"

    def kinds_line(self) -> str:
        return ", ".join(f"{count} {kind}" for kind, count in sorted(self.kinds.items()))


def attack(node: Node, count: int, *, seed: int) -> Toll:
    """Send so many. Whatever the node raises comes out of here."""
    chance = random.Random(seed)
    toll = Toll()
    for name, message in forge(genuine_commands(node.command, chance), count, chance, toll):
        node.receive(node.command(name), topic=name, message=message, is_retained=chance.random() < 0.05)
    toll.executed = _executed(node)
    toll.told = _told(node)
    return toll


def forge(
    genuine: Sequence[tuple[str, bytes]], count: int, chance: random.Random, toll: Toll
) -> Iterator[tuple[str, bytes]]:
    """So many messages that none of these people meant, each with the command's name that its topic ends in."""
    known = {_meaning(message) for _, message in genuine}
    while toll.sent < count:
        name, message = chance.choice(genuine)
        kind = chance.choice(sorted(_KINDS))
        forged = _KINDS[kind](chance, message, chance.choice(genuine)[1])
        if _meaning(forged) in known:
            toll.same += 1
            continue
        toll.sent += 1
        toll.kinds[kind] += 1
        yield name, forged


def genuine_commands(make: Callable[[str, object], CommandPayload], chance: random.Random) -> list[tuple[str, bytes]]:
    """To forge from; rightly signed, and to be sent to nobody."""
    return [_signed(make, chance) for _ in range(40)]


def _executed(node: Node) -> int:
    """Every command that was accepted is a row, whatever came of it."""
    rows = int(node.ring.conn.execute("SELECT count(*) FROM command").fetchone()[0])
    return rows + len(holds.all_holds(node.ring.conn)) + len(node.republished)


def _told(node: Node) -> int:
    """Let the ration fill up again, so that what was withheld is counted in the audit."""
    node.ring.clock.now_wall_ns += DAY_NS
    for _ in range(2):
        node.dispatcher._teller.catch_up(node.ring.conn)
    singly = [each for each in node.warnings() if each.kind == "command_malformed"]
    counted = [int(re.match(r"\d+", each.detail)[0]) for each in node.warnings() if each.kind.startswith("commands_")]
    return len(node.audits()) + len(singly) + sum(counted)


def _signed(make: Callable[[str, object], CommandPayload], chance: random.Random) -> tuple[str, bytes]:
    name, args = chance.choice(TEMPLATES)
    command = make(name, args)
    people = [SOMCHAI, MALI] if name == "footage.erase" else [SOMCHAI]
    return name, encode(sign_general(encode(command), [each.key for each in people], typ=JWS_TYPE))


def _meaning(message: bytes) -> object:
    """What a command says and who signed it, however its JSON is spelt and however often a signature is repeated."""
    try:
        jws = decode_jws(message)
    except WireError:
        return message
    return jws.payload, frozenset(jws.signatures)


def _bits(chance: random.Random, message: bytes, _other: bytes) -> bytes:
    data = bytearray(message)
    for _ in range(chance.choice((1, 1, 1, 2, 8))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def _cut(chance: random.Random, message: bytes, _other: bytes) -> bytes:
    return message[: chance.randrange(len(message))]


def _splice(chance: random.Random, message: bytes, other: bytes) -> bytes:
    return message[: chance.randrange(len(message))] + other[chance.randrange(len(other)) :]


def _noise(chance: random.Random, _message: bytes, _other: bytes) -> bytes:
    return chance.randbytes(chance.choice((0, 1, 30, 3000)))


def _deep(chance: random.Random, _message: bytes, _other: bytes) -> bytes:
    depth = chance.choice((10, 1000, 30_000))
    return b'{"payload":' + chance.choice((b"[", b'{"a":')) * depth


def _payload_of_another(_chance: random.Random, message: bytes, other: bytes) -> bytes:
    return encode(Jws(payload=decode_jws(other).payload, signatures=decode_jws(message).signatures))


def _fields(chance: random.Random, message: bytes, _other: bytes) -> bytes:
    """Another word in the payload, under the old signatures."""
    jws = decode_jws(message)
    payload = json.loads(from_base64url(jws.payload))
    key = chance.choice(sorted(payload))
    payload[key] = chance.choice(
        [
            None,
            "",
            0,
            -1,
            2**70,
            1e308,
            [],
            {},
            "hold.set",
            "footage.erase",
            "x" * 5000,
            {"id": "mali", "role": "x"},
            "\0",
        ]
    )
    return encode(Jws(payload=base64url(json.dumps(payload).encode()), signatures=jws.signatures))


def _header(chance: random.Random, message: bytes, _other: bytes) -> bytes:
    """Another algorithm, key or type claimed."""
    document = json.loads(message)
    first = document["signatures"][0]
    header = json.loads(from_base64url(first["protected"]))
    changes = [
        {"alg": "none"},
        {"alg": "HS256"},
        {"kid": key_id(MALI.key.public_key())},
        {"kid": "../../etc/passwd"},
        {"typ": "wayside-order"},
        {"crit": ["exp"]},
        {"jwk": {"kty": "EC"}},
        {"b64": False},
    ]
    first["protected"] = base64url(json.dumps(header | chance.choice(changes)).encode())
    if chance.random() < 0.3:
        first["signature"] = chance.choice(["", "A" * 86, base64url(bytes(64)), base64url(b"\xff" * 64)])
    return json.dumps(document).encode()


def _signatures(chance: random.Random, message: bytes, other: bytes) -> bytes:
    """Fewer, more, or those of another command."""
    document, strange = json.loads(message), json.loads(other)
    own = document["signatures"]
    document["signatures"] = chance.choice(
        [
            [],
            own * 50,
            strange["signatures"],
            own + strange["signatures"],
            [{}],
            [own[0] | {"header": {}}],
            "none",
            None,
        ]
    )
    if document["signatures"] == own:
        document["signatures"] = []
    return json.dumps(document).encode()


def _stranger(chance: random.Random, message: bytes, _other: bytes) -> bytes:
    """Signed rightly, by a key that nobody pinned; at times beside one that is."""
    payload = from_base64url(decode_jws(message).payload)
    theirs = sign_general(payload, [STRANGER.key], typ=JWS_TYPE).signatures
    signatures = (*decode_jws(message).signatures, *theirs) if chance.random() < 0.5 else theirs
    return encode(Jws(payload=base64url(payload), signatures=signatures))


_KINDS = {
    each.__name__.removeprefix("_"): each
    for each in (*(_bits, _cut, _splice, _noise, _deep, _payload_of_another, _fields, _header, _signatures, _stranger),)
}
