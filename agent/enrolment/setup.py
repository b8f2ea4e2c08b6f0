"""Whether a technician may set this node up now. Pure.

A node that was never accepted is open: whoever has its PIN goes on with it. A node in service is closed and listens
to nobody. Physical presence makes it listen (KNOCKED); the PIN and a work order of the office open it, for 30 minutes
of the same boot.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from agent.enrolment.standing import Standing

# Provisioning, flow 3.
WINDOW_S: Final = 30 * 60
# Three power cycles, the last of which began this boot: the two boots before it were cut off early.
CYCLES: Final = 3
# Seconds since its start after which a boot counts as one that was meant to last.
SETTLED_S: Final = 60.0


class SetupState(StrEnum):
    CLOSED = "closed"
    KNOCKED = "knocked"
    OPEN = "open"


class Presence(StrEnum):
    """How somebody showed that they stand beside the node, or that two people at the centre vouch for who does."""

    NONE = ""
    POWER_CYCLES = "power_cycles"
    BUTTON = "button"
    CENTRE = "centre"


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """window.json: an opening of a node in service. `knocked_*` is when presence was shown; `opened_mono_s` is null
    until PIN and order were accepted."""

    v: int = 1
    boot_id: str
    knocked_mono_s: float
    presence: Presence
    opened_mono_s: float | None = None
    order: str = ""


class BootNote(msgspec.Struct, frozen=True, kw_only=True):
    boot_id: str
    is_settled: bool = False


class PresenceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """presence.json: the last boots, oldest first."""

    v: int = 1
    boots: tuple[BootNote, ...] = ()


class SetupStatus(msgspec.Struct, frozen=True, kw_only=True):
    """`may_listen`: the page may run. `left_s` is null where nothing ends by itself."""

    state: SetupState
    reason: str
    left_s: float | None = None

    @property
    def may_listen(self) -> bool:
        return self.state is not SetupState.CLOSED


def judge_setup(standing: Standing, window: Window | None, boot_id: str, mono_s: float) -> SetupStatus:
    """What the page may do at this moment of this boot. A window ends with its boot, whatever its clock says."""
    if standing is not Standing.IN_SERVICE:
        return SetupStatus(state=SetupState.OPEN, reason="not_in_service")
    if window is None or window.boot_id != boot_id:
        return SetupStatus(state=SetupState.CLOSED, reason="in_service")
    began_s = window.knocked_mono_s if window.opened_mono_s is None else window.opened_mono_s
    left_s = WINDOW_S - (mono_s - began_s)
    if not 0 < left_s <= WINDOW_S:
        return SetupStatus(state=SetupState.CLOSED, reason="window_over")
    state = SetupState.KNOCKED if window.opened_mono_s is None else SetupState.OPEN
    return SetupStatus(state=state, reason=window.presence.value, left_s=left_s)


def note_boot(record: PresenceRecord, boot_id: str) -> PresenceRecord:
    """With this boot in it, not settled yet; noting it twice changes nothing."""
    if any(note.boot_id == boot_id for note in record.boots):
        return record
    return PresenceRecord(boots=(*record.boots, BootNote(boot_id=boot_id))[-CYCLES:])


def settle_boot(record: PresenceRecord, boot_id: str) -> PresenceRecord:
    """This boot has lasted SETTLED_S: it is no part of a row of power cycles."""
    return PresenceRecord(
        boots=tuple(BootNote(boot_id=n.boot_id, is_settled=n.is_settled or n.boot_id == boot_id) for n in record.boots)
    )


def is_cycled(record: PresenceRecord, boot_id: str) -> bool:
    """Whether this boot is the third start in a row of a power switched off and on again."""
    row = record.boots[-CYCLES:]
    return len(row) == CYCLES and row[-1].boot_id == boot_id and not any(note.is_settled for note in row[:-1])
