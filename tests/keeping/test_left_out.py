"""What was left out on purpose is not_scheduled, whatever ran meanwhile, and nothing else is; and every day adds up."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from agent.config import decode_config
from agent.recording.account import account
from agent.recording.gaps import Evidence, GapReason, Outage, Recorded, covered, explain
from agent.recording.marks import Mark, MarkKind
from agent.recording.plans import current
from agent.recording.policy import CameraPolicy, InForce, Policy, left_out, policy_of
from agent.recording.records import AgentStarted, AgentStopped, Configured, ProcessStarted, ProcessStopped
from agent.recording.recovery import recover
from agent.recording.schedule import WEEKDAYS, Hours
from agent.store import open_store
from agent.units import DAY_S, NS_PER_S, WallSpan, day_span, format_rfc3339, union
from tests.clip.footage import START_NS
from tests.recording.ring import Ring

S = NS_PER_S
R = GapReason
DAY = date(2026, 11, 22)
NIGHTS = Hours(WEEKDAYS, "18:00", "06:00")


def policy(*hours: Hours, zone: str = "Asia/Bangkok", record: str = "schedule") -> Policy:
    camera = CameraPolicy(camera="c01", keep_days=30, record=record, hours=hours)
    return Policy(max_bytes=10**12, min_free_bytes=0, keep_days=30, timezone=zone, cameras=(camera,))


def test_hours_rule_from_the_moment_in_which_they_were_taken_into_service() -> None:
    day = day_span(DAY, ZoneInfo("Asia/Bangkok"))
    noon_ns = day.start_ns + 12 * 3600 * S
    history = [InForce(day.start_ns - S, policy(record="continuous")), InForce(noon_ns, policy(NIGHTS))]
    assert left_out(history, "c01", day) == (WallSpan(noon_ns, day.start_ns + 18 * 3600 * S),)
    assert left_out(history, "c02", day) == ()
    assert left_out([], "c01", day) == ()


def test_a_configuration_is_kept_as_its_policy() -> None:
    text = """
