"""Datagrams of WS-Discovery: cameras are found in theirs, and nobody else's word is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import DiscoveryError
from provisioning.cameras.camera import DiscoveredCamera
from provisioning.cameras.markup import parse_xml
from provisioning.cameras.probe_match import make_probe, read_answer

ASKED = "0b3e1f0e-5a54-4c11-9e17-5d2f9a1f7a01"
# After WS-Discovery, 5.3.1, as a Hikvision camera writes it; {…} is filled in.
ANSWER = """<?xml version="1.0" encoding="UTF-8"?>
<env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope"
 xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"
 xmlns:wsadis="http://schemas.xmlsoap.org/ws/2004/08/addressing">
<env:Header><wsadis:MessageID>urn:uuid:cea94000-fb96-11b3-8260-686dbc5cb15d</wsadis:MessageID>
<wsadis:RelatesTo>{relates}</wsadis:RelatesTo>
<wsadis:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/ProbeMatches</wsadis:Action></env:Header>
<env:Body><d:ProbeMatches><d:ProbeMatch><wsadis:EndpointReference>
<wsadis:Address>urn:uuid:cea94000-fb96-11b3-8260-686dbc5cb15d</wsadis:Address></wsadis:EndpointReference>
<d:Types>{types}</d:Types><d:Scopes>{scopes}</d:Scopes><d:XAddrs>{addresses}</d:XAddrs>
<d:MetadataVersion>10</d:MetadataVersion></d:ProbeMatch></d:ProbeMatches></env:Body></env:Envelope>"""
SCOPES = "onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/name/North%20mast onvif://www.onvif.org/hardware/DS-2CD2"
SENDER = "192.168.1.64"
URL = f"http://{SENDER}/onvif/device_service"


def answer(
    *,
    relates: str = f"uuid:{ASKED}",
    types: str = "dn:NetworkVideoTransmitter",
    scopes: str = SCOPES,
    addresses: str = URL,
) -> bytes:
    return ANSWER.format(relates=f"urn:{relates}", types=types, scopes=scopes, addresses=addresses).encode()


def read(datagram: bytes) -> tuple[DiscoveredCamera, ...]:
    return read_answer(datagram, sender=SENDER, interface="eth0", asked=frozenset({ASKED}))


def test_a_camera_is_found_with_its_name_and_where_to_ask_further() -> None:
    endpoint = "urn:uuid:cea94000-fb96-11b3-8260-686dbc5cb15d"
    assert read(answer()) == (DiscoveredCamera(endpoint, SENDER, URL, "North mast", "DS-2CD2", "eth0"),)


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        (f"http://169.254.3.4/onvif/device_service {URL}", URL),
        ("http://10.0.0.9:8080/onvif/device_service", f"http://{SENDER}:8080/onvif/device_service"),
        ("http://admin:12345@evil.example/onvif", f"http://{SENDER}/onvif"),
        (f"https://{SENDER}:8443", f"https://{SENDER}:8443/onvif/device_service"),
    ],
)
def test_an_answer_never_sends_us_to_a_third_party(addresses: str, expected: str) -> None:
    (camera,) = read(answer(addresses=addresses))
    assert camera.device_url == expected


@pytest.mark.parametrize(
    "datagram",
    [
        answer(types="wprt:PrintDeviceType", scopes=""),
        answer(addresses=""),
        answer(addresses="rtsp://192.168.1.64/ file:///etc/passwd javascript:alert(1)"),
        answer(addresses="http://[::1 http://192.168.1.64:99999/ http://192.168.1.64:0/"),
        make_probe(ASKED, is_typed=True).replace(b"MessageID", b"RelatesTo"),
    ],
)
def test_what_is_no_camera_is_left_out(datagram: bytes) -> None:
    assert read(datagram) == ()


@pytest.mark.parametrize(
    "datagram",
    [answer(relates="uuid:someone-else"), answer(relates=""), make_probe(ASKED, is_typed=False), b"<a/>", b"\xff"],
)
def test_what_answers_no_question_of_ours_is_refused(datagram: bytes) -> None:
    with pytest.raises(DiscoveryError):
        read(datagram)


@given(st.binary(max_size=300))
def test_any_datagram_is_cameras_or_a_refusal(datagram: bytes) -> None:
    try:
        read(datagram)
    except DiscoveryError:
        return


@given(st.integers(0, len(answer()) - 1), st.binary(min_size=1, max_size=6))
def test_a_damaged_answer_is_cameras_or_a_refusal(at: int, damage: bytes) -> None:
    whole = answer()
    try:
        found = read(whole[:at] + damage + whole[at + len(damage) :])
    except DiscoveryError:
        return
    assert all(one.address == SENDER and SENDER in one.device_url for one in found)


@given(scopes=st.text(max_size=200), addresses=st.text(max_size=200))
def test_any_words_in_an_answer_are_safe_to_show(scopes: str, addresses: str) -> None:
    escaped = [word.replace("&", "&amp;").replace("<", "&lt;") for word in (scopes, addresses)]
    try:
        found = read(answer(scopes=f"onvif://www.onvif.org/name/{escaped[0]}", addresses=escaped[1]))
    except DiscoveryError:
        return
    assert all(one.name.isprintable() and one.device_url.isascii() for one in found)


def test_the_question_is_well_formed_and_asks_for_cameras() -> None:
    typed, open_ = parse_xml(make_probe(ASKED, is_typed=True)), parse_xml(make_probe(ASKED, is_typed=False))
    assert typed.value("Header", "MessageID") == f"urn:uuid:{ASKED}"
    assert typed.value("Body", "Probe", "Types") == "dn:NetworkVideoTransmitter"
    assert open_.child("Body", "Probe", "Types") is None
