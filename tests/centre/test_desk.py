"""`wayside centre` against a whole agent and a real broker: what people see, and the exit codes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.centre.client import CentreClient, CentreOptions, Request
from agent.centre.collector import Collector, CollectorOptions
from agent.centre.eventstore import EventStore
from agent.centre.requestlist import read_requests, score
from agent.cli.commands import build
from agent.contract.commands import Answer, AnswerState, CommandName
from agent.contract.requests import ClipExportArgs
from agent.contract.topics import NodeAddress
from agent.identity import new_uuid7
from agent.recording.clipfile import verify_clip
from agent.units import NS_PER_S, format_rfc3339
from tests.broker import MOSQUITTO, Broker, unused_port, wait_until
from tests.centre.test_footage_guide import words
from tests.commands.lines import never_takes
from tests.faults.rig import ROOT, AgentUnderTest

NODE = "test-org/test-site/test-node"


@dataclass(frozen=True, slots=True)
class Said:
    code: int
    out: str
    err: str


def desk(broker: str, *argv: str) -> Said:
    environment = {**os.environ, "WAYSIDE_BROKER": broker, "NO_COLOR": "1", "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-m", "agent", "centre", *argv],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment,
    )
    return Said(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True, slots=True)
class Site:
    broker: Broker
    agent: AgentUnderTest
    start_ns: int


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An agent with one camera, no vision, and some seconds of footage."""
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    folder = tmp_path_factory.mktemp("site")
    (folder / "broker").mkdir()
    broker = Broker(folder / "broker", "allow_anonymous true")
    broker.start()
    try:
        with AgentUnderTest(folder / "agent", broker=broker, vision=False, segment_s=2.0) as agent:
            agent.wait_for_footage("c01", 60)
            yield Site(broker, agent, agent.runs("c01")[0].start_wall_ns)
    finally:
        broker.stop()


def pull(site: Site, out: Path, start_ns: int, end_ns: int, *more: str) -> Said:
    span = ("--from", format_rfc3339(start_ns), "--to", format_rfc3339(end_ns))
    about = ("--node", NODE, "--camera", "c01", "--purpose", "test", "--out", str(out))
    return desk(site.broker.url, "pull", *about, *span, *more)


def test_a_whole_clip_exits_0_and_is_verified(site: Site, tmp_path: Path) -> None:
    out = tmp_path / "clip.mp4"
    said = pull(site, out, site.start_ns, site.start_ns + 3 * NS_PER_S)
    assert (said.code, said.err) == (0, "")
    assert "verified" in said.out
    assert verify_clip(out).duration_s >= 3


def test_a_clip_that_reaches_into_the_future_exits_3_and_names_the_part(site: Site, tmp_path: Path) -> None:
    said = pull(site, tmp_path / "clip.mp4", site.start_ns, time.time_ns() + 3_600 * NS_PER_S, "--json")
    told = json.loads(said.out)
    assert (said.code, told["state"]) == (3, "partial")
    assert "not_yet" in {gap["reason"] for gap in told["result"]["gaps"]}
    assert told["files"][0]["sha256"] == told["result"]["files"][0]["sha256"]


def test_nothing_recorded_exits_1_and_says_why(site: Site, tmp_path: Path) -> None:
    said = pull(site, tmp_path / "clip.mp4", site.start_ns - 60 * NS_PER_S, site.start_ns - 30 * NS_PER_S)
    assert said.code == 1
    assert "nothing_recorded" in said.err
    assert "missing" in said.out
    assert not (tmp_path / "clip.mp4").exists()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"--from": "2569-11-22T14:03:00+07:00"}, "write 2026-11-22T14:03:00+07:00"),
        ({"--from": "2026-11-22T14:03:00"}, "add the offset"),
        ({"--camera": "c09"}, "the cameras of this node are: c01"),
        ({"--out": "/nowhere/clip.mp4"}, "a folder that exists"),
        ({"--node": "nobody"}, "wayside centre fleet"),
        ({"--protocol": "4"}, "5 or 3.1.1"),
    ],
)
def test_a_wrong_wish_exits_2_and_says_what_to_write(
    site: Site, tmp_path: Path, changes: dict[str, str], says: str
) -> None:
    wish = {
        "--node": NODE,
        "--camera": "c01",
        "--from": format_rfc3339(site.start_ns),
        "--to": format_rfc3339(site.start_ns + NS_PER_S),
        "--purpose": "test",
        "--out": str(tmp_path / "clip.mp4"),
        **changes,
    }
    said = desk(site.broker.url, "pull", *(word for pair in wish.items() for word in pair))
    assert said.code == 2, said
    assert says in said.err
    assert "Traceback" not in said.err


