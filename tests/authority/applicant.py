"""A node as the authority sees one: a key, its requests; and an office of one organisation and a few sites."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from agent.authority.office import Office
from agent.authority.orders import MadeOrder
from agent.authority.records import CameraRecord, SiteRecord
from agent.contract.enrolment import (
    GRANT_TYP,
    ORDER_PREFIX,
    RENEWAL_TYP,
    REQUEST_TYP,
    EnrolAnswer,
    EnrolRequest,
    Grant,
    Label,
    RenewRequest,
)
from agent.contract.wire import decode, encode
from agent.enrolment.csr import make_csr
from agent.enrolment.nodekey import node_id
from agent.enrolment.words import six_words
from agent.signing import make_key, public_from_pem, sign_compact, spki_sha256, verify_compact

NOW_S = 1_800_000_000
HOUR_S = 3600
DAY_S = 86_400
ORG = "songkhla-pao"
SITE, OTHER_SITE = "hatyai-012", "hatyai-013"


@dataclass(frozen=True, slots=True)
class Applicant:
    """A box on the bench."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=make_key)

    @property
    def fingerprint(self) -> str:
        return spki_sha256(self.key.public_key())

    @property
    def node(self) -> str:
        return node_id(self.fingerprint)

    @property
    def csr(self) -> str:
        return make_csr(self.key, self.node)

    def label(self) -> Label:
        words = six_words(self.fingerprint)
        return Label(v=1, node=self.node, spki_sha256=self.fingerprint, words=words, pin="12345678")

    def request(self, made: MadeOrder | str, *, csr: str | None = None, node: str | None = None) -> str:
        text = made if isinstance(made, str) else made.text
        body = EnrolRequest(
            v=1,
            node=node or self.node,
            order=text.removeprefix(ORDER_PREFIX),
            csr=self.csr if csr is None else csr,
            iat=0,
            hardware="a box",
        )
        return sign_compact(encode(body), self.key, typ=REQUEST_TYP)

    def renewal(self, serial: str) -> str:
        body = RenewRequest(v=1, node=self.node, serial=serial, csr=self.csr, iat=0)
        return sign_compact(encode(body), self.key, typ=RENEWAL_TYP)


def make_office(folder: Path) -> Office:
    office = Office.create(
        folder, enrol_url="https://centre.example:8843", broker_url="mqtts://centre.example:8883", now_s=NOW_S
    )
    cameras = CameraRecord("c01", "เสาเหนือ", "traffic", 30), CameraRecord("c02", "เสาใต้", "traffic", 15)
    sites = [SiteRecord(SITE, ORG, "หาดใหญ่", "แยกคลองเรียน", 7.0086, 100.4747, cameras), SiteRecord(OTHER_SITE, ORG)]
    office.put_sites(sites, {ORG: "อบจ.สงขลา"}, now_s=NOW_S)
    return office


def grant_of(office: Office, answer: EnrolAnswer) -> Grant:
    """The grant, verified as a node would."""
    assert answer.grant is not None, answer
    keys = {each.kid: public_from_pem(each.pem) for each in office.anchors(ORG).keys if each.use == "office"}
    return decode(verify_compact(answer.grant, keys, typ=GRANT_TYP), Grant)
