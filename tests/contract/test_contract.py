"""The wire: what is written is read back, what is not ours is refused, and names are the contract's."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.contract import commands, envelope, events, looking, requests, states, wire
from agent.contract.catalogue import KINDS
from agent.contract.events import LANES, Lane
from agent.contract.topics import FleetFilter, NodeAddress, TopicKind, parse_topic
from agent.errors import WireError
from agent.identity import new_uuid7, uuid7

SAMPLES = json.loads((Path(__file__).parents[2] / "docs" / "samples.json").read_text(encoding="utf-8"))
ADDRESS = NodeAddress("songkhla-pao", "hatyai-012", "n7f3k2q")
ids = st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True)
FIELDS = [
    *("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema"),
    *("lane", "epoch", "sequence", "bootid", "monons", "clockq", "data"),
]
INCIDENT = events.IncidentData(
    incident_id="01a205d3-d5a4-7072-bb2a-71aee103f25e",
    kind=events.IncidentKind.LOITERING,
    zone="yard",
    begin_s=1.5,
    end_s=None,
    score=0.8,
    box=(0.1, 0.2, 0.3, 0.4),
    tracks=(3,),
    model="nanodet-g-416@0123456789ab",
)


@given(ids, ids, ids, ids)
def test_every_topic_that_is_built_is_parsed_back(org, site, node, word):
    address = NodeAddress(org, site, node)
    built = {
        address.state: (TopicKind.STATE, "", ""),
        address.info: (TopicKind.INFO, "", ""),
        address.health: (TopicKind.HEALTH, "", ""),
        address.reported: (TopicKind.REPORTED, "", ""),
        address.desired: (TopicKind.DESIRED, "", ""),
        address.ack: (TopicKind.ACK, "", ""),
        address.camera_state(word): (TopicKind.CAMERA_STATE, word, ""),
        address.camera_live(word): (TopicKind.CAMERA_LIVE, word, ""),
        address.camera_traffic(word): (TopicKind.CAMERA_TRAFFIC, word, ""),
        address.alert(word): (TopicKind.ALERT, "", word),
        address.response(word): (TopicKind.RESPONSE, "", word),
        address.event("c01", word): (TopicKind.EVENT, "c01", word),
        address.event("node", word): (TopicKind.EVENT, "", word),
        address.command("clip.plan"): (TopicKind.COMMAND, "", "clip.plan"),
    }
    for topic, expected in built.items():
        parsed = parse_topic(topic)
        assert (parsed.kind, parsed.camera, parsed.name) == expected
        assert parsed.address == address


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "wayside/v1/o/s/n",
        "wayside/v2/o/s/n/state",
        "wayside/v1/o/s/n/state/",
        "wayside/v1/o/s/n/state\n",
        "wayside/v1/o/s/N/state",
        "wayside/v1/o//n/state",
        "wayside/v1/o/s/+/state",
        "wayside/v1/o/s/n/cam/c01/other",
        "wayside/v1/o/s/n/cmd/Clip",
        "wayside/v1/o/s/n/cmd/../x",
        "wayside/v1/o/s/n/evt/c01",
        "wayside/v1/o/s/n/rsp/" + "x" * 33,
        "wayside/v1/o/s/n\u0e01/state",
    ],
)
def test_a_topic_that_is_not_ours_is_refused(topic):
    with pytest.raises(WireError):
        parse_topic(topic)


@given(st.text(max_size=80))
def test_no_topic_breaks_the_parser(topic):
    try:
        parse_topic(topic)
    except WireError:
        return


def test_fleet_filters_leave_open_what_is_not_named():
    assert FleetFilter().of("evt/#") == "wayside/v1/+/+/+/evt/#"
    assert FleetFilter(org="o", node="n").of("state") == "wayside/v1/o/+/n/state"


def test_an_event_of_the_wire_has_every_field_in_its_form():
    stamp = envelope.Stamp(Lane.A, new_uuid7(), 7, "boot", 123, "synced")
    event = envelope.make_envelope(
        events.INCIDENT_OPENED,
        INCIDENT,
        id=new_uuid7(),
        source=ADDRESS.urn,
        subject=envelope.camera_subject("c01"),
        wall_ns=1_800_000_000_000_000_000,
        stamp=stamp,
    )
    told = json.loads(wire.encode(event))
    assert list(told) == FIELDS
    assert told["sequence"] == "00000000000000000007"
    assert told["monons"] == "123"
    assert told["dataschema"] == "urn:wayside:schema:incident"
    assert told["source"] == "urn:wayside:songkhla-pao:hatyai-012:n7f3k2q"
    assert told["data"]["end_s"] is None
    back = envelope.decode_envelope(wire.encode(event))
    assert envelope.data_of(back) == INCIDENT
    assert envelope.position_of(back) == envelope.WirePosition(stamp.epoch, Lane.A, 7)
    assert envelope.event_topic(ADDRESS, back) == ADDRESS.event("c01", "incident")


def test_analyse_leaves_out_what_only_a_node_knows():
    event = envelope.make_envelope(
        events.INCIDENT_OPENED,
        INCIDENT,
        id=new_uuid7(),
        source=envelope.ANALYSE_SOURCE,
        subject="cam/c01",
        wall_ns=0,
        stamp=None,
    )
    told = json.loads(wire.encode(event))
    assert not {"lane", "epoch", "sequence", "bootid", "monons", "clockq"} & set(told)
    assert set(told["data"]) == {"incident_id", "kind", "zone", "begin_s", "end_s", "score", "box", "tracks", "model"}
    with pytest.raises(WireError):
        envelope.position_of(event)


def test_an_event_in_the_other_lane_is_refused():
    stamp = envelope.Stamp(Lane.B, new_uuid7(), 1, "boot", 1, "synced")
    event = envelope.make_envelope(
        events.INCIDENT_OPENED, INCIDENT, id=new_uuid7(), source=ADDRESS.urn, subject="node", wall_ns=0, stamp=stamp
    )
    with pytest.raises(WireError):
        envelope.position_of(event)


def test_the_lanes_are_the_contracts():
    lane_a = {word for word, lane in LANES.items() if lane is Lane.A}
    assert lane_a == {"incident", "seal", "audit", "gap", "clock", "clip", "security", "shed"}
    assert set(LANES) - lane_a == {"motion", "crossing", "recording", "traffic"}
    for event_type in (events.TRACK, events.SUMMARY):
        with pytest.raises(WireError):
            events.lane_of(event_type)


def test_every_message_has_a_sample():
    assert set(SAMPLES) == set(KINDS)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_sample_of_an_older_release_is_read_and_written_unchanged(name):
    sample = SAMPLES[name]
    message = msgspec.json.decode(json.dumps(sample), type=KINDS[name])
    assert json.loads(msgspec.json.encode(message)) == sample


@pytest.mark.parametrize("name", sorted(KINDS))
def test_an_unknown_field_is_ignored_upwards_and_refused_downwards(name):
    newer = json.dumps({**SAMPLES[name], "a_field_of_tomorrow": 1}).encode()
    if issubclass(KINDS[name], wire.Down):
        with pytest.raises(WireError):
            wire.decode(newer, KINDS[name])
    else:
        wire.decode(newer, KINDS[name])


@given(st.binary(max_size=200))
def test_no_bytes_break_a_decoder(data):
    for kind in (envelope.Envelope, commands.Jws, states.Ack, commands.CommandPayload):
        with pytest.raises(WireError):
            wire.decode(data, kind)


@pytest.mark.parametrize("text", ["1", "0" * 19, "0" * 21, "0000000000000000000x", "\u0660" * 20, ""])
def test_a_sequence_is_twenty_digits(text):
    with pytest.raises(WireError):
        wire.parse_sequence(text)


@given(st.integers(min_value=0, max_value=10**20 - 1), st.integers(min_value=0, max_value=10**20 - 1))
def test_sequences_sort_as_text_as_they_do_as_numbers(one, other):
    assert (one < other) == (wire.format_sequence(one) < wire.format_sequence(other))
    assert wire.parse_sequence(wire.format_sequence(one)) == one


@pytest.mark.parametrize("instant", ["2026-11-22T14:03:00", "2026-11-22", "yesterday", "2026-11-22T14:03:00+0700"])
def test_a_time_without_its_offset_is_refused(instant):
    with pytest.raises(WireError):
        wire.decode(json.dumps({"camera": "c01", "from": instant, "to": instant}).encode(), requests.ClipPlanArgs)


@pytest.mark.parametrize(
    ("kind", "args"),
    [
        (looking.SnapshotArgs, {}),
        (looking.SnapshotArgs, {"camera": "c01", "incident": "01a205d3-d5a4-7072-bb2a-71aee103f25e"}),
        (requests.GapsArgs, {}),
        (requests.GapsArgs, {"from": "2026-11-22T00:00:00Z"}),
        (requests.GapsArgs, {"day": "2026-11-22", "from": "2026-11-22T00:00:00Z", "to": "2026-11-23T00:00:00Z"}),
        (requests.GapsArgs, {"day": "2569-22-11"}),
        (requests.ClipExportArgs, {"camera": "c01"}),
        (requests.PingArgs, {"x": 1}),
    ],
)
def test_arguments_that_say_too_little_or_too_much_are_refused(kind, args):
    with pytest.raises(WireError):
        wire.decode(json.dumps(args).encode(), kind)


@given(st.binary(max_size=100))
def test_base64url_has_one_spelling(data):
    text = commands.base64url(data)
    assert commands.from_base64url(text) == data
    for other in (text + "=", text + "\n", " " + text):
        with pytest.raises(WireError):
            commands.from_base64url(other)


def test_an_unsigned_command_is_the_payload_without_signatures():
    payload = wire.decode(json.dumps(SAMPLES["command"]).encode(), commands.CommandPayload)
    message = commands.encode_unsigned(payload)
    assert json.loads(message)["signatures"] == []
    assert commands.decode_payload(commands.decode_jws(message)) == payload


def test_exactly_the_last_six_states_are_final():
    final = {state.value for state in commands.AnswerState if state.is_final}
    assert final == {"succeeded", "failed", "partial", "rejected", "expired", "cancelled"}


@given(st.integers(min_value=0, max_value=2**48 - 1), st.binary(min_size=10, max_size=10))
def test_a_uuid7_is_one_and_sorts_by_its_time(unix_ms, random):
    made = uuid.UUID(uuid7(unix_ms, random))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert int.from_bytes(made.bytes[:6], "big") == unix_ms
