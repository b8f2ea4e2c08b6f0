"""From facts about a node to findings a person can act on. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agent.enrolment.standing import EnrolmentRecord, Standing
from agent.messaging.outbox import OutboxStatus
from agent.recording.account import CameraAccount
from agent.recording.gaps import GapReason
from agent.units import NS_PER_S
from provisioning.checks.result import CheckResult, Verdict

# Fragments close about once a second and the newest is read from the open file: a gap up to here is no loss yet.
_WRITING_S: Final = 5.0
# A line that was away for less is everyday life on a pole.
_OLD_MESSAGE_S: Final = 3600.0
# The renewal begins at two thirds of 90 days; with a week left it has failed for weeks.
_RENEWAL_OVERDUE_S: Final = 7 * 86_400
_RANK: Final = {Verdict.FAILED: 0, Verdict.WARNING: 1, Verdict.UNKNOWN: 2, Verdict.OK: 3}


@dataclass(frozen=True, slots=True)
class AgentFacts:
    """Which of the node's processes answer at their sockets."""

    is_node_there: bool
    is_vision_there: bool
    is_vision_wanted: bool


def judge_papers(record: EnrolmentRecord, now_s: float) -> CheckResult:
    days = (record.not_after_s - now_s) / 86_400
    facts = {"site": record.site, "org": record.org, "days": f"{days:.0f}"}
    match record.state:
        case Standing.NEW:
            return CheckResult("papers", Verdict.FAILED, "new")
        case Standing.WAITING:
            return CheckResult("papers", Verdict.FAILED, "waiting")
        case Standing.ENROLLED | Standing.IN_SERVICE if days <= 0:
            return CheckResult("papers", Verdict.FAILED, "expired", facts=facts)
        case Standing.ENROLLED | Standing.IN_SERVICE if days * 86_400 < _RENEWAL_OVERDUE_S:
            return CheckResult("papers", Verdict.WARNING, "expires", facts=facts)
        case Standing.ENROLLED:
            return CheckResult("papers", Verdict.WARNING, "not_accepted", facts=facts)
        case Standing.IN_SERVICE:
            return CheckResult("papers", Verdict.OK, "ok", facts=facts)


def judge_agent(facts: AgentFacts) -> CheckResult:
    if not facts.is_node_there:
        return CheckResult("agent", Verdict.FAILED, "no_node")
    if facts.is_vision_wanted and not facts.is_vision_there:
        return CheckResult("agent", Verdict.FAILED, "no_vision")
    return CheckResult("agent", Verdict.OK, "ok" if facts.is_vision_wanted else "ok_blind")


def judge_recording(account: CameraAccount) -> CheckResult:
    """Of one camera and a span that ends now: whether it records at this moment, and what it missed before."""
    # Before it was set up it had nothing to record, and what is not on disk yet is not lost.
    gaps = [gap for gap in account.gaps if gap.reason not in (GapReason.NOT_PROVISIONED, GapReason.NOT_YET)]
    lost_s = sum(gap.end_wall_ns - gap.start_wall_ns for gap in gaps) / NS_PER_S
    wanted_s = account.recorded_s + lost_s
    facts = {
        "camera": account.camera,
        "percent": f"{100 * account.recorded_s / wanted_s if wanted_s else 0:.1f}",
        "minutes": f"{wanted_s / 60:.0f}",
    }
    last = gaps[-1] if gaps else None
    if not wanted_s:
        return CheckResult("recording", Verdict.FAILED, "not_provisioned", account.camera, facts)
    if last is not None and account.span.end_ns - last.end_wall_ns < NS_PER_S:
        silent_s = (last.end_wall_ns - last.start_wall_ns) / NS_PER_S
        if silent_s > _WRITING_S:
            found = {**facts, "seconds": f"{silent_s:.0f}", "reason": last.reason.value}
            return CheckResult("recording", Verdict.FAILED, _remedy_word(last.reason.value), account.camera, found)
    if lost_s > _WRITING_S:
        worst = max(gaps, key=lambda gap: gap.end_wall_ns - gap.start_wall_ns)
        found = {**facts, "reason": worst.reason.value}
        return CheckResult("recording", Verdict.WARNING, "gaps", account.camera, found)
    return CheckResult("recording", Verdict.OK, "ok", account.camera, facts)


def _remedy_word(reason: str) -> str:
    """Which sentence helps: what a technician does about a camera that is away differs from a disk that is full."""
    match reason:
        case "camera_unreachable" | "camera_stalled" | "camera_refused" | "no_keyframe":
            return reason
        case "disk_full" | "disk_error" | "disk_missing" | "disk_slow":
            return "disk"
        case "not_provisioned":
            return "not_provisioned"
        case _:
            return "stopped"


def judge_outbox(status: OutboxStatus | None, now_wall_ns: int) -> CheckResult:
    """None: there is no store yet."""
    if status is None:
        return CheckResult("outbox", Verdict.UNKNOWN, "unknown")
    oldest_s = (now_wall_ns - status.oldest_wall_ns) / NS_PER_S if status.oldest_wall_ns is not None else 0.0
    facts = {
        "waiting": status.count_a + status.count_b,
        "minutes": f"{oldest_s / 60:.0f}",
        "shed": status.shed_count,
    }
    if status.shed_count:
        return CheckResult("outbox", Verdict.WARNING, "shed", facts=facts)
    if oldest_s > _OLD_MESSAGE_S:
        return CheckResult("outbox", Verdict.WARNING, "old", facts=facts)
    return CheckResult("outbox", Verdict.OK, "ok", facts=facts)


def worst_first(results: Sequence[CheckResult]) -> list[CheckResult]:
    """Within one verdict the order stays: a cable comes before what needs it."""
    return sorted(results, key=lambda result: _RANK[result.verdict])
