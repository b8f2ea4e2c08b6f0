"""The attack table: everything that somebody who may publish at the broker can try, against a whole node.

The short ways to forge one command each have a test of their own (tests/commands/test_attacks.py); here the same is
done to running processes behind a real mosquitto, and what they did is read from their store.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from agent.contract.commands import CommandPayload, encode_unsigned
from agent.contract.pinned import PinnedKeys
from agent.contract.topics import NodeAddress
from agent.contract.wire import MAX_MESSAGE_BYTES, encode
from tests.broker import Broker, wait_until
from tests.commands.attacks import MALI, SOMCHAI, STRANGER, Person, Toll, forge, genuine_commands
from tests.faults.attacker import Attacker, Row, Witness, command, signed, span
from tests.faults.ear import ADDRESS, Ear
from tests.faults.misdirected import (
    ack_rows,
    certificate_rows,
    decoys,
    desired_rows,
    document,
    noise_rows,
    put_in_force,
    upload_rows,
)
from tests.faults.rig import AgentUnderTest
from tests.rigs.clock import PlayedClock

_ELSEWHERE = NodeAddress("test-org", "test-site", "other-node")
# A ration fills by one a minute, and what was withheld is told with the next (agent.commands.telling).
_COUNTED_WITHIN_S = 200.0
# Half of what may wait in the node at once; more is counted, and not looked at (tests/commands/test_attacks.py).
_BATCH = 100


def attack(folder: Path, forged: int, *, is_counted: bool = True) -> list[str]:
    """`forged` messages made at random, after each way by name. `is_counted`: wait minutes until all are told."""
    folder.mkdir(parents=True, exist_ok=True)
    broker = Broker(folder, "allow_anonymous true\nmax_queued_messages 0")
    broker.start()
    try:
        with Attacker(broker) as attacker, Ear(broker) as ear:
            rows = _attack(folder, broker, attacker, ear, forged, is_counted=is_counted)
    finally:
        broker.stop()
    rows = [*rows, *certificate_rows(folder / "kit")]
    assert not any(row.executed for row in rows), rows
    return [row.line() for row in rows]


def _attack(
    folder: Path, broker: Broker, attacker: Attacker, ear: Ear, forged: int, *, is_counted: bool
) -> Sequence[Row]:
    keys = folder / "keys.json"
    keys.write_bytes(encode(PinnedKeys(v=1, keys=(SOMCHAI.pinned, MALI.pinned))))
    clock = PlayedClock(folder / "clock")
    clock.set(0.0, is_synced=True)
    with decoys(folder) as (pointer, target):
        agent = AgentUnderTest(
            folder / "agent",
            broker=broker,
            vision=False,
            trust=f'command_keys = "{keys}"',
            environment={**clock.environment, "SSL_CERT_FILE": str(pointer.ca)},
        )
        kept = command("hold.set", span())
        attacker.send(ADDRESS.command(kept.name), signed(kept, SOMCHAI), is_retained=True)
        with agent:
            put_in_force(attacker, *(documents := (document(1, upload_hosts=("old.example",)), document(2))))
            witness = Witness(agent, ear)
            told = witness.wait_for_audit(kept.jti, "retained")
            rows = [Row("retained", 1, witness.executed(), told, "retained")]
            # What clears it at the broker is no command either.
            attacker.send(ADDRESS.command(kept.name), b"", is_retained=True)
            wait_until(lambda: bool(witness.warnings("command_malformed")), "an empty command is not told")
            rows += _one_by_one(attacker, witness)
            meant, more = upload_rows(attacker, witness, pointer, target)
            rows += more
            again, more = _again(attacker, witness, meant)
            rows += [*more, *desired_rows(attacker, witness, agent, *documents), *ack_rows(attacker, agent)]
            rows.append(_oversize(attacker, witness, [*meant, *again]))
            rows.append(_forged(attacker, witness, [*meant, *again], forged, is_counted=is_counted))
            rows += noise_rows(attacker, agent, documents[-1], forged // 20)
            crashes = witness.crashes()
    assert crashes == 0 and not any(row.executed for row in rows), (crashes, rows)
    return rows


def _one_by_one(attacker: Attacker, witness: Witness) -> list[Row]:
    now_s = int(time.time())
    hold, erase = ("hold.set", span()), ("footage.erase", span())
    ways: list[tuple[str, CommandPayload, tuple[Person, ...], str]] = [
        ("unsigned", command(*hold), (), "unsigned"),
        ("wrong key", command(*hold), (STRANGER,), "unknown_key"),
        ("wrong key beside a pinned one", command(*hold), (SOMCHAI, STRANGER), "unknown_key"),
        ("another actor's key", command(*hold), (MALI,), "wrong_actor"),
        ("wrong aud", command(*hold, aud=_ELSEWHERE.urn), (SOMCHAI,), "wrong_audience"),
        ("expired", command(*hold, iat=now_s - 300, exp=now_s - 70), (SOMCHAI,), "expired"),
        ("from the future", command(*hold, iat=now_s + 90, exp=now_s + 200), (SOMCHAI,), "from_the_future"),
        (
            "foreign reply topic",
            command(*hold, reply_to=_ELSEWHERE.response("x")),
            (SOMCHAI,),
            "foreign_reply_topic",
        ),
        ("one signature where two are due", command(*erase), (SOMCHAI,), "second_signature_due"),
        ("twice the same actor", command(*erase), (SOMCHAI, SOMCHAI), "second_signature_due"),
    ]
    rows = []
    for attack, payload, people, reason in ways:
        message = signed(payload, *people) if people else encode_unsigned(payload)
        attacker.order(payload, message)
        told = witness.wait_for_audit(payload.jti, reason)
        rows.append(Row(attack, 1, witness.executed(), told, reason))
    assert not any(topic.startswith(_ELSEWHERE.root) for topic, _ in attacker.answers)
    return rows


def _again(attacker: Attacker, witness: Witness, meant: Sequence[str]) -> tuple[list[str], list[Row]]:
    """A genuine command sent three times more, and its counter under another name."""
    genuine = command("ping")
    message = signed(genuine, SOMCHAI)
    attacker.order(genuine, message)
    wait_until(lambda: len(attacker.finals(genuine.jti)) == 1, "a genuine ping is not answered")
    for _ in range(3):
        attacker.order(genuine, message)
    wait_until(lambda: len(attacker.finals(genuine.jti)) == 4, "a repeated ping is not answered")
    first, *others = attacker.finals(genuine.jti)
    assert others == [first] * 3
    told = witness.wait_for_audit(genuine.jti, "repeated", times=3)
    accepted = sum(each.outcome == "accepted" for each in witness.audits(genuine.jti))
    rows = [Row("replayed", 3, accepted - 1, told, "repeated; the first answer once more, word for word")]
    second = command("hold.set", span(), ctr=genuine.ctr)
    attacker.order(second, signed(second, SOMCHAI))
    told = witness.wait_for_audit(second.jti, "replayed")
    rows.append(Row("seen ctr", 1, witness.executed(meant=[*meant, genuine.jti]), told, "replayed"))
    return [genuine.jti], rows


def _oversize(attacker: Attacker, witness: Witness, meant: Sequence[str]) -> Row:
    payload, problem = command("hold.set", span()), f"more than {MAX_MESSAGE_BYTES} bytes"
    sizes = (MAX_MESSAGE_BYTES + 1, 8 << 20)

    def told() -> int:
        return sum(problem in each.detail for each in witness.warnings("command_malformed"))

    for size in sizes:
        attacker.order(payload, signed(payload, SOMCHAI).ljust(size))
    wait_until(lambda: told() == len(sizes), "it is not told")
    return Row("oversize", len(sizes), witness.executed(meant=meant), told(), problem)


def _forged(attacker: Attacker, witness: Witness, meant: Sequence[str], count: int, *, is_counted: bool) -> Row:
    before = witness.told()
    toll = Toll()
    chance = random.Random(20)
    forgeries = forge(genuine_commands(command, chance), count, chance, toll)
    while batch := list(islice(forgeries, _BATCH)):
        attacker.send_all((ADDRESS.command(name), message) for name, message in batch)
    # Asked last, so answered when all the others are judged.
    last = command("ping")
    attacker.order(last, signed(last, SOMCHAI))
    wait_until(lambda: bool(attacker.finals(last.jti)), "it answers nobody any more", limit_s=60.0)
    if is_counted:
        wait_until(lambda: witness.told() - before == count, "not every one is told", limit_s=_COUNTED_WITHIN_S)
    executed = witness.executed(meant=[*meant, last.jti])
    return Row("made at random", count, executed, witness.told() - before, toll.kinds_line())
