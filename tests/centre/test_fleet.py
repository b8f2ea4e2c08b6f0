"""The fleet as its retained messages tell it, and events in words."""

from __future__ import annotations

import json
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.centre.fleet import HEALTH_STALE_S, Fleet, Standing
from agent.centre.words import describe
from agent.contract.envelope import Envelope, camera_subject, make_envelope
from agent.contract.events import DATA_TYPES, decode_data
from agent.contract.states import NodeState, Presence
from agent.contract.topics import NodeAddress
from agent.contract.wire import encode
from agent.errors import WireError
from agent.units import NS_PER_S, format_rfc3339

SAMPLES = json.loads((Path(__file__).parents[2] / "docs" / "samples.json").read_text(encoding="utf-8"))
NODE = NodeAddress("o", "s", "n1")
OTHER = NodeAddress("o", "s", "n2")
NOW_NS = 1_795_356_180 * NS_PER_S
EPOCH, LATER = "01939f3e-8a5b-7c3d-9e1f-0123456789ab", "01939f3f-8a5b-7c3d-9e1f-0123456789ab"


def state(presence: Presence, session: int = 1, epoch: str = EPOCH) -> bytes:
    return encode(NodeState(state=presence, session=session, epoch=epoch, at=format_rfc3339(NOW_NS)))


def sample(name: str, **changes: object) -> bytes:
    return json.dumps({**SAMPLES[name], **changes}).encode()


def told(*messages: tuple[str, bytes]) -> Fleet:
    fleet = Fleet()
    for topic, payload in messages:
        fleet.fold(topic, payload, NOW_NS)
    return fleet


def health(age_s: float = 0) -> tuple[str, bytes]:
    return NODE.health, sample("health", at=format_rfc3339(NOW_NS - int(age_s * NS_PER_S)))


def well() -> tuple[tuple[str, bytes], ...]:
    info = sample("info", cameras=[{"id": "c01"}])
    camera = sample("cam.state", stream="streaming")
    return (
        (NODE.state, state(Presence.ONLINE)),
        (NODE.info, info),
        (NODE.camera_state("c01"), camera),
        health(),
    )


def standing(fleet: Fleet) -> Standing:
    (row,) = fleet.rows(NOW_NS)
    return row.standing


def test_a_node_that_tells_all_is_well_stands_well() -> None:
    (row,) = told(*well()).rows(NOW_NS)
    assert (row.standing, row.presence, row.cameras, row.cameras_streaming) == (Standing.WELL, "online", 1, 1)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ((NODE.state, state(Presence.LOST)), Standing.LOST),
        ((NODE.state, state(Presence.LOST, 0)), Standing.WELL),
        ((NODE.state, state(Presence.LOST, 2)), Standing.LOST),
        ((NODE.state, state(Presence.LOST, 1, LATER)), Standing.WELL),
        ((NODE.state, state(Presence.OFFLINE)), Standing.OFFLINE),
        ((NODE.state, state(Presence.DRAINING)), Standing.OFFLINE),
        (health(HEALTH_STALE_S + 1), Standing.SILENT),
        (health(HEALTH_STALE_S - 1), Standing.WELL),
        ((NODE.alert("broker-refused"), sample("alert")), Standing.TROUBLED),
        ((NODE.camera_state("c01"), sample("cam.state", stream="offline")), Standing.TROUBLED),
        ((NODE.camera_state("c01"), b""), Standing.TROUBLED),
    ],
)
def test_each_message_moves_a_node_where_it_belongs(message: tuple[str, bytes], expected: Standing) -> None:
    assert standing(told(*well(), message)) is expected


def test_a_cleared_alert_leaves_no_trace() -> None:
    alert = NODE.alert("broker-refused")
    assert standing(told(*well(), (alert, sample("alert")), (alert, b""))) is Standing.WELL


def test_health_dated_ahead_counts_from_its_arrival() -> None:
    fleet = told(*well(), health(-3_600))
    (row,) = fleet.rows(NOW_NS + int((HEALTH_STALE_S + 1) * NS_PER_S))
    assert (row.standing, row.health_age_s) == (Standing.SILENT, HEALTH_STALE_S + 1)


def test_the_worst_stands_first_and_nodes_of_one_id_are_told_apart() -> None:
    twin = NodeAddress("o", "t", "n1")
    fleet = told(*well(), (OTHER.state, state(Presence.LOST)), (twin.state, state(Presence.OFFLINE)))
    assert [(row.address, row.standing) for row in fleet.rows(NOW_NS)] == [
        (OTHER, Standing.LOST),
        (twin, Standing.OFFLINE),
        (NODE, Standing.WELL),
    ]
    assert fleet.addresses("n1") == [NODE, twin]


def test_a_cleared_state_is_a_node_that_is_gone() -> None:
    assert told(*well(), (NODE.state, b"")).rows(NOW_NS) == []


@given(st.sampled_from(["state", "info", "health", "cam/c01/state", "alert/x"]), st.binary(min_size=1, max_size=60))
def test_what_is_not_ours_raises_and_makes_no_node(tail: str, payload: bytes) -> None:
    fleet = Fleet()
    with pytest.raises(WireError):
        fleet.fold(f"{NODE.root}/{tail}", payload, NOW_NS)
    assert fleet.rows(NOW_NS) == []


def test_events_and_answers_make_no_node() -> None:
    assert told((NODE.event("c01", "motion"), b"x"), (NODE.response("desk"), b"x")).rows(NOW_NS) == []


def envelope(event_type: str, data: object) -> Envelope:
    decoded = decode_data(event_type, msgspec.json.encode(data))
    return make_envelope(
        event_type,
        decoded,
        id="01939f3e-8a5b-7c3d-9e1f-0123456789ab",
        source="urn:wayside:o:s:n",
        subject=camera_subject("c01"),
        wall_ns=NOW_NS,
        stamp=None,
    )


@pytest.mark.parametrize("event_type", sorted(DATA_TYPES))
def test_every_event_is_told_in_one_line_with_the_local_time(event_type: str) -> None:
    line = describe(envelope(event_type, SAMPLES[event_type]), ZoneInfo("Asia/Bangkok"))
    assert line.startswith(format_rfc3339(NOW_NS, ZoneInfo("Asia/Bangkok"))[11:19] + " c01")
    assert "\n" not in line
    assert len(line) > 16


def test_an_incident_names_its_kind_and_zone_and_a_gap_its_reason() -> None:
    zone = ZoneInfo("Asia/Bangkok")
    opened = describe(envelope("wayside.incident.opened.v1", SAMPLES["wayside.incident.opened.v1"]), zone)
    assert "loitering" in opened
    assert "yard" in opened
    gap = describe(envelope("wayside.gap.v1", SAMPLES["wayside.gap.v1"]), zone)
    assert SAMPLES["wayside.gap.v1"]["reason"] in gap
