"""One try at the PIN, node-wide: written down as a failure before it is judged, whoever tries and from wherever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.enrolment.moment import BootMoment
from agent.enrolment.pin import PIN_DIGITS, PinJudgement, SetupRecord, begin_try, is_pin, judge_pin, wait_s
from agent.errors import SetupError

if TYPE_CHECKING:
    from agent.enrolment.home import NodeHome


def try_pin(home: NodeHome, pin: str, now: BootMoment) -> PinJudgement:
    """The judgement, already kept on disk. Takes some 0.2 s of CPU unless the page is locked.

    Raises SetupError `no_pin` on a node that first boot has not prepared, EnrolmentError where the disk refuses.
    """
    with home.locked():
        record = _record(home)
        begun = begin_try(record, now.boot_id, now.mono_s)
        if begun is None:
            return judge_pin(record, now.boot_id, now.mono_s, is_right=False)
        home.save(home.setup, begun)
        is_right = len(pin) == PIN_DIGITS and pin.isascii() and pin.isdecimal() and is_pin(pin, record)
        judgement = judge_pin(record, now.boot_id, now.mono_s, is_right=is_right)
        home.save(home.setup, judgement.record)
        return judgement


def lock_left_s(home: NodeHome, now: BootMoment) -> float:
    """How long nobody may try now; 0 when somebody may. Raises as `try_pin`."""
    return wait_s(_record(home), now.boot_id, now.mono_s)


def _record(home: NodeHome) -> SetupRecord:
    record = home.load(home.setup, SetupRecord)
    if record is None:
        raise SetupError(reason="no_pin", remedy="run first boot: this node has no PIN yet")
    return record