def test_gaps_of_a_day_add_up_as_json_and_for_people(site: Site) -> None:
    today = format_rfc3339(time.time_ns() + 7 * 3_600 * NS_PER_S)[:10]
    said = desk(site.broker.url, "gaps", "--node", NODE, "--day", today, "--json")
    assert said.code == 0, said
    (camera,) = json.loads(said.out)["cameras"]
    assert camera["recorded_s"] + sum(gap["seconds"] for gap in camera["gaps"]) == pytest.approx(86_400, abs=0.1)
    people = desk(site.broker.url, "gaps", "--node", "test-node", "--day", today)
    assert "c01:" in people.out
    assert desk(site.broker.url, "gaps", "--node", NODE, "--day", "22.11.2026").code == 2


def test_a_camera_that_nobody_sees_for_has_a_snapshot(site: Site, tmp_path: Path) -> None:
    said = desk(site.broker.url, "snapshot", "--node", NODE, "--camera", "c01", "--out", str(tmp_path / "a.jpg"))
    assert said.code == 0, said
    assert (tmp_path / "a.jpg").read_bytes().startswith(b"\xff\xd8")


def test_the_fleet_names_the_node_its_standing_and_its_cameras(site: Site) -> None:
    said = desk(site.broker.url, "fleet", "--json")
    (row,) = json.loads(said.out)["nodes"]
    assert (said.code, row["presence"], row["cameras"], row["cameras_streaming"]) == (0, "online", 1, 1)
    assert "test-site/test-node" in desk(site.broker.url, "fleet").out


def test_watching_shows_state_and_events(site: Site) -> None:
    said = desk(site.broker.url, "watch", "--seconds", "3")
    assert said.code == 0
    assert "test-site/test-node online" in said.out
    assert desk(site.broker.url, "watch", "--timezone", "Moon/Sea").code == 2


def test_a_node_that_is_away_exits_1_and_says_where_to_look(site: Site, tmp_path: Path) -> None:
    argv = ("gaps", "--node", "o/s/away", "--day", "2026-11-22", "--timeout", "2")
    said = desk(site.broker.url, *argv)
    assert said.code == 1
    assert "wayside centre fleet" in said.err
    about = ("--node", "o/s/away", "--camera", "c01", "--purpose", "x", "--out", str(tmp_path / "a.mp4"))
    span = ("--from", format_rfc3339(site.start_ns), "--to", format_rfc3339(site.start_ns + NS_PER_S))
    said = desk(site.broker.url, "pull", *about, *span, "--timeout", "2")
    assert said.code == 1
    assert "wayside centre fleet" in said.err


def test_a_broker_that_is_away_exits_1_with_what_to_check() -> None:
    said = desk(f"mqtt://127.0.0.1:{unused_port()}", "fleet")
    assert said.code == 1
    assert "check the broker's address" in said.err


def test_an_address_that_is_none_exits_2() -> None:
    said = desk("centre.example", "fleet")
    assert said.code == 2
    assert "mqtts://host:8883" in said.err


def test_a_clip_on_its_way_is_cancelled_from_another_desk(site: Site) -> None:
    answers: list[Answer] = []
    with never_takes() as receiver:
        start_ns = site.start_ns
        args = ClipExportArgs(
            camera="c01",
            start=format_rfc3339(start_ns),
            end=format_rfc3339(start_ns + 2 * NS_PER_S),
            upload_url=receiver.url,
            upload_method="tus",
        )
        asked = Request(NodeAddress(*NODE.split("/")), CommandName.CLIP_EXPORT, args, "test", jti=new_uuid7())
        client = CentreClient(CentreOptions(site.broker.url))
        client.connect()
        waiting = threading.Thread(target=lambda: answers.append(client.ask(asked)), name="asking")
        waiting.start()
        assert receiver.tried.wait(30)
        said = desk(site.broker.url, "cancel", "--node", NODE, "--jti", asked.jti, "--json")
        waiting.join()
        client.close()
    assert said.code == 0, said.err
    assert json.loads(said.out)["was_running"] is True
    assert [(answer.jti, answer.state) for answer in answers] == [(asked.jti, AnswerState.CANCELLED)]
    again = desk(site.broker.url, "cancel", "--node", NODE, "--jti", asked.jti)
    assert (again.code, again.out) == (0, "it had ended before: cancelled\n")
    unknown = desk(site.broker.url, "cancel", "--node", NODE, "--jti", new_uuid7())
    assert (unknown.code, "unknown_job" in unknown.err) == (2, True)
    assert desk(site.broker.url, "cancel", "--node", NODE, "--jti", "../x").code == 2


