"""The node's certificate signing request (PKCS 10, RFC 2986): its id, proven by its key. Pure."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def make_csr(key: ec.EllipticCurvePrivateKey, node: str) -> str:
    """PEM; the common name is the node's id and there is nothing else in it: all further names are the authority's."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, node)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return csr.public_bytes(serialization.Encoding.PEM).decode("ascii")
