"""The office's private keys and public anchors, as files: 0600 in folders of 0700.

keys/{org}/ca.key ca.pem office.key command.key people/{actor}.json (public keys), keys/centre-ca.key centre-ca.pem,
anchors/{org}.json. Whoever makes them holds the register's write lock, so two processes never make the same key twice.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from agent.authority.certificates import Ca, make_ca, to_pem
from agent.contract.enrolment import Anchors, OfficeKey
from agent.contract.topics import check_identifier
from agent.contract.wire import decode, encode
from agent.errors import RegisterError, SignatureError, StoreError, WireError
from agent.signing import key_from_pem, key_id, key_to_pem, make_key, public_from_pem, public_to_pem

# Anchors hold 16 keys; two are the office's own (agent.contract.enrolment).
MOST_PEOPLE: Final = 14
_PRIVATE = 0o600
_PUBLIC = 0o644


@dataclass(frozen=True, slots=True)
class KeyStore:
    """The key files of the office in `folder`. Methods raise RegisterError where a key is missing or damaged and
    StoreError where the disk refuses."""

    folder: Path

    def make_centre(self, *, now_s: int) -> None:
        """The authority of the centre's HTTPS server and broker, made if there is none."""
        self._ensure_ca(self._centre, "centre-ca", name="Wayside centre CA", org="", now_s=now_s)

    def make_organisation(self, org: str, *, now_s: int) -> Anchors:
        """Its authority and signing keys, made where missing, and its anchors written out."""
        folder = self._of(org)
        self._ensure_ca(folder, "ca", name=f"Wayside node CA {org}", org=org, now_s=now_s)
        for use in ("office", "command"):
            self._ensure_key(folder / f"{use}.key")
        anchors = Anchors(
            v=1,
            org=org,
            ca=to_pem(self.node_ca(org).certificate),
            centre_ca=to_pem(self.centre_ca().certificate),
            keys=(
                _public(self.office_key(org), "office"),
                _public(self._key(folder / "command.key"), "command"),
                *(self._person(path) for path in sorted(self._people(org).glob("*.json"))),
            ),
        )
        _write(self.anchors_path(org), encode(anchors), _PUBLIC)
        return anchors

    def set_person(self, org: str, actor: str, role: str, public_pem: str) -> None:
        """From the next anchors on, nodes obey this person's key instead of a former one; an empty one takes it away.
        Raises SignatureError where it is no public key of P-256, RegisterError where nobody is there to take away or
        there are too many, WireError for an actor that is no id."""
        path = self._people(org) / f"{check_identifier(actor, what='actor')}.json"
        others = {each.stem for each in self._people(org).glob("*.json")} - {actor}
        if not public_pem:
            if not path.exists():
                raise RegisterError(actor=actor, remedy=f"nobody of that name may command nodes of {org}")
            path.unlink()
            return
        if len(others) >= MOST_PEOPLE:
            raise RegisterError(org=org, remedy=f"at most {MOST_PEOPLE} people may command; take one away first")
        public = public_from_pem(public_pem)
        key = OfficeKey(kid=key_id(public), pem=public_to_pem(public), use="command", actor=actor, role=role)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(path, encode(key), _PUBLIC)

    def anchors_path(self, org: str) -> Path:
        return self.folder / "anchors" / f"{org}.json"

    def anchors(self, org: str) -> Anchors:
        try:
            return decode(_read(self.anchors_path(org)), Anchors)
        except WireError as exc:
            raise _damaged(self.anchors_path(org)) from exc

    def node_ca(self, org: str) -> Ca:
        return self._ca(self._of(org), "ca")

    def centre_ca(self) -> Ca:
        return self._ca(self._centre, "centre-ca")

    def office_key(self, org: str) -> ec.EllipticCurvePrivateKey:
        """Signs orders and grants."""
        return self._key(self._of(org) / "office.key")

    @property
    def _centre(self) -> Path:
        return self.folder / "keys"

    def _people(self, org: str) -> Path:
        return self._of(org) / "people"

    def _person(self, path: Path) -> OfficeKey:
        try:
            return decode(_read(path), OfficeKey)
        except WireError as exc:
            raise _damaged(path) from exc

    def _of(self, org: str) -> Path:
        return self.folder / "keys" / org

    def _ca(self, folder: Path, stem: str) -> Ca:
        path = folder / f"{stem}.pem"
        try:
            certificate = x509.load_pem_x509_certificate(_read(path))
        except ValueError as exc:
            raise _damaged(path) from exc
        return Ca(certificate, self._key(folder / f"{stem}.key"))

    def _ensure_ca(self, folder: Path, stem: str, *, name: str, org: str, now_s: int) -> None:
        key = self._ensure_key(folder / f"{stem}.key")
        if not (folder / f"{stem}.pem").exists():
            certificate = make_ca(key, name=name, org=org, now_s=now_s)
            _write(folder / f"{stem}.pem", to_pem(certificate).encode(), _PUBLIC)

    def _ensure_key(self, path: Path) -> ec.EllipticCurvePrivateKey:
        if not path.exists():
            _write(path, key_to_pem(make_key()), _PRIVATE)
        return self._key(path)

    def _key(self, path: Path) -> ec.EllipticCurvePrivateKey:
        try:
            return key_from_pem(_read(path))
        except SignatureError as exc:
            raise _damaged(path) from exc


def _public(key: ec.EllipticCurvePrivateKey, use: str) -> OfficeKey:
    public = key.public_key()
    return OfficeKey(kid=key_id(public), pem=public_to_pem(public), use="office" if use == "office" else "command")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        remedy = "the office's folder is not whole; restore it from its copy"
        raise RegisterError(file=str(path), reason="no_key", error=exc.strerror or "", remedy=remedy) from exc


def _write(path: Path, content: bytes, mode: int) -> None:
    """Whole or not at all, and on disk: a CA whose key was lost with a power cut could never be used again."""
    beside = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        beside.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as exc:
        remedy = "check the folder's permissions and the disk"
        raise StoreError(file=str(path), error=exc.strerror or "", remedy=remedy) from exc


def _damaged(path: Path) -> RegisterError:
    return RegisterError(file=str(path), reason="bad_key", remedy="the file is damaged; restore it from its copy")
