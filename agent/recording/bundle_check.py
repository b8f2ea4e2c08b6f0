"""`wayside footage verify FILE.zip`: every way in which a bundle is not what a node signed, named."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agent.contract.records import SealData
from agent.contract.wire import decode
from agent.errors import SignatureError, WireError
from agent.recording import manifest
from agent.recording.bundle_file import Finding, FindingKind, FoundBundle, open_bundle, walk
from agent.recording.bundle_parts import name_change
from agent.recording.chain import AccessLink, SegmentLink, broken_at, digest, read_link, signed_bytes
from agent.recording.manifest import MAX_MANIFEST_BYTES, Manifest, read_manifest, sums_text
from agent.recording.signer import certified_key, is_issued_by, is_signed
from agent.signing import spki_sha256

_MAX_PAPER_BYTES: Final = 1 << 20
_MAX_META_BYTES: Final = 256 << 20

CUSTODY_PATH: Final = "meta/custody.jsonl"

Note = Callable[[FindingKind, str, str], None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`findings` is empty for a sound bundle. `signer` is the fingerprint of the key that signed it, empty where none
    did; `is_vouched`: an authority that the reader trusts, or the one in the bundle, issued its certificate. `links`:
    the SHA-256 of each enclosed line of the camera's chain by its number."""

    manifest: Manifest | None
    findings: tuple[Finding, ...]
    signer: str
    is_vouched: bool
    links: Mapping[int, str] = field(default_factory=dict)

    @property
    def is_sound(self) -> bool:
        return not self.findings


def check_bundle(path: Path, *, authorities: bytes = b"", signer: str = "") -> Verdict:
    """Check all of it. With `authorities` (PEM) one of them must have issued the signer's certificate; with `signer`
    (SHA-256 of a key) that key must have signed. Raises OSError only."""
    descriptor = open_bundle(path)
    try:
        return _check(walk(descriptor), authorities, signer)
    finally:
        os.close(descriptor)


def _check(bundle: FoundBundle, authorities: bytes, signer: str) -> Verdict:
    findings = bundle.findings

    def note(kind: FindingKind, at: str, detail: str) -> None:
        findings.append(Finding(kind, at, detail))

    data = bundle.read(manifest.MANIFEST, MAX_MANIFEST_BYTES)
    found: Manifest | None = None
    if data is None:
        note(FindingKind.MANIFEST, manifest.MANIFEST, "it cannot be found")
    else:
        try:
            found = read_manifest(data)
        except WireError as exc:
            note(FindingKind.MANIFEST, manifest.MANIFEST, f"it cannot be read ({exc.facts.get('detail', '')})"[:300])
    fingerprint, is_vouched = _check_signer(bundle, data, authorities, note)
    if signer and fingerprint != signer.lower():
        note(FindingKind.SIGNER, manifest.CERTIFICATE, f"another key signed it: {fingerprint or 'none'}")
    if found is not None:
        if found.signer != fingerprint:
            note(FindingKind.SIGNER, manifest.MANIFEST, "it names another key than the certificate's")
        _check_files(bundle, found, note)
        _check_chain(bundle, found, note)
        _check_seals(bundle, found, note)
        _check_custody(bundle, note)
    links = _links(bundle, found) if found is not None else {}
    return Verdict(found, tuple(findings), fingerprint, is_vouched, links)


def _check_signer(bundle: FoundBundle, data: bytes | None, authorities: bytes, note: Note) -> tuple[str, bool]:
    """The fingerprint of the key that the certificate names, and whether somebody vouches for it."""
    certificate = bundle.read(manifest.CERTIFICATE, _MAX_PAPER_BYTES)
    signature = bundle.read(manifest.SIGNATURE, _MAX_PAPER_BYTES)
    if certificate is None or signature is None:
        note(FindingKind.UNSIGNED, manifest.SIGNATURE, "nobody signed this: it proves nothing")
        return "", False
    try:
        key = certified_key(certificate)
    except SignatureError as exc:
        note(FindingKind.SIGNER, manifest.CERTIFICATE, exc.remedy)
        return "", False
    if data is not None and not is_signed(data, signature, key):
        note(FindingKind.SIGNATURE, manifest.MANIFEST, "it is not what was signed, or another key signed it")
    enclosed = bundle.read(manifest.AUTHORITIES, _MAX_PAPER_BYTES) or b""
    is_vouched = is_issued_by(certificate, authorities or enclosed)
    if authorities and not is_vouched:
        note(FindingKind.SIGNER, manifest.CERTIFICATE, "none of the given authorities issued it")
    elif enclosed and not authorities and not is_vouched:
        note(FindingKind.SIGNER, manifest.AUTHORITIES, "the enclosed authority did not issue the certificate")
    return spki_sha256(key), is_vouched