def test_footage_is_held_foretold_and_released_from_the_centre(site: Site) -> None:
    span = ("--from", format_rfc3339(site.start_ns), "--to", format_rfc3339(site.start_ns + NS_PER_S))
    about = ("--node", NODE, "--camera", "c01", "--purpose", "test", "--case", "7", "--reviewer", "mali")
    said = desk(site.broker.url, "hold", *about, *span, "--days", "90", "--json", "--actor", "somchai")
    assert said.code == 0, said
    held = json.loads(said.out)
    assert (held["hold"]["actor"], held["hold"]["reviewer"], held["hold"]["case_ref"]) == ("somchai", "mali", "7")
    foretold = json.loads(desk(site.broker.url, "forecast", "--node", NODE, "--json").out)
    assert [each["hold_id"] for each in foretold["holds"]] == [held["hold"]["hold_id"]]
    assert [each["camera"] for each in foretold["cameras"]] == ["c01"]
    release = ("release", "--node", NODE, "--hold", held["hold"]["hold_id"], "--purpose", "closed")
    assert desk(site.broker.url, *release).code == 0
    again = desk(site.broker.url, *release)
    assert (again.code, "unknown_hold" in again.err, "released by desk" in again.err) == (2, True, True)


def test_what_was_asked_at_any_desk_stands_in_the_centres_book(site: Site, tmp_path: Path) -> None:
    collector = Collector(CollectorOptions(url=site.broker.url, folder=tmp_path / "centre", client_id="ear"), print)
    collector.start()
    try:
        wait_until(lambda: collector.is_connected, "the broker is not met")
        wait_until(lambda: knows_node(tmp_path / "centre"), "the node is not heard")
        assert pull(site, tmp_path / "a.mp4", site.start_ns, site.start_ns + 2 * NS_PER_S).code == 0
        early_ns = site.start_ns - 60 * NS_PER_S
        assert pull(site, tmp_path / "b.mp4", early_ns, early_ns + NS_PER_S).code == 1
        told = json.loads(told_requests(tmp_path / "centre").out)
        wait_until(lambda: closed(tmp_path / "centre") == 2, f"not both ended: {told}")
    finally:
        collector.close()
    # A new centre is told again what other tests asked before it listened; what it overheard itself is these two.
    heard = [row for row in read_requests(tmp_path / "centre", time.time_ns()) if row.asked_wall_ns is not None]
    total = score(heard)
    assert (total.asked, total.got, total.refusals) == (2, 1, {"nothing_recorded": 1})
    told = json.loads(told_requests(tmp_path / "centre").out)
    assert {row.jti for row in heard} <= {each["jti"] for each in told["requests"]}
    assert all(row.answer_s is not None and row.answer_s >= 0 for row in heard)
    words = f"{told['total']['got']} of {told['total']['asked']} got what they asked for"
    assert words in told_requests(tmp_path / "centre", as_json=False).out


def told_requests(store: Path, *, as_json: bool = True) -> Said:
    return desk("", "requests", "--store", str(store), *(["--json"] if as_json else []))


def closed(store: Path) -> int:
    rows = read_requests(store, time.time_ns())
    return sum(not row.outcome.is_open and row.asked_wall_ns is not None for row in rows)


def knows_node(store: Path) -> bool:
    held = EventStore(store)
    try:
        return held.fact(f"wayside/v1/{NODE}/state") is not None
    finally:
        held.close()


def test_a_node_says_again_what_it_keeps_of_a_lane(site: Site) -> None:
    said = desk(site.broker.url, "republish", "--node", NODE, "--lane", "a", "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["count"] > 0
    said = desk(site.broker.url, "republish", "--node", NODE, "--lane", "a", "--from", "999999")
    assert (said.code, "keeps nothing" in said.out) == (0, True)


def test_erasing_wants_to_be_meant(site: Site) -> None:
    span = ("--from", format_rfc3339(site.start_ns), "--to", format_rfc3339(site.start_ns + NS_PER_S))
    about = ("--node", NODE, "--camera", "c01", "--purpose", "a test")
    said = desk(site.broker.url, "erase", *about, *span)
    assert (said.code, "--yes" in said.err) == (2, True)


def test_every_line_of_the_guide_to_footage_runs(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/footage.md; its lines for a node have a test beside this one."""
    monkeypatch.setenv("WAYSIDE_BROKER", site.broker.url)
    monkeypatch.chdir(tmp_path)

    def told(word: str) -> str:
        # The guide's minutes begin with this node's first footage.
        at = re.fullmatch(r"2026-11-22T1(\d):0\d:(\d\d)\+07:00", word)
        if at is not None:
            seconds = min(int(at[2]) + 60 * (int(at[1]) - 4), 2) if int(at[2]) != 3 else 0
            return format_rfc3339(site.start_ns + seconds * NS_PER_S)
        return NODE if word in ("n7f3k2q", "songkhla-pao/hatyai-012/n7f3k2q") else word

    app = build()
    for line in words("centre"):
        said = CliRunner().invoke(app, [*map(told, line)])
        match line[1]:
            case "sheet":  # this node's vision is off, and says so
                assert (said.exit_code, "switched off" in said.output) == (1, True), said.output
            case "cancel":  # this node was never asked for that clip
                assert (said.exit_code, "unknown_job" in said.output) == (2, True), said.output
            case _:
                assert said.exit_code == 0, (line, said.output)
    assert (tmp_path / "clip.mp4").exists()
