"""Erasing at a person's request: whole segments, never held ones, with a record that stays, whatever kills it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent.cli.footage import app
from agent.errors import EraseRefused
from agent.identity import new_uuid7
from agent.ledger import read_ledger
from agent.processes.granting import keep_wishes
from agent.recording import erasures, incidents
from agent.recording.account import camera_gaps
from agent.recording.book import camera_book
from agent.recording.chain import EraseLink, SegmentLink, read_link
from agent.recording.chain_fate import chain_fate
from agent.recording.custody import accesses
from agent.recording.cut import RecordedSegment
from agent.recording.erasure import EraseRequest, erase, finish, plan_erasure
from agent.recording.gaps import GapReason
from agent.recording.holds import incident_hold
from agent.recording.incidents import OpenIncident
from agent.recording.janitor import Janitor
from agent.recording.recovery import differences, recover
from agent.recording.retention import RetentionLimits
from agent.recording.seal import Sealer
from agent.store import open_store, transaction
from agent.units import WallSpan
from tests.clip.footage import START_NS, Where
from tests.recording.ring import Ring, S

MIDDLE = WallSpan(START_NS + 5 * S, START_NS + 9 * S)


@pytest.fixture
def segments(ring: Ring) -> list[RecordedSegment]:
    """Six segments of four seconds, chained."""
    made = [ring.record(4 * n, Where(n=n)) for n in range(6)]
    ring.index(*made)
    chains = sealer(ring)
    chains.chain_closed()
    chains.seal()
    return made


def sealer(ring: Ring) -> Sealer:
    stop = threading.Event()
    return Sealer(ring.data_dir, ring.conn, ring.clock, boot=1, signer=None, tell=lambda seal: None, stop=stop)


def request(span: WallSpan = MIDDLE) -> EraseRequest:
    return EraseRequest(new_uuid7(), "c01", span, "mali", "request of a data subject", "PDPA 7/2569")


def on_disk(ring: Ring, segments: list[RecordedSegment]) -> list[bool]:
    return [ring.path(segment).exists() for segment in segments]


def test_whole_segments_that_touch_the_span_go_and_their_record_stays(
    ring: Ring, segments: list[RecordedSegment]
) -> None:
    report = erase(ring.conn, ring.data_dir, ring.ledger, request())
    assert on_disk(ring, segments) == [True, False, False, True, True, True]
    assert (report.segments, report.span) == (2, WallSpan(START_NS + 4 * S, START_NS + 12 * S))
    assert differences(ring.conn, ring.data_dir) == []
    whole = WallSpan(START_NS, START_NS + 24 * S)
    (gap,) = camera_gaps(ring.conn, ring.data_dir, "c01", whole, START_NS + 60 * S)
    assert (gap.reason, gap.span) == (GapReason.ERASED, report.span)
    assert "by mali for request of a data subject, case PDPA 7/2569" in gap.evidence
    sealer(ring).seal()
    links = [read_link(line) for line in camera_book(ring.data_dir, "c01").lines()]
    assert sum(isinstance(link, SegmentLink) for link in links) == 6, "the erased segments' links stay"
    (told,) = (link for link in links if isinstance(link, EraseLink))
    assert (told.actor, told.segments, told.case_ref) == ("mali", 2, "PDPA 7/2569")
    assert (told.first, told.last) == (str(segments[1].name.path()), str(segments[2].name.path()))


def test_erased_segments_are_told_as_erased_and_others_that_vanish_as_missing(
    ring: Ring, segments: list[RecordedSegment]
) -> None:
    erase(ring.conn, ring.data_dir, ring.ledger, request())
    Janitor(
        ring.data_dir,
        ring.conn,
        ring.ledger,
        clock=ring.clock,
        limits=RetentionLimits(sum(each.scan.size_bytes for each in segments[3:]) + 100, 0, 30),
    ).sweep()
    assert on_disk(ring, segments)[0] is False
    assert on_disk(ring, segments)[4:] == [True, True]
    fate = chain_fate(ring.conn, ring.data_dir)
    assert (fate.missing, fate.expired) == ((), on_disk(ring, segments).count(False) - 2)
    assert "erased at" in fate.erased[0] and "by mali" in fate.erased[0]
    ring.path(segments[4]).unlink()
    assert chain_fate(ring.conn, ring.data_dir).missing == (str(segments[4].name.path()),)
    answer = run("verify", "--data", ring.data_dir)
    assert answer.exit_code == 1
    assert "nobody told of its deletion" in answer.output
    assert "erased at" in answer.output


def test_footage_under_hold_is_refused_with_the_hold_named_and_nothing_goes(
    ring: Ring, segments: list[RecordedSegment]
) -> None:
    # It keeps another part of the segment that would go whole.
    ring.note(incident_hold("i1", "c01", WallSpan(START_NS + 11 * S, START_NS + 12 * S), START_NS))
    with pytest.raises(EraseRefused, match="incident hold i1"):
        erase(ring.conn, ring.data_dir, ring.ledger, request())
    assert all(on_disk(ring, segments))
    assert [record.type for record in read_ledger(ring.data_dir)] == ["hold"]


def test_what_is_still_being_written_or_not_there_is_refused(ring: Ring, segments: list[RecordedSegment]) -> None:
    with transaction(ring.conn):
        ring.conn.execute("UPDATE segment SET state = 'open' WHERE n = 5")
    with pytest.raises(EraseRefused, match="still being written"):
        erase(ring.conn, ring.data_dir, ring.ledger, request(WallSpan(START_NS, START_NS + 24 * S)))
    with pytest.raises(EraseRefused, match="nothing of this span"):
        erase(ring.conn, ring.data_dir, ring.ledger, request(WallSpan(0, S)))
    assert all(on_disk(ring, segments))


def test_the_stills_of_the_span_go_too(ring: Ring, segments: list[RecordedSegment]) -> None:
    names = [new_uuid7(), new_uuid7()]
    with transaction(ring.conn):
        for name, at_s in zip(names, (6, 20), strict=True):
            incident = OpenIncident(name, "c01", b"{}")
            incidents.note(ring.conn, incident, session="s", is_open=False, begin_wall_ns=START_NS + at_s * S,
                           has_still=True)  # fmt: skip
            incidents.write_still(ring.data_dir, name, b"jpeg")
    report = erase(ring.conn, ring.data_dir, ring.ledger, request())
    assert report.stills == 1
    assert [(ring.data_dir / "stills" / f"{name}.jpg").exists() for name in names] == [False, True]
    assert incidents.read_still(ring.conn, ring.data_dir, names[0]) is None


def test_the_same_request_erases_once(ring: Ring, segments: list[RecordedSegment]) -> None:
    wanted = request()
    one = erase(ring.conn, ring.data_dir, ring.ledger, wanted)
    assert erase(ring.conn, ring.data_dir, ring.ledger, wanted) == one
    assert [record.type for record in read_ledger(ring.data_dir)] == ["erased"]


_KILLED = """
import os, signal, sys
from pathlib import Path
from agent.clock import SystemClock
from agent.ledger import Ledger
from agent.recording import erasure, index, incidents
from agent.store import open_store
from agent.units import WallSpan