def _check_files(bundle: FoundBundle, found: Manifest, note: Note) -> None:
    whole = {file.sha256: file.path for file in found.files if file.source}
    for file in found.files:
        there = bundle.files.get(file.path)
        if there is None:
            note(FindingKind.MISSING, file.path, "it was signed and is not there")
        elif there.sha256 != file.sha256 or there.entry.size_bytes != file.bytes:
            bundle.findings.extend(name_change(bundle, file, whole))
    listed = {file.path for file in found.files}
    for path in bundle.files:
        if path not in listed | manifest.UNLISTED:
            note(FindingKind.EXTRA, path, "it was not signed")
    order = [file.path for file in found.files if file.path in bundle.files]
    if [path for path in bundle.files if path in listed] != order:
        note(FindingKind.CONTAINER, "", "the files do not stand in the order that was signed")
    expected = sums_text((file.path, file.sha256) for file in found.files if file.path != manifest.SUMS)
    sums = bundle.read(manifest.SUMS, MAX_MANIFEST_BYTES)
    if sums is not None and sums != expected:
        note(FindingKind.CHECKSUMS, manifest.SUMS, "it does not list what the manifest lists")


def _check_chain(bundle: FoundBundle, found: Manifest, note: Note) -> None:
    """Every segment's link says what its file is, and the links follow each other."""
    path = f"meta/chain/{found.camera}.jsonl"
    lines = _lines(bundle.read(path, _MAX_META_BYTES))
    broken = broken_at(lines)
    if broken is not None:
        note(FindingKind.CHAIN, path, f"line {broken + 1} does not follow the one before it")
    links = {link.path: link for line in lines if isinstance(link := read_link(line), SegmentLink)}
    for file in found.files:
        if not file.source or file.source in found.unchained:
            continue
        link = links.get(file.source)
        if link is None:
            note(FindingKind.CHAIN, file.path, "the node's chain has no link for it")
        elif (link.sha256, link.bytes) != (file.sha256, file.bytes):
            note(FindingKind.CHAIN, file.path, "it is not the file that the node chained when it was recorded")


def _check_custody(bundle: FoundBundle, note: Note) -> None:
    """Only accesses to this footage are enclosed: a line must follow the one before where that is enclosed as well."""
    before: AccessLink | None = None
    spelled = b""
    for number, line in enumerate(_lines(bundle.read(CUSTODY_PATH, _MAX_META_BYTES)), 1):
        link = read_link(line)
        if not isinstance(link, AccessLink):
            note(FindingKind.CUSTODY, CUSTODY_PATH, f"line {number} is none of ours")
            return
        if before is not None and (link.n <= before.n or (link.n == before.n + 1 and link.prev != digest(spelled))):
            note(FindingKind.CUSTODY, CUSTODY_PATH, f"line {number} does not follow the one before it")
        before, spelled = link, line


def _check_seals(bundle: FoundBundle, found: Manifest, note: Note) -> None:
    """Each enclosed seal is signed by the node's key, and its head is a line of the enclosed chain or before it."""
    by_number = _links(bundle, found)
    for path in (name for name in bundle.files if name.startswith("meta/seals/") and name.endswith(".json")):
        data = bundle.read(path, _MAX_PAPER_BYTES) or b""
        try:
            seal = decode(data, SealData)
        except WireError:
            note(FindingKind.SEAL, path, "it cannot be read")
            continue
        signature = bundle.read(f"{path}.sig", _MAX_PAPER_BYTES)
        if signed_bytes(seal) != data:
            note(FindingKind.SEAL, path, "it is not in its one spelling")
        _check_seal_signature(bundle, path, data, signature, seal=seal, note=note)
        for head in seal.heads:
            if head.chain == found.camera and by_number.get(head.n, head.sha256) != head.sha256:
                note(FindingKind.SEAL, path, f"link {head.n} is not the one that was sealed")


def _check_seal_signature(
    bundle: FoundBundle, path: str, data: bytes, signature: bytes | None, *, seal: SealData, note: Note
) -> None:
    """A seal by a former key of the node is told, too: the centre knows which keys were its own."""
    if signature is None:
        if seal.key:
            note(FindingKind.SEAL, path, "its signature is missing")
        return
    certificate = bundle.read(manifest.CERTIFICATE, _MAX_PAPER_BYTES)
    try:
        key = certified_key(certificate or b"")
    except SignatureError:
        return
    if spki_sha256(key) == seal.key and not is_signed(data, signature, key):
        note(FindingKind.SEAL, path, "it is not what was signed")


def _links(bundle: FoundBundle, found: Manifest) -> dict[int, str]:
    lines = _lines(bundle.read(f"meta/chain/{found.camera}.jsonl", _MAX_META_BYTES))
    return {link.n: digest(line) for line in lines if (link := read_link(line)) is not None}


def _lines(data: bytes | None) -> list[bytes]:
    return (data or b"").split(b"\n")[:-1]
