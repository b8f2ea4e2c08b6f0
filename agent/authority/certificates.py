"""X.509 on the curve P-256: authorities, certificates of nodes, servers and clients, revocation lists, requests read.

Profile of RFC 5280. Times are seconds since 1970; every certificate begins a little in the past, for clocks differ.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agent.authority.nodes import RevokedSerial
from agent.contract.enrolment import CERTIFICATE_LIFE_S
from agent.enrolment.nodekey import node_id
from agent.errors import EnrolmentError, RegisterError
from agent.signing import spki_sha256
from agent.units import DAY_S

# A node's clock is held by chrony or by its floor, both well within an hour of the office's.
_BACKDATED_S: Final = 3600
# An authority outlives the poles: a node that lay in store for years must still believe the centre.
_CA_LIFE_S: Final = 20 * 365 * DAY_S
# The centre makes its server's certificate anew whenever it is set up; a broker may be left alone longer.
_SERVER_LIFE_S: Final = 825 * DAY_S
# A list that has lapsed makes OpenSSL refuse every node of the organisation. It is renewed with each revocation, so
# its end is not what keeps it fresh.
_CRL_LIFE_S: Final = 3650 * DAY_S


@dataclass(frozen=True, slots=True)
class Ca:
    """An authority: its certificate and the key that signs."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def make_ca(key: ec.EllipticCurvePrivateKey, *, name: str, org: str, now_s: int) -> x509.Certificate:
    """A self-signed root that may sign end entities and nothing between."""
    subject = _name(name, org)
    builder = _builder(key.public_key(), subject, subject, now_s=now_s, life_s=_CA_LIFE_S)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(is_ca=True), critical=True)
    return builder.sign(key, hashes.SHA256())


def issue_node(
    ca: Ca, key: ec.EllipticCurvePublicKey, *, org: str, site: str, node: str, now_s: int
) -> x509.Certificate:
    """CN = node, as the broker's identity; organisation and site stand in the URI, for people and for audits."""
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"urn:wayside:{org}:{site}:{node}")])
    builder = _builder(key, _name(node, org), ca.certificate.subject, now_s=now_s, life_s=CERTIFICATE_LIFE_S)
    return _sign_leaf(builder.add_extension(names, critical=False), ca, ExtendedKeyUsageOID.CLIENT_AUTH)


def issue_server(ca: Ca, key: ec.EllipticCurvePublicKey, *, names: Sequence[str], now_s: int) -> x509.Certificate:
    """For HTTPS or the broker; `names` are host names and addresses, the first also the CN. Raises RegisterError."""
    if not names:
        raise RegisterError(reason="no_name", remedy="name the host or address that nodes connect to")
    builder = _builder(key, _name(names[0][:64], ""), ca.certificate.subject, now_s=now_s, life_s=_SERVER_LIFE_S)
    alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
    return _sign_leaf(builder.add_extension(alternatives, critical=False), ca, ExtendedKeyUsageOID.SERVER_AUTH)


def issue_client(ca: Ca, key: ec.EllipticCurvePublicKey, *, name: str, now_s: int) -> x509.Certificate:
    """For the centre's own programs at the broker: the receiver, a partner's reader."""
    builder = _builder(key, _name(name, ""), ca.certificate.subject, now_s=now_s, life_s=_SERVER_LIFE_S)
    return _sign_leaf(builder, ca, ExtendedKeyUsageOID.CLIENT_AUTH)


def make_crl(ca: Ca, revoked: Sequence[RevokedSerial], *, now_s: int) -> str:
    """PEM. Its number is the time it was made, so a newer list has a higher one (RFC 5280, 5.2.3)."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(ca.certificate.subject)
    builder = builder.last_update(_instant(now_s - _BACKDATED_S)).next_update(_instant(now_s + _CRL_LIFE_S))
    for each in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(int(each.serial, 16))
        builder = builder.add_revoked_certificate(entry.revocation_date(_instant(each.revoked_s)).build())
    builder = builder.add_extension(x509.CRLNumber(now_s), critical=False)
    builder = builder.add_extension(_authority_key(ca), critical=False)
    return builder.sign(ca.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode("ascii")


def read_csr(pem: str, *, node: str) -> ec.EllipticCurvePublicKey:
    """The key that asks as `node`. Raises EnrolmentError with reason `bad_csr`, as `read_csr_of_anybody`."""
    key = read_csr_of_anybody(pem)
    if node_id(spki_sha256(key)) != node:
        raise _bad_csr("its key is not the one that the node is named after")
    return key


def read_csr_of_anybody(pem: str) -> ec.EllipticCurvePublicKey:
    """The key that asks, once it has signed its request under the node id that follows from it.

    Only key and common name are taken from a request; every other name is the authority's to write. Raises
    EnrolmentError with reason `bad_csr`.
    """
    try:
        csr = x509.load_pem_x509_csr(pem.encode())
        key = csr.public_key()
        names = [each.value for each in csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        is_signed = csr.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as exc:
        raise _bad_csr("it is no certificate request (PKCS 10, PEM)") from exc
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _bad_csr("keys are of the curve P-256")
    if not is_signed:
        raise _bad_csr("its key has not signed it")
    if names != [node_id(spki_sha256(key))]:
        raise _bad_csr("its name is not the node id that follows from its key")
    return key


def serial_of(certificate: x509.Certificate) -> str:
    return f"{certificate.serial_number:x}"


def to_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def _sign_leaf(builder: x509.CertificateBuilder, ca: Ca, usage: x509.ObjectIdentifier) -> x509.Certificate:
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(is_ca=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return builder.add_extension(_authority_key(ca), critical=False).sign(ca.key, hashes.SHA256())


def _builder(
    key: ec.EllipticCurvePublicKey, subject: x509.Name, issuer: x509.Name, *, now_s: int, life_s: int
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(_instant(now_s - _BACKDATED_S)).not_valid_after(_instant(now_s + life_s))
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def _authority_key(ca: Ca) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key())


def _key_usage(*, is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_ca,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str, org: str) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if org:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, org))
    return x509.Name(parts)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        try:
            return x509.DNSName(name)
        except ValueError as exc:
            raise RegisterError(name=name, reason="bad_name", remedy="write a host name in ASCII (IDNA)") from exc


def _instant(wall_s: int) -> datetime:
    return datetime.fromtimestamp(wall_s, UTC)


def _bad_csr(remedy: str) -> EnrolmentError:
    return EnrolmentError(reason="bad_csr", remedy=remedy)