folder, step, start, end = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
left = [step]

def count(function):
    def counted(*args, **kwargs):
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return function(*args, **kwargs)
    return counted

Path.unlink = count(Path.unlink)
erasure.sync_folder = count(erasure.sync_folder)
index.forget = count(index.forget)
erasure.finish = count(erasure.finish)
conn = open_store(folder)
ledger = Ledger(folder, SystemClock(), boot=1)
request = erasure.EraseRequest("0" * 36, "c01", WallSpan(start, end), "mali", "on request")
erasure.erase(conn, folder, ledger, request)
"""


@pytest.mark.parametrize("step", range(6))
def test_a_kill_at_any_step_is_gone_on_from(ring: Ring, segments: list[RecordedSegment], step: int) -> None:
    ring.ledger.close()
    arguments = [str(ring.data_dir), str(step), str(MIDDLE.start_ns), str(MIDDLE.end_ns)]
    done = subprocess.run([sys.executable, "-c", _KILLED, *arguments], capture_output=True, check=False)
    assert done.returncode == (-signal.SIGKILL if step < 5 else 0), done.stderr.decode()
    conn = open_store(ring.data_dir)
    finish(conn, ring.data_dir)
    assert on_disk(ring, segments) == [True, False, False, True, True, True]
    assert differences(conn, ring.data_dir) == []
    assert [row.data.segments for row in erasures.rows(conn)] == [2]
    assert chain_fate(conn, ring.data_dir).missing == ()
    conn.close()


def test_a_store_rebuilt_from_files_and_ledger_still_knows_who_erased(
    ring: Ring, segments: list[RecordedSegment]
) -> None:
    erase(ring.conn, ring.data_dir, ring.ledger, request())
    ring.ledger.close()
    ring.conn.close()
    for path in ring.data_dir.glob("store.sqlite*"):
        path.unlink()
    recover(ring.data_dir)
    conn = open_store(ring.data_dir)
    (gap,) = camera_gaps(conn, ring.data_dir, "c01", WallSpan(START_NS, START_NS + 24 * S), START_NS + 60 * S)
    assert gap.reason is GapReason.ERASED
    assert "by mali" in gap.evidence
    conn.close()


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def erase_command(ring: Ring, *more: str) -> Result:
    times = ("--from", "2026-11-22T14:03:05Z", "--to", "2026-11-22T14:03:09Z")
    return run("erase", "--data", ring.data_dir, "--camera", "c01", *times, "--purpose", "asked for",
               "--actor", "mali", "--case", "7", *more)  # fmt: skip


def test_the_command_asks_first_and_notes_who_tried(ring: Ring, segments: list[RecordedSegment]) -> None:
    ring.ledger.close()
    asked = erase_command(ring)
    assert asked.exit_code == 2
    assert "2 whole segments" in asked.output
    assert all(on_disk(ring, segments))
    answer = json.loads(erase_command(ring, "--yes", "--json").stdout)
    assert (answer["segments"], answer["actor"]) == (2, "mali")
    assert on_disk(ring, segments) == [True, False, False, True, True, True]
    noted = [(link.act, link.outcome, link.actor, link.case_ref) for link in accesses(ring.data_dir)]
    assert noted == [("erased", "begun", "mali", "7"), ("erased", "done", "mali", "7")]


def test_a_refused_erasure_is_noted_too(ring: Ring, segments: list[RecordedSegment]) -> None:
    ring.note(incident_hold("i1", "c01", MIDDLE, START_NS))
    ring.ledger.close()
    refused = erase_command(ring, "--yes")
    assert refused.exit_code == 1
    assert "incident hold i1" in refused.output
    assert [(link.act, link.outcome, link.detail) for link in accesses(ring.data_dir)] == [
        ("erased", "refused", "held")
    ]


def test_a_running_node_carries_it_out_for_the_command(ring: Ring, segments: list[RecordedSegment]) -> None:
    stop = threading.Event()
    node = threading.Thread(
        target=keep_wishes, args=(ring.data_dir, lambda: open_store(ring.data_dir), ring.ledger, stop, ring.clock)
    )
    node.start()
    try:
        answer = json.loads(erase_command(ring, "--yes", "--json").stdout)
    finally:
        stop.set()
        node.join()
    assert answer["segments"] == 2
    assert on_disk(ring, segments) == [True, False, False, True, True, True]
    assert list((ring.data_dir / "wishes").iterdir()) == []
    assert [record.type for record in read_ledger(ring.data_dir)] == ["erased"]


def test_a_plan_changes_nothing(ring: Ring, segments: list[RecordedSegment]) -> None:
    plan = plan_erasure(ring.conn, "c01", MIDDLE)
    assert [row.n for row in plan.doomed] == [1, 2]
    assert all(on_disk(ring, segments))
