"""`config.refresh`, `cert.renew` and `setup.open`: the node's settings, papers and set-up page."""

from __future__ import annotations

from typing import Final

from agent.commands.work import Outcome, Papers, Work
from agent.contract.commands import AnswerState
from agent.contract.tending import CertRenewResult, ConfigRefreshResult, SetupOpenResult
from agent.errors import CommandFailed
from agent.units import NS_PER_S, format_rfc3339

# Whoever asks waits for an office that decides at once; one where a person decides is asked again by the node itself.
_OFFICE_LIMIT_S: Final = 120.0


def refresh_config(work: Work) -> Outcome:
    stands = work.hands.tending.refresh()
    result = ConfigRefreshResult(
        config_sha256=stands.config_sha256,
        faults=stands.faults,
        revision=stands.revision,
        is_edited=stands.is_edited,
    )
    return Outcome(AnswerState.SUCCEEDED, result)


def renew_certificate(work: Work) -> Outcome:
    waited_s = 0.0
    while not isinstance(renewed := work.hands.tending.renew(), Papers):
        waited_s += renewed
        if waited_s > _OFFICE_LIMIT_S:
            remedy = "a person at the office has to decide; the node takes the new one when it is granted"
            raise CommandFailed(reason="office_waits", remedy=remedy)
        work.report(min(waited_s / _OFFICE_LIMIT_S, 1.0), "the office has not decided yet")
        if work.stop.wait(renewed):
            raise CommandFailed(reason="stopped", remedy="the node ends")
    until = format_rfc3339(renewed.not_after_s * NS_PER_S)
    return Outcome(AnswerState.SUCCEEDED, CertRenewResult(serial=renewed.serial, not_after=until))


def open_setup(work: Work) -> Outcome:
    state, left_s = work.hands.tending.open_setup(work.payload.actor.id)
    until = None if left_s is None else format_rfc3339(work.facts.clock.wall_ns() + round(left_s * NS_PER_S))
    return Outcome(AnswerState.SUCCEEDED, SetupOpenResult(state=state, until=until))
