"""What the node believes of its cameras and of vision, and that a notice is stored whole or not at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from agent.contract.envelope import decode_envelope
from agent.contract.events import IncidentData, IncidentKind
from agent.contract.topics import NodeAddress
from agent.errors import SegmentDamaged, StoreError, WireError
from agent.ledger import read_ledger
from agent.link import LinkClient
from agent.link_server import LinkServer
from agent.mailbox import Mailbox
from agent.messaging.lanes import Origin
from agent.notices import CameraStatus, Finding, Hello, Notice, Outage, SegmentClosed, StreamCondition
from agent.processes.keeper import Keeper, KeeperFacts, Source
from agent.processes.reception import Arrived, Reception
from agent.recording import holds, incidents
from agent.units import NS_PER_S, format_rfc3339
from tests.broker import wait_until
from tests.clip.footage import START_NS
from tests.recording.ring import Ring

CAMERAS = frozenset({"c01", "c02"})
INCIDENT = "01939f3e-8a5b-7c3d-9e1f-0123456789ab"
HELD = (START_NS, START_NS + 20 * NS_PER_S)


class Desk:
    """A keeper over a real store and ledger."""

    def __init__(self, folder: Path) -> None:
        self.ring = Ring(folder)
        self.wakes = 0
        address = NodeAddress("o", "s", "n")
        facts = KeeperFacts(folder, CAMERAS, Origin(address, "boot", 1 << 30), self.ring.boot)
        self.keeper = Keeper(facts, self.ring.conn, self.ring.ledger, self.ring.clock, self._wake)

    def _wake(self) -> None:
        self.wakes += 1

    def events(self) -> list[tuple[str, str]]:
        rows = self.ring.conn.execute("SELECT payload FROM outbox_event ORDER BY id").fetchall()
        envelopes = [decode_envelope(row[0]) for row in rows]
        return [(each.type, each.subject) for each in envelopes]

    def counts(self) -> list[int]:
        tables = ("incident", "hold", "outbox_event", "segment", "outage")
        return [self.ring.conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.ring.close()


def incident(**changes: object) -> IncidentData:
    data = IncidentData(
        incident_id=INCIDENT,
        kind=IncidentKind.INTRUSION,
        zone="yard",
        begin_s=1.0,
        end_s=None,
        score=0.5,
        box=(0.1, 0.1, 0.2, 0.2),
        tracks=(1,),
        model="m@0123456789ab",
        begin=format_rfc3339(START_NS),
    )
    return msgspec.structs.replace(data, **changes)


def finding(data: IncidentData | None = None, phase: str = "opened", camera: str = "c01") -> Finding:
    return Finding(camera, f"incident.{phase}", msgspec.json.encode(data or incident()), *HELD)


def test_an_incident_is_held_pictured_and_told_at_once(desk: Desk) -> None:
    desk.keeper.finding(finding(), b"jpeg", "one")
    still = incidents.read_still(desk.ring.conn, desk.ring.data_dir, INCIDENT)
    (hold,) = holds.all_holds(desk.ring.conn)
    assert still is not None
    assert (still.jpeg, still.camera, still.wall_ns) == (b"jpeg", "c01", START_NS)
    assert (hold.hold_id, hold.span.start_ns, hold.span.end_ns) == (INCIDENT, *HELD)
    assert desk.events() == [("wayside.incident.opened.v1", "cam/c01")]
    assert desk.wakes == 1


@pytest.mark.parametrize(
    "bad",
    [
        Finding("c01", "incident.opened", b"{"),
        Finding("c01", "incident.opened", b"{}"),
        Finding("c01", "incident.exploded", b"{}"),
        Finding("c01", "motion", msgspec.json.encode(incident())),
        finding(incident(incident_id="../../etc/passwd")),
        finding(incident(incident_id="")),
        finding(incident(begin="2569-11-22T14:03:00Z")),
        finding(incident(begin="2026-13-22T14:03:00Z")),
        finding(incident(end="2026-11-31T14:03:00Z")),
    ],
)
def test_a_finding_with_bad_data_is_refused_and_nothing_is_stored(desk: Desk, bad: Finding) -> None:
    with pytest.raises(WireError):
        desk.keeper.finding(bad, b"jpeg", "one")
    assert desk.counts() == [0, 0, 0, 0, 0]
    assert list((desk.ring.data_dir / "stills").rglob("*.jpg")) == []


def test_a_still_beyond_the_contract_is_refused(desk: Desk) -> None:
    with pytest.raises(WireError):
        desk.keeper.finding(finding(), bytes(30_001), "one")
    assert desk.counts() == [0, 0, 0, 0, 0]


def test_hold_and_message_are_stored_together_or_not_at_all(desk: Desk) -> None:
    """A store that takes the hold and not the message: neither stays, and both come when it takes them again."""
    forbid = "CREATE TEMP TRIGGER full BEFORE INSERT ON outbox_event BEGIN SELECT raise(ABORT, 'full'); END"
    desk.ring.conn.execute(forbid)
    with pytest.raises(StoreError):
        desk.keeper.finding(finding(), b"jpeg", "one")
    assert desk.counts() == [0, 0, 0, 0, 0]
    desk.ring.conn.execute("DROP TRIGGER full")
    desk.keeper.finding(finding(), b"jpeg", "one")
    assert desk.counts()[:3] == [1, 1, 1]
    assert [record.type for record in read_ledger(desk.ring.data_dir)].count("hold") == 2


def test_incidents_that_a_dead_vision_left_open_are_closed_when_the_next_says_hello(desk: Desk) -> None:
    other = incident(incident_id=INCIDENT.replace("a", "b"))
    desk.keeper.greet(Hello("vision", 1, "one"))
    desk.keeper.finding(finding(), b"", "one")
    desk.keeper.finding(finding(other), b"", "one")
    desk.keeper.finding(finding(other, "closed"), b"", "one")
    desk.keeper.greet(Hello("vision", 1, "one"))
    assert [event for event, _ in desk.events()].count("wayside.incident.closed.v1") == 1
    desk.ring.clock.now_wall_ns += 7 * NS_PER_S
    desk.keeper.greet(Hello("vision", 2, "two"))
    assert desk.events()[-1] == ("wayside.incident.closed.v1", "cam/c01")
    payload = desk.ring.conn.execute("SELECT payload FROM outbox_event ORDER BY id DESC LIMIT 1").fetchone()[0]
    closed = msgspec.json.decode(bytes(decode_envelope(payload).data), type=IncidentData)
    assert (closed.incident_id, closed.end_s) == (INCIDENT, 8.0)
    assert incidents.orphans(desk.ring.conn, "three") == []


def test_a_cameras_hello_closes_no_incident(desk: Desk) -> None:
    desk.keeper.finding(finding(), b"", "one")
    desk.keeper.greet(Hello("camera", 1, "two", "c01"))
    assert len(incidents.orphans(desk.ring.conn, "two")) == 1


def test_a_segment_outside_its_cameras_folder_is_refused(desk: Desk) -> None:
    with pytest.raises(SegmentDamaged):
        desk.keeper.segment_closed(closed("c01", "../../etc/passwd"))
    assert desk.counts() == [0, 0, 0, 0, 0]


def closed(camera: str, path: str) -> SegmentClosed:
    return SegmentClosed(camera, path, 1, 1, 0, START_NS, START_NS + NS_PER_S, 25, 1000)


def outage(camera: str) -> Outage:
    return Outage(camera, 1, START_NS, 0, "camera_unreachable")


CAMERA_ONE = Hello("camera", 1, "one", "c01")
VISION = Hello("vision", 1, "one")


@pytest.mark.parametrize(
    ("hello", "notice"),
    [
        (CAMERA_ONE, outage("c02")),
        (CAMERA_ONE, finding()),
        (CAMERA_ONE, closed("c02", "footage/c02/2026-11-22/000001_000001_000000_20261122T140300000Z.mp4")),
        (VISION, outage("c01")),
        (VISION, finding(camera="c09")),
    ],
)
def test_nobody_speaks_for_another(desk: Desk, hello: Hello, notice: Notice) -> None:
    serve(desk, Arrived(hello, notice))
    assert desk.counts() == [0, 0, 0, 0, 0]


def serve(desk: Desk, *arrived: Arrived) -> None:
    """Let a reception hand these to the keeper."""
    inbox: Mailbox[Arrived] = Mailbox(100)
    reception = Reception(inbox, CAMERAS, desk.ring.clock)
    for each in arrived:
        inbox.put(each)
    stop = threading.Event()
    stop.set()
    reception.serve(desk.keeper, stop, lambda: None)


def test_a_bad_notice_costs_only_itself(desk: Desk) -> None:
    bad = Finding("c01", "incident.opened", b"{}")
    serve(desk, Arrived(VISION, bad), Arrived(CAMERA_ONE, outage("c01")), Arrived(VISION, finding()))
    assert desk.events() == [("wayside.gap.v1", "cam/c01"), ("wayside.incident.opened.v1", "cam/c01")]


def test_a_store_that_fails_for_a_moment_loses_no_notice(desk: Desk) -> None:
    inbox: Mailbox[Arrived] = Mailbox(100)
    reception = Reception(inbox, CAMERAS, desk.ring.clock)
    stop = threading.Event()
    stop.set()
    desk.ring.conn.execute(
        "CREATE TEMP TRIGGER full BEFORE INSERT ON outbox_event BEGIN SELECT raise(ABORT, 'full'); END"
    )
    for arrived in (Arrived(CAMERA_ONE, outage("c01")), Arrived(VISION, finding())):
        inbox.put(arrived)
    for _ in range(2):
        with pytest.raises(StoreError):
            reception.serve(desk.keeper, stop, lambda: None)
    desk.ring.conn.execute("DROP TRIGGER full")
    reception.serve(desk.keeper, stop, lambda: None)
    assert desk.events() == [("wayside.gap.v1", "cam/c01"), ("wayside.incident.opened.v1", "cam/c01")]


def test_a_notice_that_the_store_never_takes_does_not_hold_up_the_next(desk: Desk) -> None:
    inbox: Mailbox[Arrived] = Mailbox(100)
    reception = Reception(inbox, CAMERAS, desk.ring.clock)
    stop = threading.Event()
    stop.set()
    desk.ring.conn.execute(
        "CREATE TEMP TRIGGER never BEFORE INSERT ON outbox_event WHEN NEW.topic LIKE '%gap%'"
        " BEGIN SELECT raise(ABORT, 'never'); END"
    )
    for arrived in (Arrived(CAMERA_ONE, outage("c01")), Arrived(VISION, finding())):
        inbox.put(arrived)
    for _ in range(4):
        with pytest.raises(StoreError):
            reception.serve(desk.keeper, stop, lambda: None)
    reception.serve(desk.keeper, stop, lambda: None)
    assert desk.events() == [("wayside.incident.opened.v1", "cam/c01")]


def status(camera: str) -> CameraStatus:
    return CameraStatus(camera, StreamCondition.STREAMING, START_NS, "", 1, 0, 0, 0.1, 25.0, 1e6, 1.0)


def test_a_camera_shows_only_its_own_state(desk: Desk, tmp_path: Path) -> None:
    reception = Reception(Mailbox(100), CAMERAS, desk.ring.clock)
    server = LinkServer(
        tmp_path / "node.sock",
        on_notice=reception.on_notice,
        on_connect=reception.on_connect,
        on_disconnect=reception.on_disconnect,
    )
    camera = LinkClient(tmp_path / "node.sock", CAMERA_ONE, on_notice=lambda *_: None)
    pretender = LinkClient(tmp_path / "node.sock", Hello("vision", 2, "v", "c02"), on_notice=lambda *_: None)
    pretender.send(status("c02"))
    for name in ("c02", "c01"):
        camera.send(status(name))
    wait_until(lambda: reception.camera("c01").status is not None, "c01 is not heard")
    assert reception.camera("c02").status is None
    camera.close()
    pretender.close()
    wait_until(lambda: reception.camera("c01").lost_wall_ns > 0, "its end is not noticed")
    server.close()


def test_a_notice_that_was_stored_is_known_when_it_comes_again(desk: Desk) -> None:
    desk.keeper.finding(finding(), b"", "one", Source(VISION, 5))
    assert desk.keeper.is_stored(Source(VISION, 5))
    assert not desk.keeper.is_stored(Source(VISION, 6))
    assert not desk.keeper.is_stored(Source(Hello("vision", 9, "another"), 1))


def test_a_notice_whose_transaction_failed_is_not_taken_for_stored(desk: Desk) -> None:
    desk.ring.conn.execute(
        "CREATE TEMP TRIGGER full BEFORE INSERT ON outbox_event BEGIN SELECT raise(ABORT, 'full'); END"
    )
    with pytest.raises(StoreError):
        desk.keeper.finding(finding(), b"", "one", Source(VISION, 5))
    assert not desk.keeper.is_stored(Source(VISION, 5))