data_dir = "/d"
runtime_dir = "/r"
[node]
org = "o"
site = "s"
id = "n"
[storage]
keep_days = 14
endurance = "180TB"
service_until = 2031-12-31
[[camera]]
id = "c01"
main = "file:x.mp4"
record = "schedule"
keep_days = 7
max_bytes = "100GB"
[[camera.hours]]
days = ["mon", "fri"]
from = "18:00"
to = "06:00"
[[camera]]
id = "c02"
main = "file:x.mp4"
record = "around_incidents"
around = { before_s = 5, after_s = 20 }
"""
    made = policy_of(decode_config(text, name="t"))
    first, second = made.cameras
    assert (first.keep_days, first.max_bytes, first.record) == (7, 100 * 10**9, "schedule")
    assert first.hours == (Hours(("mon", "fri"), "18:00", "06:00"),)
    assert (second.keep_days, second.before_s, second.after_s) == (14, 5.0, 20.0)
    assert (made.endurance_bytes, made.service_until) == (180 * 10**12, "2031-12-31")
    assert made.of("gone").keep_days == 14
    assert msgspec.json.decode(msgspec.json.encode(made), type=Policy) == made


def test_a_night_in_which_nothing_ran_is_still_left_out_on_purpose(ring: Ring) -> None:
    """Stopped within its hours, started again outside of them: agent_down ends where the hours end."""
    end_ns = START_NS - 10 * S
    hours = Hours(WEEKDAYS, "00:00", format_rfc3339(end_ns, ZoneInfo("Asia/Bangkok"))[11:16])
    end_ns -= end_ns % (60 * S)
    asked = WallSpan(end_ns - 60 * S, end_ns + 30 * S)
    configured = Configured(
        cameras=("c01",), timezone="Asia/Bangkok", org="o", site="s", node="n", policy=policy(hours)
    )
    starts = AgentStarted(boot_id="b"), ProcessStarted(process="camera", camera="c01")
    from_end_s = (end_ns - START_NS) / S
    ring.note(configured, *starts, at_s=from_end_s - 100)
    ring.index(ring.record(from_end_s - 60))
    ring.note(ProcessStopped(process="camera", camera="c01"), AgentStopped(), at_s=from_end_s - 56)
    ring.note(configured, *starts, at_s=from_end_s + 20)
    (made,) = account(ring.conn, ring.data_dir, ["c01"], asked, end_ns + 60 * S)
    assert [(gap.reason, (gap.start_wall_ns - end_ns) / S, (gap.end_wall_ns - end_ns) / S) for gap in made.gaps] == [
        (R.AGENT_DOWN, -56, 0),
        (R.NOT_SCHEDULED, 0, 30),
    ]
    assert made.recorded_s == 4


def test_hours_survive_a_lost_store(ring: Ring) -> None:
    ring.note(Configured(cameras=("c01",), timezone="Asia/Bangkok", org="o", site="s", node="n", policy=policy(NIGHTS)))
    before = current(ring.conn)
    ring.close()
    (ring.data_dir / "store.sqlite").unlink()
    recover(ring.data_dir)
    conn = open_store(ring.data_dir)
    assert current(conn) == before == policy(NIGHTS)
    conn.close()
    ring.conn = open_store(ring.data_dir)


def test_a_node_that_starts_with_what_it_had_writes_no_new_policy(ring: Ring) -> None:
    for made in (policy(NIGHTS), policy(NIGHTS), policy()):
        ring.note(Configured(cameras=("c01",), timezone="Asia/Bangkok", org="o", site="s", node="n", policy=made))
    assert ring.conn.execute("SELECT count(*) FROM policy").fetchone() == (2,)


seconds = st.integers(-DAY_S // 2, DAY_S + DAY_S // 2)
spans = st.tuples(seconds, st.integers(1, 20_000)).map(lambda each: WallSpan(each[0] * S, (each[0] + each[1]) * S))
clocks = st.integers(0, 23 * 60 + 59).map(lambda minute: f"{minute // 60:02d}:{minute % 60:02d}")
hours = st.builds(
    lambda days, start, end: Hours(tuple(sorted(days)), start, end if end != start else "24:00"),
    st.sets(st.sampled_from(WEEKDAYS), min_size=1),
    clocks,
    clocks,
)
reasons = st.sampled_from([R.CAMERA_UNREACHABLE, R.DISK_FULL, R.NOT_SCHEDULED, R.CLOCK_STEP])


@given(
    st.sampled_from(["continuous", "schedule", "around_incidents"]),
    st.lists(hours, min_size=1, max_size=3),
    st.sampled_from(["Asia/Bangkok", "America/New_York"]),
    st.sampled_from([date(2026, 11, 22), date(2026, 3, 8), date(2026, 11, 1)]),
    st.lists(spans, max_size=8),
    st.lists(st.tuples(spans, reasons, st.booleans()), max_size=6),
    st.lists(st.tuples(st.sampled_from(MarkKind), seconds), max_size=6),
    st.integers(-1000, DAY_S + 1000),
)
def test_every_cameras_day_adds_up_in_every_mode(
    record: str,
    windows: list[Hours],
    zone: str,
    day: date,
    recorded: list[WallSpan],
    told: list[tuple[WallSpan, GapReason, bool]],
    marked: list[tuple[MarkKind, int]],
    now_s: int,
) -> None:
    whole = day_span(day, ZoneInfo(zone))
    now_ns = whole.start_ns + now_s * S
    history = [InForce(whole.start_ns - DAY_S * S, policy(*windows, zone=zone, record=record))]

    def at(span: WallSpan) -> WallSpan:
        return WallSpan(whole.start_ns + span.start_ns, whole.start_ns + span.end_ns)

    footage = [
        Recorded(WallSpan(span.start_ns, min(span.end_ns, now_ns)), 1, run, 0)
        for run, span in enumerate(map(at, recorded))
        if span.start_ns < now_ns
    ]
    outages = [
        Outage(span.start_ns, 0 if lasts else span.end_ns, 1, reason, "") for (each, reason, lasts) in told
        for span in [at(each)]
    ]  # fmt: skip
    marks = [Mark(seq, kind, 1, whole.start_ns + at_s * S) for seq, (kind, at_s) in enumerate(marked, 1)]
    off = left_out(history, "c01", WallSpan(whole.start_ns - DAY_S * S, whole.end_ns + DAY_S * S))
    gaps = explain(whole, footage, Evidence(outages, marks, unscheduled=off), now_ns)
    parts = [part for each in covered(footage, outages) if (part := each.intersection(whole)) is not None]
    filled = sorted([*parts, *(gap.span for gap in gaps)])
    assert sum(each.duration_ns for each in filled) == whole.duration_ns
    assert union(filled) == (whole,)
    assert all(before.end_ns <= after.start_ns for before, after in pairwise(filled))
    hours_of_day = {"Asia/Bangkok": 24.0}.get(zone)
    assert hours_of_day is None or whole.duration_s == 86_400
    # Outside its hours nothing else is blamed, and within them nobody hides behind the schedule but who said so.
    for gap in gaps:
        if gap.reason in (R.NOT_YET, R.EXPIRED):
            continue
        left = [each for each in off if each.overlaps(gap.span)]
        assert not left or gap.reason is R.NOT_SCHEDULED
