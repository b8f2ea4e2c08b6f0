"""A node's certificate: what of it matters to us, and whether it is really ours. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent.errors import SignatureError
from agent.signing import spki_sha256


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """`serial` is lower-case hex without leading zeros; times are Unix seconds."""

    common_name: str
    serial: str
    spki_sha256: str
    not_before_s: int
    not_after_s: int


def read_certificate(pem: str | bytes) -> CertificateFacts:
    """Raises SignatureError `bad_certificate`."""
    certificate = _load(pem)
    key = certificate.public_key()
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if not isinstance(key, ec.EllipticCurvePublicKey) or len(names) != 1:
        raise SignatureError(reason="bad_certificate", remedy="it is no node certificate")
    return CertificateFacts(
        common_name=str(names[0].value),
        serial=f"{certificate.serial_number:x}",
        spki_sha256=spki_sha256(key),
        not_before_s=int(certificate.not_valid_before_utc.timestamp()),
        not_after_s=int(certificate.not_valid_after_utc.timestamp()),
    )


def check_issuer(pem: str | bytes, ca_pem: str) -> None:
    """Raises SignatureError `wrong_ca` unless one certificate of `ca_pem` issued it."""
    certificate = _load(pem)
    try:
        authorities = x509.load_pem_x509_certificates(ca_pem.encode())
    except ValueError as exc:
        raise SignatureError(reason="bad_certificate", remedy="the organisation's CA cannot be read") from exc
    for authority in authorities:
        try:
            certificate.verify_directly_issued_by(authority)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return
    raise SignatureError(reason="wrong_ca", remedy="it was not issued by this organisation's CA")


def _load(pem: str | bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem.encode() if isinstance(pem, str) else pem)
    except (ValueError, x509.InvalidVersion) as exc:
        raise SignatureError(reason="bad_certificate", remedy="it is no PEM certificate") from exc
