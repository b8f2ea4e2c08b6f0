"""The proofs of a password, by the vectors of their standards."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import CameraRefused
from provisioning.cameras.camera import Login
from provisioning.cameras.httpauth import Challenge, answer_challenge, read_challenge, username_token
from provisioning.cameras.markup import parse_xml
from provisioning.cameras.passwords import check_password

# RFC 7616, 3.9.1.
NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
OPAQUE = "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
HEADER = 'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, nonce="{}", opaque="{}"'


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_digest_is_the_rfcs(algorithm: str, response: str) -> None:
    challenge = read_challenge([HEADER.format(algorithm, NONCE, OPAQUE)])
    assert challenge == Challenge("http-auth@example.org", NONCE, OPAQUE, algorithm, has_qop=True)
    header = answer_challenge(
        challenge,
        Login("Mufasa", "Circle of Life"),
        method="GET",
        path="/dir/index.html",
        cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )
    assert f'response="{response}"' in header


def test_the_strongest_challenge_is_answered() -> None:
    headers = ['Basic realm="x"', HEADER.format("MD5", NONCE, OPAQUE), HEADER.format("SHA-256", NONCE, OPAQUE)]
    challenge = read_challenge(headers)
    assert challenge is not None and challenge.algorithm == "SHA-256"


@pytest.mark.parametrize(
    "header",
    [
        'Basic realm="x"',
        'Digest realm="x"',
        'Digest nonce="x", algorithm=SHA-512-256',
        'Digest nonce="x", qop="auth-int"',
    ],
)
def test_what_we_cannot_answer_is_no_challenge(header: str) -> None:
    assert read_challenge([header]) is None


@given(st.text(max_size=200))
def test_any_header_is_a_challenge_or_none(text: str) -> None:
    challenge = read_challenge(["Digest " + text])
    if challenge is not None:
        answer_challenge(challenge, Login("a", "b"), method="POST", path="/", cnonce="c")


def test_the_username_token_is_the_onvif_guides() -> None:
    # ONVIF Application Programmer's Guide, 1.0, 6.1.1.3.
    at_ns = int(datetime(2010, 9, 16, 7, 50, 45, tzinfo=UTC).timestamp()) * 1_000_000_000
    nonce = base64.b64decode("LKqI6G/AikKCQrN0zqZFlg==")
    token = username_token(Login("user", "userpassword"), camera_time_ns=at_ns, nonce=nonce)
    assert ">tuOSpGlFlIXsozq4HFNeeGeFLEI=<" in token and ">2010-09-16T07:50:45Z<" in token


@given(
    st.text(alphabet=st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\ufffe\uffff"), max_size=30)
)
def test_any_name_stays_within_its_element(name: str) -> None:
    envelope = f'<e xmlns:s="urn:s">{username_token(Login(name, "x"), camera_time_ns=0, nonce=b"n" * 16)}</e>'
    token = parse_xml(envelope.encode()).child("Security", "UsernameToken")
    assert token is not None and [one.name for one in token.children] == ["Username", "Password", "Nonce", "Created"]


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("admin", "admin"),
        ("admin", "12345"),
        ("ADMIN", "Password"),
        ("root", ""),
        ("operator", "operator"),
        ("x", "Admin123"),
    ],
)
def test_passwords_that_cameras_are_sold_with_are_refused(username: str, password: str) -> None:
    with pytest.raises(CameraRefused, match="set a password of its own"):
        check_password(Login(username, password))


def test_a_password_is_in_no_message() -> None:
    assert "Kor-Hong-7" not in repr(Login("operator", "Kor-Hong-7"))
    check_password(Login("operator", "Kor-Hong-7"))
    check_password(Login())
