"""An organisation and its papers as an office would make them, small: CAs, anchors, orders, grants, certificates."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agent.contract.commands import base64url
from agent.contract.enrolment import GRANT_TYP, ORDER_PREFIX, ORDER_TYP, Anchors, Grant, OfficeKey, WorkOrder
from agent.contract.wire import encode
from agent.identity import new_uuid7
from agent.signing import key_id, make_key, public_to_pem, sign_compact

# Any moment that the tests' papers live in; not the machine's clock.
NOW_S = 1_800_000_000
DAY_S = 86_400

Key = ec.EllipticCurvePrivateKey


def pem_of(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def moment(unix_s: float) -> datetime:
    return datetime.fromtimestamp(unix_s, UTC)


def named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


@dataclass(frozen=True, slots=True)
class Authority:
    """One CA."""

    certificate: x509.Certificate
    key: Key

    @classmethod
    def make(cls, name: str, *, now_s: float = NOW_S) -> Authority:
        key = make_key()
        certificate = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named(name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(moment(now_s - DAY_S))
            .not_valid_after(moment(now_s + 3650 * DAY_S))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @property
    def pem(self) -> str:
        return pem_of(self.certificate)

    def issue(
        self,
        name: str,
        key: ec.EllipticCurvePublicKey,
        *,
        now_s: float = NOW_S,
        life_s: float = 90 * DAY_S,
        is_server: bool = False,
    ) -> x509.Certificate:
        usage = ExtendedKeyUsageOID.SERVER_AUTH if is_server else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(self.certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(moment(now_s - 3600))
            .not_valid_after(moment(now_s + life_s))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        )
        if is_server:
            names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def crl(self, *revoked: x509.Certificate, now_s: float = NOW_S, life_s: float = 30 * DAY_S) -> str:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(moment(now_s - 3600))
            .next_update(moment(now_s) + timedelta(seconds=life_s))
        )
        for certificate in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(moment(now_s - 60)).build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@dataclass(frozen=True, slots=True)
class Organisation:
    """One organisation's office with its keys."""

    org: str = "songkhla-pao"
    ca: Authority = field(default_factory=lambda: Authority.make("nodes"))
    centre_ca: Authority = field(default_factory=lambda: Authority.make("centre"))
    key: Key = field(default_factory=make_key)

    @property
    def anchors(self) -> Anchors:
        public = self.key.public_key()
        key = OfficeKey(kid=key_id(public), pem=public_to_pem(public), use="office")
        return Anchors(v=1, org=self.org, ca=self.ca.pem, centre_ca=self.centre_ca.pem, keys=(key,))

    def order(self, *, now_s: int = NOW_S, **facts: object) -> WorkOrder:
        base = WorkOrder(
            v=1,
            order=new_uuid7(),
            org=self.org,
            site="hatyai-012",
            claim=base64url(bytes(32)),
            iat=now_s,
            exp=now_s + 72 * 3600,
            enrol_url="https://localhost:8443",
        )
        return msgspec.structs.replace(base, **facts)

    def order_text(self, order: WorkOrder) -> str:
        return ORDER_PREFIX + sign_compact(encode(order), self.key, typ=ORDER_TYP)

    def grant(
        self,
        public: ec.EllipticCurvePublicKey,
        node: str,
        /,
        *,
        now_s: float = NOW_S,
        life_s: float = 90 * DAY_S,
        more: dict[str, object] | None = None,
        **facts: object,
    ) -> Grant:
        site = str(facts.get("site", "hatyai-012"))
        said: dict[str, object] = {
            "node": {"org": self.org, "site": site, "id": node},
            "broker": {"url": "mqtts://localhost:8883"},
            **(more or {}),
        }
        base = Grant(
            v=1,
            order=new_uuid7(),
            org=self.org,
            site=site,
            node=node,
            certificate=pem_of(self.ca.issue(node, public, now_s=now_s, life_s=life_s)),
            anchors=self.anchors,
            config=msgspec.Raw(msgspec.json.encode(said)),
            revision=1,
            iat=int(now_s),
            enrol_url="https://localhost:8443",
        )
        return msgspec.structs.replace(base, **facts)

    def grant_text(self, grant: Grant) -> str:
        return sign_compact(encode(grant), self.key, typ=GRANT_TYP)
