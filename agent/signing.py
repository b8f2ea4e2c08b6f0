"""ES256 signatures over short documents: JWS, compact and general, made and believed; keys named by thumbprint.

One curve, one algorithm, one form: what a document may not choose, it cannot be forged with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from agent.contract.commands import Jws, JwsHeader, JwsSignature, base64url, from_base64url
from agent.contract.wire import decode, encode
from agent.errors import SignatureError, WireError

# P-256: a signature is r and s of 32 bytes each (RFC 7518, 3.4).
_SCALAR_BYTES: Final = 32


def make_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def key_to_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """PKCS 8, unencrypted: what protects it is the file's owner and mode."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def key_from_pem(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """Raises SignatureError for anything but an unencrypted P-256 key."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise SignatureError(reason="bad_key", remedy="this is no unencrypted PEM key") from exc
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SignatureError(reason="bad_key", remedy="keys are of the curve P-256")
    return key


def public_to_pem(key: ec.EllipticCurvePublicKey) -> str:
    raw = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return raw.decode("ascii")


def public_from_pem(pem: str) -> ec.EllipticCurvePublicKey:
    """Raises SignatureError for anything but a P-256 public key."""
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise SignatureError(reason="bad_key", remedy="this is no PEM public key") from exc
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SignatureError(reason="bad_key", remedy="keys are of the curve P-256")
    return key


def spki_sha256(key: ec.EllipticCurvePublicKey) -> str:
    """Fingerprint of a key: SHA-256 of its DER SubjectPublicKeyInfo, hex."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def key_id(key: ec.EllipticCurvePublicKey) -> str:
    """The `kid`: thumbprint of RFC 7638 over the required members in their order."""
    numbers = key.public_numbers()
    x, y = (base64url(each.to_bytes(_SCALAR_BYTES, "big")) for each in (numbers.x, numbers.y))
    canonical = f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'
    return base64url(hashlib.sha256(canonical.encode()).digest())


def sign_compact(payload: bytes, key: ec.EllipticCurvePrivateKey, *, typ: str) -> str:
    """`protected.payload.signature` (RFC 7515, 7.1); the kid is the key's thumbprint."""
    header = encode(JwsHeader(alg="ES256", kid=key_id(key.public_key()), typ=typ))
    signed = f"{base64url(header)}.{base64url(payload)}"
    r, s = decode_dss_signature(key.sign(signed.encode("ascii"), ec.ECDSA(hashes.SHA256())))
    signature = r.to_bytes(_SCALAR_BYTES, "big") + s.to_bytes(_SCALAR_BYTES, "big")
    return f"{signed}.{base64url(signature)}"


def verify_compact(text: str, keys: Mapping[str, ec.EllipticCurvePublicKey], *, typ: str) -> bytes:
    """The payload, once one of `keys` (by kid) has signed it as a document of `typ`.

    Raises SignatureError: `malformed`, `unknown_key`, `wrong_type` or `bad_signature`.
    """
    header, payload, signature, signed = _take_apart(text)
    if header.typ != typ:
        raise SignatureError(reason="wrong_type", typ=header.typ, remedy=f"this is no {typ}")
    key = keys.get(header.kid)
    if key is None:
        raise SignatureError(reason="unknown_key", kid=header.kid, remedy="none of the trusted keys signed it")
    r, s = (int.from_bytes(half, "big") for half in (signature[:_SCALAR_BYTES], signature[_SCALAR_BYTES:]))
    try:
        key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as exc:
        raise SignatureError(reason="bad_signature", remedy="it was changed after signing") from exc
    return payload


def sign_general(payload: bytes, keys: Sequence[ec.EllipticCurvePrivateKey], *, typ: str) -> Jws:
    """General JSON serialisation (RFC 7515, 7.2.1): one signature of each key over the same payload."""
    parts = [sign_compact(payload, key, typ=typ).split(".") for key in keys]
    return Jws(
        payload=base64url(payload),
        signatures=tuple(JwsSignature(protected=part[0], signature=part[2]) for part in parts),
    )


def verify_general(jws: Jws, keys: Mapping[str, ec.EllipticCurvePublicKey], *, typ: str) -> tuple[str, ...]:
    """The kid of each signature, all of which must hold: one that cannot be believed spoils the others.

    Raises SignatureError as `verify_compact` does.
    """
    parts = [f"{each.protected}.{jws.payload}.{each.signature}" for each in jws.signatures]
    for part in parts:
        verify_compact(part, keys, typ=typ)
    return tuple(claimed_key_id(part) for part in parts)


def unverified_payload(text: str) -> bytes:
    """What a compact JWS claims: to find whose key to verify it with, and for nothing else. Raises SignatureError."""
    return _take_apart(text)[1]


def claimed_key_id(text: str) -> str:
    """The kid a compact JWS names: to find the key to verify it with, and for nothing else. Raises SignatureError."""
    return _take_apart(text)[0].kid


def _take_apart(text: str) -> tuple[JwsHeader, bytes, bytes, bytes]:
    parts = text.strip().split(".")
    if len(parts) != 3 or not text.isascii():
        raise SignatureError(reason="malformed", remedy="it is not a signed document, or was cut")
    try:
        header = decode(from_base64url(parts[0]), JwsHeader)
        payload, signature = from_base64url(parts[1]), from_base64url(parts[2])
    except WireError as exc:
        raise SignatureError(reason="malformed", remedy="it is not a signed document, or was cut") from exc
    if len(signature) != 2 * _SCALAR_BYTES:
        raise SignatureError(reason="malformed", remedy="its signature has the wrong length")
    return header, payload, signature, f"{parts[0]}.{parts[1]}".encode("ascii")
