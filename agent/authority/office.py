"""The office's folder as one object: what its commands and the centre's server do with it.

Methods may be called from any thread and from several processes at once: each opens the register for itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec

from agent.authority import members, nodes, orders, register, sites
from agent.authority.acceptances import Accepted, accept
from agent.authority.answers import refused
from agent.authority.certificates import issue_client, issue_server, make_crl, to_pem
from agent.authority.claims import Refusal
from agent.authority.enrolling import decide_enrolment, decide_renewal
from agent.authority.keys import KeyStore
from agent.authority.ordering import make_orders, sign_order
from agent.authority.orders import MadeOrder, OrderWish
from agent.authority.records import (
    AclNode,
    Applicant,
    Approval,
    ImportCounts,
    MemberRecord,
    NodeRecord,
    OrderRecord,
    Organisation,
    Settings,
    SiteRecord,
)
from agent.authority.register_file import read_register_file
from agent.authority.requests import read_enrolment, read_renewal
from agent.authority.settings import checked, load_settings, store_settings
from agent.contract.enrolment import CLAIM_LIFE_S, Anchors, EnrolAnswer, Label, WorkOrder
from agent.errors import ClaimRefused, RegisterError
from agent.signing import key_to_pem, make_key, public_from_pem


class KeyPair(NamedTuple):
    """Both PEM; the key is not encrypted."""

    certificate: str
    key: str


class Office:
    """Raises RegisterError for what the register does not allow and StoreError when its disk refuses."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._keys = KeyStore(folder)

    @classmethod
    def create(
        cls, folder: Path, *, enrol_url: str, broker_url: str, timezone: str = "Asia/Bangkok", now_s: int
    ) -> Office:
        """A new office, or the one that is there with new settings: its keys and its register stay."""
        settings = checked(Settings(enrol_url, broker_url, timezone))
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        register.create_register(folder)
        with register.deciding(folder) as conn:
            store_settings(conn, settings)
            KeyStore(folder).make_centre(now_s=now_s)
        return cls(folder)

    @classmethod
    def open(cls, folder: Path) -> Office:
        with register.reading(folder):
            return cls(folder)

    def settings(self) -> Settings:
        with register.reading(self.folder) as conn:
            return load_settings(conn)

    # -- the register ------------------------------------------------------------------------------------

    def add_organisation(self, org: str, name: str = "", *, now_s: int | None = None) -> Anchors:
        """With its authority and keys; one that is there keeps them."""
        with register.deciding(self.folder) as conn:
            sites.put_organisation(conn, org, name)
            return self._keys.make_organisation(org, now_s=_now(now_s))

    def organisations(self) -> list[Organisation]:
        with register.reading(self.folder) as conn:
            return sites.organisations(conn)

    def set_person(self, org: str, actor: str, role: str, public_pem: str, *, now_s: int | None = None) -> Anchors:
        """Nodes of this organisation obey this person's key from their next papers on; nobody of that name if it is
        empty. Raises SignatureError, WireError where key or actor is none."""
        with register.deciding(self.folder) as conn:
            if org not in {each.org for each in sites.organisations(conn)}:
                raise RegisterError(org=org, remedy="no such organisation; `wayside-provision office init` makes one")
            self._keys.set_person(org, actor, role, public_pem)
            return self._keys.make_organisation(org, now_s=_now(now_s))

    def anchors(self, org: str) -> Anchors:
        return self._keys.anchors(org)

    def anchors_path(self, org: str) -> Path:
        """The file that goes on a node's boot partition as `wayside-anchors.json`."""
        return self._keys.anchors_path(org)

    def add_site(self, site: SiteRecord, *, now_s: int | None = None) -> ImportCounts:
        return self.put_sites([site], now_s=now_s)

    def put_sites(
        self, records: Sequence[SiteRecord], names: Mapping[str, str] | None = None, *, now_s: int | None = None
    ) -> ImportCounts:
        """Add or change sites, with organisations that are new; `names` of organisations by id. All or nothing."""
        names = names or {}
        with register.deciding(self.folder) as conn:
            known = {each.org for each in sites.organisations(conn)}
            orgs = sorted({each.org for each in records} | names.keys())
            for org in orgs:
                sites.put_organisation(conn, org, names.get(org, ""))
                if org not in known:
                    self._keys.make_organisation(org, now_s=_now(now_s))
            counts = sites.put_sites(conn, records)
        return replace(counts, organisations_added=len(set(orgs) - known))

    def import_register(self, path: Path, *, now_s: int | None = None) -> ImportCounts:
        """A register file, CSV or TOML; reading the same file twice changes nothing."""
        found = read_register_file(path)
        return self.put_sites(found.sites, found.names, now_s=now_s)

    def sites(self, names: Iterable[str] = ()) -> list[SiteRecord]:
        with register.reading(self.folder) as conn:
            return sites.site_records(conn, names)

    # -- work orders -------------------------------------------------------------------------------------

    def make_order(
        self,
        site: str,
        *,
        now_s: int,
        label: Label | None = None,
        csr: str | None = None,
        replaces: str | None = None,
        life_s: int = CLAIM_LIFE_S,
    ) -> MadeOrder:
        """One order. With a label only that key can use it; with its CSR too, the grant is made in advance: it lies in
        the order, and the claim is used by it."""
        wish = OrderWish(site, label.spki_sha256 if label else None, csr, replaces, life_s)
        return self.make_orders([wish], now_s=now_s)[0]

    def make_orders(self, wishes: Sequence[OrderWish], *, now_s: int) -> list[MadeOrder]:
        """In the wishes' order, all or none."""
        with register.deciding(self.folder) as conn:
            return make_orders(conn, self._keys, load_settings(conn), wishes, now_s=now_s)

    def qr_text(self, order: WorkOrder) -> str:
        """The order as a QR can carry it: the grant and, if need be, the cameras' texts are left out."""
        key = self._keys.office_key(order.org)
        lean = orders.lighter(order) if order.grant else order
        text = sign_order(lean or order, key)
        while len(text) > orders.QR_CHARACTERS and (lean := orders.lighter(lean or order)) is not None:
            text = sign_order(lean, key)
        return text

    def orders(self) -> list[OrderRecord]:
        with register.reading(self.folder) as conn:
            return orders.all_orders(conn)

    # -- nodes -------------------------------------------------------------------------------------------

    def enrol(self, request_text: str, *, now_s: int) -> EnrolAnswer:
        """Judge an enrolment; every bad request is an answer `refused`, never an exception."""
        try:
            asking = read_enrolment(request_text, self._office_keys)
        except ClaimRefused as exc:
            return refused(Refusal(str(exc.facts["reason"])))
        with register.deciding(self.folder) as conn:
            return decide_enrolment(conn, self._keys, load_settings(conn), asking, now_s=now_s)

    def renew(self, request_text: str, *, now_s: int) -> EnrolAnswer:
        """Judge a renewal, as `enrol`."""
        try:
            renewing = read_renewal(request_text)
        except ClaimRefused as exc:
            return refused(Refusal(str(exc.facts["reason"])))
        with register.deciding(self.folder) as conn:
            return decide_renewal(conn, self._keys, load_settings(conn), renewing, now_s=now_s)

    def answer(self, text: str, *, now_s: int) -> EnrolAnswer:
        """An enrolment or a renewal, whichever was carried here."""
        answer = self.renew(text, now_s=now_s)
        is_renewal = answer.state == "granted" or answer.reason != Refusal.MALFORMED
        return answer if is_renewal else self.enrol(text, now_s=now_s)

    def waiting(self) -> list[Applicant]:
        with register.reading(self.folder) as conn:
            return [each for each in nodes.applicants(conn) if each.approval is Approval.WAITING]

    def approve(self, node: str, *, now_s: int | None = None) -> Applicant:
        """The node's next request is granted, if its site is still free."""
        with register.deciding(self.folder) as conn:
            applicant = next((each for each in nodes.applicants(conn) if each.node == node), None)
            if applicant is None:
                remedy = "see who waits: `wayside-provision office nodes`"
                raise RegisterError(node=node, reason="not_waiting", remedy=remedy)
            nodes.decide_applicant(conn, applicant, Approval.APPROVED, now_s=_now(now_s))
        return applicant

    def revoke(self, name: str, reason: str, now_s: int) -> None:
        """A node: its certificates are good for nothing any more; one that waits is denied. An order: withdrawn."""
        with register.deciding(self.folder) as conn:
            asking = [each for each in nodes.applicants(conn) if each.node == name]
            for applicant in asking:
                nodes.decide_applicant(conn, applicant, Approval.DENIED, now_s=now_s)
            if nodes.find_node(conn, name) is not None:
                nodes.revoke(conn, name, reason, now_s=now_s)
            elif orders.find_order(conn, name) is not None:
                orders.withdraw(conn, name, now_s=now_s)
            elif not asking:
                remedy = "name a node or a work order: `wayside-provision office nodes`"
                raise RegisterError(name=name, reason="unknown_node", remedy=remedy)

    def nodes(self) -> list[NodeRecord]:
        with register.reading(self.folder) as conn:
            return nodes.node_records(conn)

    def accept(self, report: str, *, now_s: int) -> Accepted:
        """Verify an acceptance report by the node's certificate on record, and keep it. Raises SignatureError."""
        with register.deciding(self.folder) as conn:
            return accept(conn, report, now_s=now_s)

    # -- for the broker and the centre's server ----------------------------------------------------------

    def acl_nodes(self) -> list[AclNode]:
        with register.reading(self.folder) as conn:
            return nodes.acl_nodes(conn)

    def members(self) -> list[MemberRecord]:
        """The broker's clients that are no nodes."""
        with register.reading(self.folder) as conn:
            return members.members(conn)

    def put_member(self, member: MemberRecord) -> None:
        with register.deciding(self.folder) as conn:
            members.put_member(conn, member)

    def drop_member(self, name: str) -> bool:
        """Whether it was there."""
        with register.deciding(self.folder) as conn:
            return members.drop_member(conn, name)

    def crl_pem(self, org: str, *, now_s: int | None = None) -> str:
        """The organisation's revocation list."""
        with register.reading(self.folder) as conn:
            revoked = nodes.revoked_serials(conn, org, now_s=_now(now_s))
        return make_crl(self._keys.node_ca(org), revoked, now_s=_now(now_s))

    def crl_bundle(self, *, now_s: int | None = None) -> str:
        """One list of each authority, the centre's as well: OpenSSL wants one for whoever issued what it is shown."""
        lists = [self.crl_pem(each.org, now_s=now_s) for each in self.organisations()]
        return "".join([*lists, make_crl(self._keys.centre_ca(), [], now_s=_now(now_s))])

    def ca_bundle(self) -> str:
        """All authorities whose clients the broker lets in: every organisation's and the centre's."""
        return "".join([*(self.anchors(each.org).ca for each in self.organisations()), self.centre_ca_pem()])

    def centre_ca_pem(self) -> str:
        return to_pem(self._keys.centre_ca().certificate)

    def server_certificate(self, names: Sequence[str], *, now_s: int | None = None) -> KeyPair:
        """A fresh certificate for the centre's HTTPS server or broker under these host names and addresses."""
        key = make_key()
        certificate = issue_server(self._keys.centre_ca(), key.public_key(), names=names, now_s=_now(now_s))
        return KeyPair(to_pem(certificate), key_to_pem(key).decode("ascii"))

    def client_certificate(self, name: str, *, now_s: int | None = None) -> KeyPair:
        """A fresh certificate for one of the centre's own programs at the broker; CN = name."""
        key = make_key()
        certificate = issue_client(self._keys.centre_ca(), key.public_key(), name=name, now_s=_now(now_s))
        return KeyPair(to_pem(certificate), key_to_pem(key).decode("ascii"))

    def _office_keys(self, org: str) -> Mapping[str, ec.EllipticCurvePublicKey]:
        if org not in {each.org for each in self.organisations()}:
            return {}
        return {each.kid: public_from_pem(each.pem) for each in self.anchors(org).keys if each.use == "office"}


def _now(now_s: int | None) -> int:
    return int(time.time()) if now_s is None else now_s
