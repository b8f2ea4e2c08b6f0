"""Every second is footage or a gap with one reason, and the reason is true."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.recording.gaps import Evidence, Gap, GapReason, Outage, Recorded, covered, explain
from agent.recording.marks import Mark, MarkKind
from agent.units import NS_PER_S, WallSpan, subtract

S = NS_PER_S
R = GapReason
NOW = 100_000 * S
DAY = WallSpan(0, 86_400 * S)


def span(start_s: float, end_s: float) -> WallSpan:
    return WallSpan(int(start_s * S), int(end_s * S))


def footage(start_s: float, end_s: float, *, boot: int = 1, run: int = 1, n: int = 0) -> Recorded:
    return Recorded(span(start_s, end_s), boot, run, n)


def mark(seq: int, kind: MarkKind, at_s: float, *, boot: int = 1, alive_s: float = 0) -> Mark:
    return Mark(seq, kind, boot, int(at_s * S), int(alive_s * S))


def outage(start_s: float, end_s: float, reason: GapReason = R.CAMERA_UNREACHABLE) -> Outage:
    return Outage(int(start_s * S), int(end_s * S), 1, reason, "")


def told(gaps: list[Gap]) -> list[tuple[float, float, GapReason]]:
    return [(gap.start_wall_ns / S, gap.end_wall_ns / S, gap.reason) for gap in gaps]


AGENT_STARTED, AGENT_STOPPED = MarkKind.AGENT_STARTED, MarkKind.AGENT_STOPPED
STARTED, STOPPED = MarkKind.PROCESS_STARTED, MarkKind.PROCESS_STOPPED
BEFORE, AFTER = footage(0, 100), footage(160, 200, run=2)
BEGAN = (mark(1, AGENT_STARTED, -5), mark(2, STARTED, -4))


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        pytest.param(Evidence(), [(100, 160, R.CAUSE_UNKNOWN)], id="nothing is known"),
        pytest.param(Evidence(outages=[outage(100, 160)]), [(100, 160, R.CAMERA_UNREACHABLE)], id="an outage was told"),
        pytest.param(
            Evidence(outages=[outage(100, 120), outage(120, 160, R.CAMERA_REFUSED)]),
            [(100, 120, R.CAMERA_UNREACHABLE), (120, 160, R.CAMERA_REFUSED)],
            id="two outages share the hole",
        ),
        pytest.param(
            Evidence(outages=[outage(100.5, 159.9)]),
            [(100, 160, R.CAMERA_UNREACHABLE)],
            id="slivers belong to the outage",
        ),
        pytest.param(
            Evidence(outages=[outage(110, 160)]),
            [(100, 110, R.CAUSE_UNKNOWN), (110, 160, R.CAMERA_UNREACHABLE)],
            id="ten seconds before an outage are not its",
        ),
        pytest.param(
            Evidence(outages=[outage(100, 0)]), [(100, 160, R.CAMERA_UNREACHABLE)], id="an outage lasts until footage"
        ),
        pytest.param(
            Evidence(marks=[*BEGAN, mark(3, STARTED, 150)]),
            [(100, 160, R.CAPTURE_CRASHED)],
            id="the camera process died",
        ),
        pytest.param(
            Evidence(marks=[*BEGAN, mark(3, STARTED, 161)]), [(100, 160, R.CAPTURE_CRASHED)], id="its hello came late"
        ),
        pytest.param(
            Evidence(marks=[*BEGAN, mark(3, STOPPED, 101), mark(4, STARTED, 150)]),
            [(100, 160, R.AGENT_DOWN)],
            id="the camera process was stopped by hand",
        ),
        pytest.param(
            Evidence(marks=[*BEGAN, mark(3, AGENT_STARTED, 150), mark(4, STARTED, 151)]),
            [(100, 160, R.AGENT_DOWN)],
            id="the whole agent was killed",
        ),
        pytest.param(
            Evidence(marks=[*BEGAN, mark(3, AGENT_STOPPED, 99), mark(4, AGENT_STARTED, 150), mark(5, STARTED, 151)]),
            [(100, 160, R.AGENT_DOWN)],
            id="the whole agent was restarted in order",
        ),
        pytest.param(
            Evidence(marks=[*BEGAN, mark(3, STARTED, 110), mark(4, AGENT_STARTED, 165)]),
            [(100, 160, R.CAPTURE_CRASHED)],
            id="the node restarted alone a little later",
        ),
        pytest.param(
            Evidence(marks=[*BEGAN, mark(3, AGENT_STARTED, 150, boot=2), mark(4, STARTED, 151, boot=2)]),
            [(100, 160, R.UNCLEAN_REBOOT)],
            id="a new boot without a shutdown mark",
        ),
        pytest.param(
            Evidence(
                marks=[
                    *BEGAN,
                    mark(3, AGENT_STOPPED, 99),
                    mark(4, AGENT_STARTED, 150, boot=2),
                    mark(5, STARTED, 151, boot=2),
                ]
            ),
            [(100, 160, R.AGENT_DOWN)],
            id="a new boot after a shutdown mark",
        ),
        pytest.param(
            Evidence(
                outages=[outage(100, 0)],
                marks=[*BEGAN, mark(3, AGENT_STARTED, 150, boot=2, alive_s=130), mark(4, STARTED, 151, boot=2)],
            ),
            [(100, 130, R.CAMERA_UNREACHABLE), (130, 160, R.UNCLEAN_REBOOT)],
            id="an outage is believed while its process lived",
        ),
        pytest.param(
            Evidence(
                outages=[outage(100, 0), outage(150, 160, R.CAMERA_REFUSED)], marks=[*BEGAN, mark(3, STARTED, 140)]
            ),
            [(100, 140, R.CAMERA_UNREACHABLE), (140, 150, R.CAPTURE_CRASHED), (150, 160, R.CAMERA_REFUSED)],
            id="a process that crashed during an outage",
        ),
        pytest.param(Evidence(expired=[span(100, 160)]), [(100, 160, R.EXPIRED)], id="retention deleted it"),
        pytest.param(
            Evidence(expired=[span(100, 120)], outages=[outage(120, 160)]),
            [(100, 120, R.EXPIRED), (120, 160, R.CAMERA_UNREACHABLE)],
            id="an outage next to deleted footage",
        ),
        pytest.param(
            Evidence(in_service=[span(-10, 110), span(150, 0)], outages=[outage(100, 110), outage(150, 160)]),
            [(100, 110, R.CAMERA_UNREACHABLE), (110, 150, R.NOT_PROVISIONED), (150, 160, R.CAMERA_UNREACHABLE)],
            id="the camera was out of service for a while",
        ),
    ],
)
def test_a_hole_between_two_runs_has_the_reason_its_evidence_gives(
    evidence: Evidence, expected: list[tuple[float, float, GapReason]]
) -> None:
    boot = 2 if any(each.boot == 2 for each in evidence.marks) else 1
    recorded = [BEFORE, footage(160, 200, boot=boot, run=2 if boot == 1 else 1)]
    assert told(explain(span(50, 170), recorded, evidence, NOW)) == expected


def test_a_camera_that_was_away_when_the_agent_began_is_away_and_not_the_agent() -> None:
    # The camera's process finds nobody before the node has started and heard its hello.
    marks = [mark(1, AGENT_STARTED, 100.4), mark(2, STARTED, 100.6)]
    never = Outage(int(100 * S), 0, 1, R.CAMERA_UNREACHABLE, "", seq=3)
    service = [WallSpan(100 * S, 0)]
    gaps = explain(span(100, 160), [], Evidence([never], marks, in_service=service), 160 * S)
    assert told(gaps) == [(100, 160, R.CAMERA_UNREACHABLE)]


def test_a_node_that_began_anew_a_moment_ago_makes_no_gap_of_what_its_camera_records() -> None:
    marks = [*BEGAN, mark(3, AGENT_STARTED, 101)]
    gaps = explain(span(0, 102), [BEFORE], Evidence(marks=marks), 102 * S)
    assert told(gaps) == [(100, 102, R.NOT_YET)]


def test_a_camera_process_that_began_anew_a_moment_ago_makes_one() -> None:
    marks = [*BEGAN, mark(3, STARTED, 101)]
    gaps = explain(span(0, 102), [BEFORE], Evidence(marks=marks), 102 * S)
    assert told(gaps) == [(100, 102, R.CAPTURE_CRASHED)]


def test_an_outage_ends_with_the_process_that_told_it() -> None:
    marks = [*BEGAN, mark(4, STARTED, 150)]
    never = Outage(int(100 * S), 0, 1, R.CAMERA_UNREACHABLE, "", seq=3)
    gaps = explain(span(0, 200), [BEFORE, AFTER], Evidence([never], marks), NOW)
    assert told(gaps)[0] == (100, 150, R.CAMERA_UNREACHABLE)


def test_a_hole_is_judged_as_a_whole_where_the_asked_span_cuts_it() -> None:
    evidence = Evidence(marks=[*BEGAN, mark(3, STARTED, 150)])
    assert told(explain(span(110, 120), [BEFORE, AFTER], evidence, NOW)) == [(110, 120, R.CAPTURE_CRASHED)]


def test_the_footage_tells_of_a_reboot_when_the_ledger_was_lost() -> None:
    recorded = [BEFORE, footage(160, 200, boot=2)]
    assert told(explain(span(0, 200), recorded, Evidence(), NOW)) == [(100, 160, R.UNCLEAN_REBOOT)]


def test_today_ends_with_what_is_not_yet() -> None:
    gaps = explain(DAY, [footage(0, 1000)], Evidence(in_service=[span(0, 0)]), 1002 * S)
    assert told(gaps) == [(1000, 1002, R.NOT_YET), (1002, 86_400, R.NOT_YET)]


def test_a_live_cameras_newest_seconds_are_not_yet_on_disk_but_a_minute_is_missing() -> None:
    late = explain(DAY, [footage(0, 1000)], Evidence(), 1060 * S)
    assert told(late)[0] == (1000, 1060, R.CAUSE_UNKNOWN)


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        (Evidence(is_agent_running=False), R.AGENT_DOWN),
        (Evidence(is_agent_running=False, is_same_boot=False), R.UNCLEAN_REBOOT),
        (Evidence(marks=[*BEGAN, mark(3, AGENT_STOPPED, 1000.5)], is_agent_running=False), R.AGENT_DOWN),
        (
            Evidence(
                marks=[*BEGAN, mark(3, AGENT_STOPPED, 1000.5)],
                is_agent_running=False,
                is_same_boot=False,
            ),
            R.AGENT_DOWN,
        ),
    ],
)
def test_a_ring_whose_agent_does_not_run_says_so(evidence: Evidence, reason: GapReason) -> None:
    assert told(explain(DAY, [footage(0, 1000)], evidence, 2000 * S))[0] == (1000, 2000, reason)


def test_a_camera_that_was_just_configured_was_not_provisioned_before() -> None:
    evidence = Evidence(in_service=[span(500, 0)], marks=[mark(1, AGENT_STARTED, 499), mark(3, STARTED, 501)])
    gaps = told(explain(span(0, 1000), [footage(503, 1000)], evidence, NOW))
    assert gaps == [(0, 500, R.NOT_PROVISIONED), (500, 503, R.AGENT_DOWN)]


def test_footage_from_before_the_first_known_configuration_means_that_it_was_lost() -> None:
    evidence = Evidence(in_service=[span(500, 0)])
    gaps = told(explain(span(0, 1000), [footage(0, 100), footage(600, 1000, run=2)], evidence, NOW))
    assert gaps == [(100, 600, R.CAUSE_UNKNOWN)]


def test_segments_of_one_run_join_and_those_of_two_do_not() -> None:
    assert covered([footage(0, 59.96), footage(60, 120, n=1)]) == (span(0, 120),)
    assert covered([footage(0, 59.96), footage(60, 120, run=2)]) == (span(0, 59.96), span(60, 120))
    assert covered([footage(0, 59.96), footage(60, 120, n=2)]) == (span(0, 59.96), span(60, 120))


def test_an_outage_within_a_run_parts_its_segments() -> None:
    recorded = [footage(0, 60), footage(75, 120, n=1)]
    gaps = explain(span(0, 120), recorded, Evidence(outages=[outage(60, 75, R.DISK_SLOW)]), NOW)
    assert told(gaps) == [(60, 75, R.DISK_SLOW)]


def test_footage_recorded_twice_after_a_step_back_counts_once() -> None:
    assert covered([footage(0, 100), footage(40, 140, run=2)]) == (span(0, 140),)


instants = st.integers(0, 400).map(lambda tenths: tenths / 10)
spans = st.tuples(instants, instants).map(sorted).filter(lambda pair: pair[0] < pair[1])
recordings = st.lists(
    st.builds(
        lambda pair, boot, run, n: footage(*pair, boot=boot, run=run, n=n),
        spans,
        st.integers(1, 3),
        st.integers(1, 3),
        st.integers(0, 3),
    ),
    max_size=8,
)
evidences = st.builds(
    lambda outages, kinds, expired, service, runs: Evidence(
        outages=[outage(start, end if ended else 0, reason) for (start, end), ended, reason in outages],
        marks=[mark(seq, kind, at, boot=boot, alive_s=alive) for seq, (kind, at, boot, alive) in enumerate(kinds, 1)],
        expired=[span(*pair) for pair in expired],
        in_service=[span(start, end if ended else 0) for (start, end), ended in service],
        is_agent_running=runs,
    ),
    st.lists(st.tuples(spans, st.booleans(), st.sampled_from(list(GapReason))), max_size=4),
    st.lists(st.tuples(st.sampled_from(list(MarkKind)), instants, st.integers(1, 3), instants), max_size=6),
    st.lists(spans, max_size=3),
    st.lists(st.tuples(spans, st.booleans()), max_size=2),
    st.booleans(),
)


@given(recordings, evidences, spans, instants)
def test_footage_and_gaps_fill_the_span_exactly_whatever_the_evidence(
    recorded: list[Recorded], evidence: Evidence, asked: list[float], now_s: float
) -> None:
    whole = span(*asked)
    gaps = explain(whole, recorded, evidence, int(now_s * S))
    missing = subtract(whole, covered(recorded, evidence.outages))
    assert sum(gap.span.duration_ns for gap in gaps) == sum(hole.duration_ns for hole in missing)
    assert all(gap.end_wall_ns > gap.start_wall_ns for gap in gaps)
    assert all(before.end_wall_ns <= after.start_wall_ns for before, after in pairwise(gaps))
    assert subtract(whole, [*covered(recorded, evidence.outages), *(gap.span for gap in gaps)]) == ()
