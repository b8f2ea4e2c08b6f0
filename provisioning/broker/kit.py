"""The broker's folder, made from the register: written whole, proven first, and only where it differs.

mosquitto 2.0.11 fails open on a reload: with a revocation list that it cannot read it stops checking any, and with an
access list that it cannot read it allows everything to everybody (both seen, docs/decisions). So what goes into this
folder is read back by us before mosquitto sees it, and each file is replaced in one step.
"""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from agent.contract.topics import NodeAddress
from agent.enrolment.wholefile import write_whole
from agent.errors import RegisterError, SignatureError
from agent.signing import key_from_pem
from provisioning.broker.acl import Member, NodeRow, access_list, door_access_list, users_of
from provisioning.broker.settings import KitPaths, Listening, broker_settings

_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600
_END_CRL: Final = "-----END X509 CRL-----\n"


@dataclass(frozen=True, slots=True)
class Papers:
    """All PEM. `client_cas`: every authority whose clients are let in. `crls`: one list of each of them."""

    client_cas: str
    crls: str
    certificate: str
    key: str


def write_gate(paths: KitPaths, papers: Papers, listening: Listening, *, now_s: float) -> frozenset[str]:
    """Everything but the access list: settings, authorities, revocation lists and the broker's own certificate.

    The names of the files that were replaced. Raises RegisterError for papers that would leave the broker open or shut.
    """
    check_papers(papers, now_s=now_s)
    _make_folders(paths, listening.user)
    files = {
        paths.door_acl: door_access_list(),
        paths.conf: broker_settings(paths, listening),
        paths.ca: papers.client_cas,
        paths.key: papers.key,
        paths.certificate: papers.certificate,
    }
    written = {path.name for path, text in files.items() if _put(path, text)}
    if not _says_the_same(_read(paths.crl), papers.crls):
        _put(paths.crl, papers.crls)
        written.add(paths.crl.name)
    return frozenset(written)


def write_access(paths: KitPaths, nodes: Sequence[NodeRow], members: Sequence[Member]) -> frozenset[str]:
    """The access list, after the gate and after sessions were ended: until then it tells whose are still to be."""
    return frozenset({paths.acl.name} if _put(paths.acl, access_list(nodes, members)) else ())


def banished(paths: KitPaths, nodes: Sequence[NodeRow]) -> frozenset[NodeAddress]:
    """Revoked nodes that the access list in force still knows."""
    known = users_of(_read(paths.acl))
    return frozenset(NodeAddress(row.org, row.site, row.node) for row in nodes if row.is_revoked and row.node in known)


def check_papers(papers: Papers, *, now_s: float) -> None:
    """Raises RegisterError unless mosquitto can read all of them, each authority has a revocation list in its time, and
    the broker's certificate fits its key."""
    try:
        authorities = x509.load_pem_x509_certificates(papers.client_cas.encode())
        certificate = x509.load_pem_x509_certificates(papers.certificate.encode())[0]
        lists = [x509.load_pem_x509_crl(text.encode()) for text in _split(papers.crls)]
        key = key_from_pem(papers.key.encode())
    except (ValueError, SignatureError) as exc:
        raise RegisterError(reason="bad_papers", detail=str(exc), remedy="make the broker's papers again") from exc
    if certificate.public_key() != key.public_key():
        raise RegisterError(reason="bad_papers", remedy="the broker's certificate and key do not belong together")
    now = datetime.fromtimestamp(now_s, UTC)
    for authority in authorities:
        own = [each for each in lists if each.issuer == authority.subject and _is_signed_by(each, authority)]
        until = max((each.next_update_utc for each in own if each.next_update_utc is not None), default=None)
        if until is None or until <= now:
            name = authority.subject.rfc4514_string()
            remedy = "without a list in its time the broker refuses all clients of this authority; make a fresh one"
            raise RegisterError(reason="no_crl", authority=name, remedy=remedy)


def _is_signed_by(crl: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    key = authority.public_key()
    return crl.is_signature_valid(key)  # type: ignore[arg-type]  # an authority's key is one that signs


def _says_the_same(old: str, new: str) -> bool:
    """A list is made anew at each look, with a new number: it counts as changed when it names other certificates, or
    half of the old one's life is over."""
    try:
        before = [x509.load_pem_x509_crl(text.encode()) for text in _split(old)]
        after = [x509.load_pem_x509_crl(text.encode()) for text in _split(new)]
    except ValueError:
        return False
    if [_names(each) for each in before] != [_names(each) for each in after]:
        return False
    return all(_is_young(each, other) for each, other in zip(before, after, strict=True))


def _names(crl: x509.CertificateRevocationList) -> tuple[str, frozenset[int]]:
    return crl.issuer.rfc4514_string(), frozenset(each.serial_number for each in crl)


def _is_young(old: x509.CertificateRevocationList, new: x509.CertificateRevocationList) -> bool:
    if old.next_update_utc is None or new.next_update_utc is None:
        return False
    return old.next_update_utc - new.last_update_utc > (new.next_update_utc - new.last_update_utc) / 2


def _split(crls: str) -> list[str]:
    return [text + _END_CRL for text in crls.split(_END_CRL) if text.strip()]


def _make_folders(paths: KitPaths, user: str) -> None:
    """They belong to whom mosquitto becomes: at a reload it reads as that user."""
    try:
        for folder in (paths.folder, paths.data):
            if not folder.is_dir():
                folder.mkdir(parents=True, mode=_FOLDER_MODE)
                # A machine without that user makes the kit for another.
                if os.geteuid() == 0 and user in {each.pw_name for each in pwd.getpwall()}:
                    shutil.chown(folder, user)
    except OSError as exc:
        raise _refused(exc) from exc


def _put(path: Path, text: str) -> bool:
    """Whether it had to be written."""
    if _read(path) == text:
        return False
    try:
        write_whole(path, text.encode(), mode=_FILE_MODE)
    except OSError as exc:
        raise _refused(exc) from exc
    return True


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as exc:
        raise RegisterError(reason="kit", file=str(path), detail=str(exc), remedy="check owner and mode") from exc


def _refused(exc: OSError) -> RegisterError:
    remedy = "the kit's folder must be writable, and belong to the broker's user"
    return RegisterError(reason="kit", file=str(exc.filename or ""), detail=exc.strerror or "", remedy=remedy)
