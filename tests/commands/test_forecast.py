"""What a node foresees is said on request, and raised as an alert before a promise breaks."""

from __future__ import annotations

import threading
from dataclasses import replace

from agent.commands.outlook import look
from agent.contract.commands import AnswerState
from agent.contract.keeping import ForecastResult
from agent.contract.wire import decode
from agent.messaging.alarm import Alarm, AlarmKind
from agent.processes.foresight import changes, details, keep_outlook
from agent.recording.policy import CameraPolicy, Policy
from agent.recording.records import Configured
from agent.store import open_store
from agent.units import DAY_S, NS_PER_S
from tests.clip.footage import START_NS, Where
from tests.commands.desk import CAMERAS, Node, at

HOUR_S = 3600


def rule(node: Node, max_bytes: int, **changes: object) -> None:
    own = tuple(CameraPolicy(camera=camera, keep_days=30) for camera in CAMERAS)
    policy = Policy(
        max_bytes=max_bytes, min_free_bytes=0, keep_days=30, timezone="Asia/Bangkok", cameras=own, **changes
    )
    node.ring.note(Configured(cameras=CAMERAS, timezone="Asia/Bangkok", org="o", site="s", node="n", policy=policy))


def a_day(node: Node) -> int:
    """A segment an hour; returns what a day of it takes."""
    made = [node.ring.record(HOUR_S * n, Where(n=n)) for n in range(1, 24)]
    node.ring.index(*made)
    node.ring.clock.now_wall_ns = START_NS + DAY_S * NS_PER_S
    return sum(each.scan.size_bytes for each in made) + made[0].scan.size_bytes


def test_the_forecast_says_what_will_be_kept_of_what_was_promised(node: Node) -> None:
    per_day = a_day(node)
    rule(node, max_bytes=10 * per_day, endurance_bytes=per_day * 1000, service_until="2032-01-01")
    hold = node.ask("hold.set", {"camera": "c01", "from": at(0), "to": at(3), "days": 9, "reviewer": "mali"})
    answer = node.ask("forecast")
    assert answer.state is AnswerState.SUCCEEDED
    found = decode(answer.result, ForecastResult)
    first, second = found.cameras
    assert (first.camera, first.promised_days, first.is_short, first.oldest) == ("c01", 30, True, at(0))
    assert first.days is not None
    assert 9.5 < first.days <= 10
    assert (second.camera, second.days, second.is_short) == ("c02", None, False)
    assert found.endurance.rated_bytes == per_day * 1000
    assert found.endurance.is_short, "a thousand days are not six years"
    assert [(each.hold_id, each.reviewer) for each in found.holds] == [(hold.jti, "mali")]
    assert 0 < found.staff_share.bytes < found.staff_share.limit_bytes == int(4 * per_day)
    only = decode(node.ask("forecast", {"camera": "c02"}).result, ForecastResult)
    assert ([each.camera for each in only.cameras], only.holds) == (["c02"], ())


def test_alerts_come_before_the_promise_breaks_and_go_when_it_holds_again(node: Node) -> None:
    per_day = a_day(node)
    told: list[Alarm] = []
    heard = threading.Semaphore(0)

    def hear(alarm: Alarm) -> None:
        told.append(alarm)
        heard.release()

    rule(node, max_bytes=10 * per_day, endurance_bytes=1000, service_until="2032-01-01")
    node.ask("hold.set", {"camera": "c01", "from": at(0), "to": at(3), "days": 7, "reviewer": "mali"})
    stop = threading.Event()
    stage = threading.Thread(
        target=keep_outlook,
        args=(node.facts.data_dir, lambda: open_store(node.facts.data_dir), node.facts.clock, hear, stop),
    )
    stage.start()
    try:
        assert all(
            heard.acquire(timeout=20) for _ in AlarmKind if _.name in ("FOOTAGE_SHORT", "DISK_WEARING", "HOLD_DUE")
        )
    finally:
        stop.set()
        stage.join()
    words = {alarm.kind: alarm.detail for alarm in told if alarm.is_active}
    assert "c01" in words[AlarmKind.FOOTAGE_SHORT]
    assert "of 30 days" in words[AlarmKind.FOOTAGE_SHORT]
    assert "plan its exchange" in words[AlarmKind.DISK_WEARING]
    assert "to be looked at by mali" in words[AlarmKind.HOLD_DUE]

    raised = {alarm.kind: alarm.detail for alarm in told}
    rule(node, max_bytes=40 * per_day)
    now_ns = node.ring.clock.now_wall_ns
    seen = replace(look(node.ring.conn, node.facts.data_dir, now_ns, 0.0), staff=())
    over = changes(raised, details(seen, now_ns, was_short=True))
    assert {alarm.kind for alarm in over if not alarm.is_active} == set(words)
    assert changes(raised, details(seen, now_ns)) == []
