"""Staff's holds under signatures, over a real broker, through a kill of everything; and the event that tells of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from agent.centre.client import CentreClient, CentreOptions, Request
from agent.contract.commands import Answer, AnswerState, CommandName
from agent.contract.events import GapData
from agent.contract.keeping import ForecastArgs, ForecastResult, HoldReleaseArgs, HoldSetArgs
from agent.contract.pinned import PinnedKey, PinnedKeys
from agent.contract.wire import decode
from agent.signing import make_key, public_to_pem
from agent.units import NS_PER_S, format_rfc3339
from tests.broker import Broker, wait_until
from tests.faults.ear import ADDRESS, Ear
from tests.faults.rig import AgentUnderTest, seconds_between
from tests.rigs.clock import PlayedClock

SOMCHAI, MALI = make_key(), make_key()


def held_through_a_kill(folder: Path, broker: Broker) -> list[str]:
    """Everything is killed the moment a hold was answered. Afterwards it is kept, and released by two people only."""
    folder.mkdir(parents=True, exist_ok=True)
    keys = folder / "keys.json"
    keys.write_bytes(msgspec.json.encode(PinnedKeys(v=1, keys=(_pinned("somchai", SOMCHAI), _pinned("mali", MALI)))))
    # What changes anything is obeyed under a synchronised clock only.
    clock = PlayedClock(folder / "clock")
    clock.set(0.0, is_synced=True)
    agent = AgentUnderTest(
        folder,
        broker=broker,
        vision=False,
        segment_s=2.0,
        trust=f'command_keys = "{keys}"',
        environment=clock.environment,
    )
    agent.start()
    with Ear(broker) as ear:
        try:
            agent.wait_for_footage("c01", 60)
            start_ns = agent.runs("c01")[0].start_wall_ns
            start, end = (format_rfc3339(start_ns + n * NS_PER_S) for n in (0, 2))
            args = HoldSetArgs(camera="c01", start=start, end=end, days=90, reviewer="mali")
            unsigned = _ask(broker, CommandName.HOLD_SET, args, ())
            assert (unsigned.state, unsigned.reason) == (AnswerState.REJECTED, "unsigned")
            held = _ask(broker, CommandName.HOLD_SET, args, (SOMCHAI,))
            killed_ns = agent.kill_all()
            assert held.state is AnswerState.SUCCEEDED, held
            agent.start()
            wait_until(lambda: len(agent.runs("c01")) == 2, "it does not record again", limit_s=40.0)
            listed = decode(_ask(broker, CommandName.FORECAST, ForecastArgs(), (SOMCHAI,)).result, ForecastResult)
            assert [each.hold_id for each in listed.holds] == [held.jti]
            release = HoldReleaseArgs(hold_id=held.jti)
            alone = _ask(broker, CommandName.HOLD_RELEASE, release, (SOMCHAI,))
            assert (alone.state, alone.reason) == (AnswerState.REJECTED, "second_signature_due")
            assert _ask(broker, CommandName.HOLD_RELEASE, release, (SOMCHAI, MALI)).state is AnswerState.SUCCEEDED
            wait_until(lambda: bool(_outages(ear)), "the outage was never told", limit_s=60.0)
        finally:
            agent.stop()
    (outage,) = _outages(ear)
    before, after = agent.runs("c01")
    assert (outage.start, outage.end) == (format_rfc3339(before.end_wall_ns), format_rfc3339(after.start_wall_ns))
    return [
        f"kill -9 of everything {seconds_between(before.end_wall_ns, killed_ns)} s after the last frame, a hold just"
        f" answered: kept; one signature releases nothing, two do; told once: {outage.seconds:.1f} s {outage.reason}"
    ]


def _ask(broker: Broker, name: CommandName, args: msgspec.Struct, keys: Sequence[EllipticCurvePrivateKey]) -> Answer:
    client = CentreClient(CentreOptions(broker.url, actor="somchai", signing_keys=tuple(keys)))
    client.connect()
    try:
        return client.ask(Request(ADDRESS, name, args, "accident", "12/2569"))
    finally:
        client.close()


def _outages(ear: Ear) -> list[GapData]:
    told = [each.envelope for each in list(ear.events) if each.envelope.type == "wayside.gap.v1"]
    gaps = [decode(each.data, GapData) for each in told]
    return [gap for gap in gaps if gap.reason == "agent_down"]


def _pinned(actor: str, key: EllipticCurvePrivateKey) -> PinnedKey:
    return PinnedKey(actor=actor, role="operator", public_key=public_to_pem(key.public_key()))
