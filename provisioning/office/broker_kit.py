"""The shipped broker kept in step with the office's register: its papers, its clients, its access list."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from agent.authority.office import KeyPair, Office
from provisioning.broker.acl import Member, Role
from provisioning.broker.kit import Papers
from provisioning.broker.settings import KitPaths, Listening
from provisioning.broker.sync import Register, Synchronised, synchronise
from provisioning.office.filing import put

# The broker's certificate lives for 825 days; whoever synchronises at all does so within its last quarter year.
_RENEWED_BEFORE_S = 90 * 86_400


def keep_in_step(office: Office, kit: Path, names: Sequence[str], listening: Listening, *, now_s: int) -> Synchronised:
    """Bring the kit in `kit` up to date. Doing it again changes nothing. Raises RegisterError, BrokerUnreachable.

    `names`: under which nodes reach the broker; none: the host of the office's own address.
    """
    paths = KitPaths(kit.absolute())
    wanted = tuple(names) or (urlsplit(office.settings().broker_url).hostname or "",)
    pair = current_certificate(office, paths.certificate, paths.key, wanted, now_s=now_s)
    papers = Papers(office.ca_bundle(), office.crl_bundle(now_s=now_s), pair.certificate, pair.key)
    members = [Member(each.name, Role(each.role.value), each.org, each.sites) for each in office.members()]
    return synchronise(paths, Register(office.acl_nodes(), members, papers), listening, now_s=now_s)


def port_of(broker_url: str) -> int:
    """As nodes are told; 8883 where the address names none (IANA, secure-mqtt)."""
    return urlsplit(broker_url).port or 8883


def file_member(office: Office, name: str, folder: Path, *, now_s: int) -> None:
    """Fresh papers of one client: {name}.pem, {name}.key, and the broker's authority as ca.pem."""
    pair = office.client_certificate(name, now_s=now_s)
    put(folder / "ca.pem", office.centre_ca_pem())
    put(folder / f"{name}.pem", pair.certificate)
    put(folder / f"{name}.key", pair.key)


def current_certificate(office: Office, certificate: Path, key: Path, names: Sequence[str], *, now_s: int) -> KeyPair:
    """The one in these files as long as it is good: a new one each time would make the broker load it each time."""
    if certificate.is_file() and key.is_file():
        pair = KeyPair(certificate.read_text("ascii"), key.read_text("ascii"))
        if _is_good(pair.certificate, office.centre_ca_pem(), names, now_s=now_s):
            return pair
    return office.server_certificate(names, now_s=now_s)


def _is_good(pem: str, ca: str, names: Sequence[str], *, now_s: int) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        authority = x509.load_pem_x509_certificate(ca.encode())
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound, x509.InvalidVersion):
        return False
    has = {str(each.value) for each in found}
    is_ours = certificate.issuer == authority.subject
    return is_ours and has == set(names) and certificate.not_valid_after_utc.timestamp() > now_s + _RENEWED_BEFORE_S
