"""The page's own certificate: self-signed by the node's key, so that its fingerprint is the one on the label."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agent.enrolment.home import PRIVATE_MODE
from agent.signing import key_to_pem

if TYPE_CHECKING:
    from agent.enrolment.home import NodeHome
    from agent.enrolment.nodekey import NodeKey

# Made on a node whose clock may say 1970, read by a phone whose clock is right: valid from before the first node was
# built until never (RFC 5280, 4.1.2.5; 802.1AR uses the same for device identities). Who it belongs to is told by the
# label, not by a date.
_FROM: Final = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)
_UNTIL: Final = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)


def ensure_certificate(home: NodeHome, key: NodeKey) -> None:
    """page.key and page.pem, made anew whenever they are not of this node's key. Raises EnrolmentError."""
    private = key_to_pem(key.private)
    if home.read(home.page_key) == private and home.page_certificate.exists():
        return
    home.write(home.page_certificate, make_certificate(key), mode=PRIVATE_MODE)
    home.write(home.page_key, private, mode=PRIVATE_MODE)


def make_certificate(key: NodeKey) -> bytes:
    """PEM. Named by the node's id; phones reach it by whatever address the cable gave it."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, key.node)])
    public = key.private.public_key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_FROM)
        .not_valid_after(_UNTIL)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(f"{key.node}.local")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key.private, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)
