"""The node's key for evidence: what signs seals and bundles, and the papers that say whose key it is."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent.errors import SignatureError
from agent.signing import key_from_pem, spki_sha256

# A certificate that a node without papers makes for its own key says nothing by its dates.
_OWN_LIFE = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Signer:
    """`certificate` is PEM of this key, `chain` PEM of the authorities that vouch for it; empty where there is none."""

    key: ec.EllipticCurvePrivateKey
    certificate: bytes = b""
    chain: bytes = b""

    @property
    def fingerprint(self) -> str:
        return spki_sha256(self.key.public_key())

    def sign(self, data: bytes) -> bytes:
        """DER ECDSA over SHA-256, as `openssl dgst -sha256 -verify` takes it."""
        return self.key.sign(data, ec.ECDSA(hashes.SHA256()))

    def certificate_or_own(self, name: str) -> bytes:
        """The node's certificate, or one that it issues to itself, by which anybody can check but nobody vouches."""
        return self.certificate or _own_certificate(self.key, name)


def load_signer(key: Path, certificate: Path | None = None, chain: bytes = b"") -> Signer | None:
    """None when there is no such key, or it may not be read by this user. Raises SignatureError for what is no key."""
    try:
        loaded = key_from_pem(key.read_bytes())
        paper = certificate.read_bytes() if certificate is not None and certificate.is_file() else b""
    except OSError:
        return None
    if paper and spki_sha256(certified_key(paper)) != spki_sha256(loaded.public_key()):
        raise SignatureError(reason="wrong_key", remedy="the node's certificate is of another key; renew it")
    return Signer(loaded, paper, chain)


def certified_key(pem: bytes) -> ec.EllipticCurvePublicKey:
    """The P-256 key of a PEM certificate. Raises SignatureError `bad_certificate`."""
    try:
        key = x509.load_pem_x509_certificate(pem).public_key()
    except (ValueError, TypeError, x509.InvalidVersion, UnsupportedAlgorithm) as exc:
        raise SignatureError(reason="bad_certificate", remedy="it is no PEM certificate") from exc
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SignatureError(reason="bad_certificate", remedy="its key is not of the curve P-256")
    return key


def is_issued_by(pem: bytes, authorities: bytes) -> bool:
    """Whether one certificate of the PEM bundle `authorities` issued this one."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        candidates = x509.load_pem_x509_certificates(authorities)
    except (ValueError, TypeError, x509.InvalidVersion, UnsupportedAlgorithm):
        return False
    for authority in candidates:
        try:
            certificate.verify_directly_issued_by(authority)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            continue
        return True
    return False


def is_signed(data: bytes, signature: bytes, key: ec.EllipticCurvePublicKey) -> bool:
    try:
        key.verify(signature, data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def to_text(signature: bytes) -> str:
    return base64.b64encode(signature).decode("ascii")


def from_text(text: str) -> bytes:
    """Empty for what is no base64, which no key has signed."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""


def _own_certificate(key: ec.EllipticCurvePrivateKey, name: str) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name or "wayside")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + _OWN_LIFE)
        .sign(key, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM)
