"""`ping`: the node answers with what it is and how sure it is of the time."""

from __future__ import annotations

from agent import __version__
from agent.commands.work import Outcome, Work
from agent.contract.commands import AnswerState
from agent.contract.requests import PingResult
from agent.units import NS_PER_S


def ping(work: Work) -> Outcome:
    clock = work.facts.clock
    status = clock.status()
    result = PingResult(
        software=__version__,
        boot_id=work.facts.boot_id,
        uptime_s=round((clock.mono_ns() - work.facts.started_mono_ns) / NS_PER_S, 3),
        clock_quality=status.quality.value,
        clock_error_s=status.error_s,
    )
    return Outcome(AnswerState.SUCCEEDED, result)
