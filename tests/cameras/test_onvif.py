"""A camera asked for its streams: let in by either login, whatever its clock says, and never trusted further."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import CameraRefused, DiscoveryError, WaysideError
from provisioning.cameras import soap
from provisioning.cameras.camera import CameraStream, Login
from provisioning.cameras.markup import MAX_BYTES, parse_xml
from provisioning.cameras.onvif import describe
from provisioning.cameras.profiles import read_profiles
from provisioning.cameras.sentences import explain
from provisioning.texts import Language
from tests.broker import unused_port
from tests.cameras.played import ENVELOPE, PROFILE, Habits, PlayedCamera

LOGIN = Login("operator", "Kor-Hong-7")
MAIN = CameraStream("main", "main", "h264", 1920, 1080, 25, 50, 4_096_000, "rtsp://127.0.0.1:554/main?a=1&b=2")
# 2026 against a camera whose battery is flat.
FORTY_YEARS_S = 40 * 365 * 86_400


@pytest.mark.parametrize("login", ["token", "digest"])
@pytest.mark.parametrize("clock_offset_s", [0, -FORTY_YEARS_S, 7 * 3600])
def test_a_camera_lets_us_in_whatever_its_clock_says(login: str, clock_offset_s: float) -> None:
    with PlayedCamera(Habits(login=login, clock_offset_s=clock_offset_s)) as camera:
        found = describe(camera.url, LOGIN)
    assert found.clock_offset_s is not None and abs(found.clock_offset_s - clock_offset_s) < 2
    assert (found.manufacturer, found.model, found.is_open) == ("Maker", "M1 <b>", False)
    # Its addresses name another machine and carry a login; both are put right.
    assert found.streams[0] == MAIN and len(found.streams) == 2


def test_a_camera_that_hides_its_clock_is_timed_by_its_http_header() -> None:
    with PlayedCamera(Habits(hides_clock=True)) as camera:
        found = describe(camera.url, LOGIN)
    assert found.clock_offset_s is not None and abs(found.clock_offset_s) < 2


def test_a_camera_with_a_certificate_of_its_own_making_is_asked_over_tls(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "camera")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1)).sign(key, SHA256())
    ).public_bytes(Encoding.PEM)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "camera.pem").write_bytes(secret + certificate)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "camera.pem")
    with PlayedCamera(Habits(stream_host="127.0.0.1", media_scheme="https"), tls=tls) as camera:
        assert describe(camera.url, LOGIN).streams[0] == MAIN


def test_media2_tells_of_h265() -> None:
    with PlayedCamera(Habits(has_media2=True)) as camera:
        main, sub = describe(camera.url, LOGIN).streams
    assert (main.codec, main.gop_frames, main.fps, main.gop_s) == ("hevc", 40, 20, 2.0)
    assert sub.url.endswith("/sub?a=1&b=2")


def test_a_camera_of_old_is_asked_in_the_old_way() -> None:
    with PlayedCamera(Habits(knows_services=False)) as camera:
        assert describe(camera.url, LOGIN).streams[0] == MAIN
        assert "GetCapabilities" in camera.habits.asked


def test_a_camera_that_lets_everybody_in_is_told() -> None:
    with PlayedCamera(Habits(login="")) as camera:
        assert describe(camera.url, Login()).is_open


@pytest.mark.parametrize(("login", "tries"), [("token", 1), ("digest", 2)])
def test_a_wrong_password_is_tried_no_more_often_than_it_must(login: str, tries: int) -> None:
    with PlayedCamera(Habits(login=login)) as camera:
        with pytest.raises(CameraRefused) as refused:
            describe(camera.url, Login("operator", "another-99"))
        # Cameras lock an account after five or so.
        assert [one for one in camera.habits.asked if "refused" in one] == ["GetServices refused"] * tries
    assert refused.value.facts["problem"] == "wrong_password"
    assert "another-99" not in str(refused.value)


def test_a_default_password_is_not_even_sent() -> None:
    with PlayedCamera(Habits(username="admin", password="12345")) as camera:
        with pytest.raises(CameraRefused) as refused:
            describe(camera.url, Login("admin", "12345"))
        assert camera.habits.asked == []
    assert "โรงงาน" in explain(Language.THAI, refused.value)


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(MAX_BYTES // 1024 + 64):
        handler.wfile.write(b"<" * 1024)


def redirect(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("Location", "http://192.0.2.1/")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def web_page(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(b"<html><body>Login</body></html>")


def basic(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(401)
    handler.send_header("WWW-Authenticate", 'Basic realm="x"')
    handler.send_header("Content-Length", "0")
    handler.end_headers()


@pytest.mark.parametrize(
    ("raw", "word"),
    [(endless, "malformed"), (redirect, "no_onvif"), (web_page, "no_onvif"), (basic, "wrong_password")],
)
def test_a_difficult_answer_is_a_named_failure(raw: object, word: str) -> None:
    with PlayedCamera(Habits(raw=raw)) as camera, pytest.raises((DiscoveryError, CameraRefused)) as failed:  # type: ignore[arg-type]
        describe(camera.url, LOGIN)
    assert word in {failed.value.facts.get("reason"), failed.value.facts.get("problem")}
    assert_explained(failed.value)


def test_an_answer_that_never_ends_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soap, "_CALL_LIMIT_S", 0.3)

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b" ")
        except OSError:
            return

    with PlayedCamera(Habits(raw=drip)) as camera, pytest.raises(DiscoveryError):
        describe(camera.url, LOGIN)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("rtsp://127.0.0.1/", "bad_url"),
        ("http://", "bad_url"),
        ("http://[::1", "bad_url"),
        ("http://a b/", "bad_url"),
        ("http://127.0.0.1:99999/", "bad_url"),
        ("http://127.0.0.1:{port}/", "no_answer"),
    ],
)
def test_an_address_that_leads_nowhere_says_so(url: str, reason: str) -> None:
    with pytest.raises(DiscoveryError) as failed:
        describe(url.format(port=unused_port()), LOGIN)
    assert failed.value.facts["reason"] == reason
    assert_explained(failed.value)


def assert_explained(failure: WaysideError) -> None:
    said = {explain(language, failure) for language in Language}
    assert len(said) == 2 and not [one for one in said if one.startswith("cameras.")]


@given(
    token=st.text(max_size=70),
    width=st.text(max_size=8) | st.integers().map(str),
    height=st.integers(-9, 99_999).map(str),
)
def test_any_profile_is_read_within_bounds_or_left_out(token: str, width: str, height: str) -> None:
    words = {"token": token, "width": width, "height": height}
    words = {key: text.replace("&", "").replace("<", "").replace('"', "") for key, text in words.items()}
    try:
        answer = parse_xml(ENVELOPE.format(PROFILE.format(**words)).encode("utf-8", "replace")).child("Body")
    except DiscoveryError:
        return
    assert answer is not None
    for profile in read_profiles(answer):
        assert 0 <= profile.width <= 16_384 and 0 <= profile.height <= 16_384
        assert profile.token.isprintable() and profile.name.isprintable()
