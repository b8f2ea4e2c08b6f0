"""The walk test by a real store: what the node wrote, what the centre confirmed, and what too long a silence says."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from agent.contract.events import (
    INCIDENT_OPENED,
    INCIDENT_UPDATED,
    MOTION,
    EventData,
    IncidentData,
    IncidentKind,
    MotionData,
)
from agent.contract.states import Ack
from agent.contract.topics import NodeAddress
from agent.contract.wire import encode, format_sequence
from agent.identity import uuid7
from agent.messaging import outbox
from agent.messaging.outbox import AckOutcome, EventDraft, Moment, Origin
from agent.recording import incidents
from agent.recording.incidents import OpenIncident
from agent.store import open_store, transaction
from agent.units import NS_PER_MS, NS_PER_S
from provisioning.acceptance.notes import WalkNote
from provisioning.page.steps.walk_watch import ACK_LIMIT_S, SEEN_LIMIT_S, WalkState, advance, look, state_of
from provisioning.texts import Language, texts

START_NS = 1_795_356_180 * NS_PER_S
ORIGIN = Origin(NodeAddress("o", "s", "n"), "boot", 1 << 30)
WALK = WalkNote(camera="c01", started_ns=START_NS)


def at(seconds: float) -> int:
    return START_NS + int(seconds * NS_PER_S)


class Store:
    """What the node's keeper and its uplink do to the store."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.conn: sqlite3.Connection = open_store(data_dir)
        outbox.prepare(self.conn)
        self._made = 0

    def incident(self, seconds: float, camera: str = "c01", zone: str | None = "lawn") -> str:
        self._made += 1
        incident = uuid7(at(seconds) // NS_PER_MS, self._made.to_bytes(10, "big"))
        data = IncidentData(
            incident_id=incident,
            kind=IncidentKind.INTRUSION if zone else IncidentKind.VIEW_DARK,
            zone=zone,
            begin_s=1.0,
            end_s=None,
            score=0.9,
            box=(0.1, 0.1, 0.2, 0.2),
            tracks=(1,),
            model="m",
        )
        with transaction(self.conn):
            open_one = OpenIncident(incident, camera, encode(data))
            incidents.note(self.conn, open_one, session="s", is_open=True, begin_wall_ns=at(seconds), has_still=False)
            self.event(INCIDENT_OPENED, data, seconds, camera)
        return incident

    def event(self, kind: str, data: EventData, seconds: float, camera: str = "c01") -> None:
        outbox.append(self.conn, ORIGIN, EventDraft(kind, camera, data, Moment(at(seconds), 0, "synced")))

    def send_and_ack(self, up_to: int) -> None:
        outbox.take_batch(self.conn, after_a=0, after_b=0, max_items=100)
        ack = Ack(epoch=outbox.status(self.conn).epoch, a=format_sequence(up_to))
        assert outbox.acknowledge(self.conn, ack) is AckOutcome.APPLIED


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path)
    yield made
    made.conn.close()


def walked(store: Store, walk: WalkNote, seconds: float) -> WalkNote:
    return advance(walk, look(store.data_dir, walk), at(seconds))


def test_somebody_in_a_zone_is_seen_and_then_confirmed_by_the_centre(store: Store) -> None:
    walk = walked(store, WALK, 1)
    assert state_of(walk, at(1)) is WalkState.WAITING
    incident = store.incident(2)
    walk = walked(store, walk, 3)
    assert state_of(walk, at(3)) is WalkState.SEEN
    assert (walk.incident, walk.seen_ns, walk.sequence, walk.zone) == (incident, at(2), 1, "lawn")
    store.send_and_ack(1)
    walk = walked(store, walk, 4)
    assert state_of(walk, at(4)) is WalkState.ARRIVED
    assert (walk.acked_ns, walk.acked_to, walk.sequence) == (at(4), 1, 1)


def test_an_ack_between_two_looks_is_seen_by_the_event_that_is_gone(store: Store) -> None:
    store.incident(2)
    store.send_and_ack(1)
    walk = walked(store, WALK, 3)
    assert state_of(walk, at(3)) is WalkState.ARRIVED
    assert walk.sequence == 0


def test_an_ack_for_what_came_before_confirms_nothing(store: Store) -> None:
    store.incident(-60)
    store.incident(2)
    store.send_and_ack(1)
    walk = walked(store, WALK, 3)
    assert (walk.sequence, walk.acked_ns) == (2, 0)


@pytest.mark.parametrize(("seconds", "camera", "zone"), [(-1, "c01", "lawn"), (2, "c02", "lawn"), (2, "c01", None)])
def test_an_earlier_one_another_cameras_and_the_views_own_are_no_walk(
    store: Store, seconds: float, camera: str, zone: str | None
) -> None:
    store.incident(seconds, camera, zone)
    assert look(store.data_dir, WALK) is None


def test_a_second_incident_does_not_replace_the_first(store: Store) -> None:
    first = store.incident(2)
    walk = walked(store, WALK, 3)
    store.incident(4)
    assert walked(store, walk, 5).incident == first


def test_later_news_of_the_same_incident_does_not_take_its_ack_back(store: Store) -> None:
    store.incident(2)
    walk = walked(store, WALK, 3)
    store.send_and_ack(1)
    found = look(store.data_dir, walk)
    assert found is not None
    data = msgspec.json.decode(store.conn.execute("SELECT data FROM incident").fetchone()[0], type=IncidentData)
    with transaction(store.conn):
        store.event(INCIDENT_UPDATED, data, 4)
        store.event(MOTION, MotionData(begin_s=0, end_s=1, ratio=0.1, regions=()), 4)
    assert state_of(walked(store, walk, 5), at(5)) is WalkState.ARRIVED


def test_a_node_that_has_no_store_yet_has_seen_nobody(tmp_path: Path) -> None:
    assert look(tmp_path / "nowhere", WALK) is None


SEEN = msgspec.structs.replace(WALK, seen_ns=at(2), incident="x")


@pytest.mark.parametrize(
    ("walk", "seconds", "state"),
    [
        (None, 0, WalkState.IDLE),
        (WALK, SEEN_LIMIT_S, WalkState.WAITING),
        (WALK, SEEN_LIMIT_S + 1, WalkState.NOT_SEEN),
        (SEEN, 2 + ACK_LIMIT_S, WalkState.SEEN),
        (SEEN, 3 + ACK_LIMIT_S, WalkState.NOT_ARRIVED),
        (msgspec.structs.replace(SEEN, acked_ns=at(200)), 900, WalkState.ARRIVED),
    ],
)
def test_silence_is_named_for_what_it_is(walk: WalkNote | None, seconds: float, state: WalkState) -> None:
    assert state_of(walk, at(seconds)) is state


@pytest.mark.parametrize("language", list(Language))
def test_every_state_and_every_kind_of_incident_has_its_words(language: Language) -> None:
    wanted = {f"walk.state.{state.value}" for state in WalkState} | {f"walk.kind.{kind.value}" for kind in IncidentKind}
    assert wanted - texts(language).keys() == set()
