"""The two proofs of a password that ONVIF cameras take: HTTP digest and the UsernameToken of WS-Security. Pure.

Sources: RFC 7616; OASIS Web Services Security UsernameToken Profile 1.1, 3.1; ONVIF Core Specification, 5.9.1.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from xml.sax.saxutils import escape

from provisioning.cameras.camera import Login

_SECURITY: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
_TOKEN: Final = (
    f'<w:Security s:mustUnderstand="1" xmlns:w="{_SECURITY}wssecurity-secext-1.0.xsd"'
    f' xmlns:u="{_SECURITY}wssecurity-utility-1.0.xsd"><w:UsernameToken><w:Username>{{username}}</w:Username>'
    f'<w:Password Type="{_SECURITY.removesuffix("wss-")}wss-username-token-profile-1.0#PasswordDigest">{{digest}}'
    f'</w:Password><w:Nonce EncodingType="{_SECURITY}soap-message-security-1.0#Base64Binary">{{nonce}}</w:Nonce>'
    "<u:Created>{created}</u:Created></w:UsernameToken></w:Security>"
)
_PARAMETER: Final = re.compile(r'([a-zA-Z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
# Preferred first. SHA-512-256 is not met on cameras.
_ALGORITHMS: Final = {"SHA-256": "sha256", "MD5": "md5"}
_MAX_CHALLENGE: Final = 2048


@dataclass(frozen=True, slots=True)
class Challenge:
    """A `WWW-Authenticate: Digest` that we can answer. `algorithm`: MD5 or SHA-256; `has_qop`: with a client nonce."""

    realm: str
    nonce: str
    opaque: str
    algorithm: str
    has_qop: bool


def read_challenge(headers: list[str]) -> Challenge | None:
    """The strongest digest challenge of these header values, None where there is none that we can answer."""
    found = [challenge for header in headers if (challenge := _challenge(header)) is not None]
    ranks = list(_ALGORITHMS)
    return min(found, key=lambda one: ranks.index(one.algorithm), default=None)


def _challenge(header: str) -> Challenge | None:
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() != "digest" or len(header) > _MAX_CHALLENGE:
        return None
    found = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(rest)}
    algorithm = found.get("algorithm", "MD5").upper()
    choices = {word.strip().lower() for word in found.get("qop", "").split(",") if word.strip()}
    if not found.get("nonce") or algorithm not in _ALGORITHMS or (choices and "auth" not in choices):
        return None
    return Challenge(found.get("realm", ""), found["nonce"], found.get("opaque", ""), algorithm, bool(choices))


def answer_challenge(challenge: Challenge, login: Login, *, method: str, path: str, cnonce: str) -> str:
    """The `Authorization` header, for the first use of this nonce."""

    def digest(text: str) -> str:
        return hashlib.new(_ALGORITHMS[challenge.algorithm], text.encode(), usedforsecurity=False).hexdigest()

    secret = digest(f"{login.username}:{challenge.realm}:{login.password}")
    request = digest(f"{method}:{path}")
    middle = f"{challenge.nonce}:00000001:{cnonce}:auth" if challenge.has_qop else challenge.nonce
    fields = {
        "username": login.username,
        "realm": challenge.realm,
        "nonce": challenge.nonce,
        "uri": path,
        "response": digest(f"{secret}:{middle}:{request}"),
        "opaque": challenge.opaque,
    }
    # What was read stays escaped as it was; only the name is ours.
    fields["username"] = login.username.replace("\\", "\\\\").replace('"', '\\"')
    quoted = ", ".join(f'{name}="{value}"' for name, value in fields.items() if value or name != "opaque")
    tail = f', qop=auth, nc=00000001, cnonce="{cnonce}"' if challenge.has_qop else ""
    return f"Digest {quoted}, algorithm={challenge.algorithm}{tail}"


def username_token(login: Login, *, camera_time_ns: int, nonce: bytes) -> str:
    """The SOAP header. camera_time_ns: the camera's own time in ns since 1970; it refuses what is minutes off.

    The nonce must be fresh and random: 16 bytes.
    """
    created = datetime.fromtimestamp(camera_time_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    digest = hashlib.sha1(nonce + created.encode() + login.password.encode(), usedforsecurity=False).digest()
    return _TOKEN.format(
        username=escape(login.username),
        digest=base64.b64encode(digest).decode(),
        nonce=base64.b64encode(nonce).decode(),
        created=created,
    )
