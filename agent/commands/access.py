"""Which commands are accesses to footage, and what the custody record says of them."""

from __future__ import annotations

from typing import Final

import msgspec

from agent.commands.work import NodeFacts, Outcome
from agent.contract.commands import CommandName, CommandPayload
from agent.recording.chain import AccessLink
from agent.recording.custody import note_access
from agent.units import format_rfc3339

# What only counts or plans (gaps, clip.plan, forecast) shows nobody a picture.
ACTS: Final[dict[str, str]] = {
    CommandName.SNAPSHOT: "looked",
    CommandName.SHEET: "looked",
    CommandName.LIVE_START: "looked",
    CommandName.CLIP_EXPORT: "exported",
    CommandName.HOLD_SET: "held",
    CommandName.HOLD_RELEASE: "released",
    CommandName.FOOTAGE_ERASE: "erased",
}


class _What(msgspec.Struct, frozen=True):
    """What the arguments of all these commands may have in common."""

    camera: str | None = None
    incident: str | None = None
    hold_id: str | None = None
    start: str | None = msgspec.field(name="from", default=None)
    end: str | None = msgspec.field(name="to", default=None)


def note_command(facts: NodeFacts, command: CommandPayload, outcome: Outcome) -> None:
    """Write an access down before its answer leaves; other commands are none. Raises DiskError."""
    act = ACTS.get(command.name)
    if act is None:
        return
    what = _what(command)
    link = AccessLink(
        act=act,
        actor=command.actor.id,
        role=command.actor.role,
        via="command",
        outcome=outcome.state.value,
        at=format_rfc3339(facts.clock.wall_ns()),
        purpose=command.purpose,
        case_ref=command.case_ref,
        jti=command.jti,
        camera=what.camera or "",
        start=what.start or "",
        end=what.end or "",
        detail=what.incident or what.hold_id or outcome.reason,
    )
    note_access(facts.data_dir, link)


def _what(command: CommandPayload) -> _What:
    try:
        return msgspec.json.decode(command.args, type=_What)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _What()
