"""A bundle made in the test, and hands that tamper with it: bits, fragments, whole files, papers."""

from __future__ import annotations

import hashlib
import random
import threading
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent.contract.records import SealData
from agent.recording.bundle import BundleReport, BundleRequest, make_bundle
from agent.recording.bundle_check import check_bundle
from agent.recording.bundle_file import FindingKind
from agent.recording.chain import AccessLink
from agent.recording.custody import note_access
from agent.recording.seal import Sealer
from agent.recording.signer import Signer
from agent.recording.zipform import ZipEntry, directory, local_header
from agent.signing import make_key
from agent.units import WallSpan, format_rfc3339
from tests.clip.footage import START_NS, Where
from tests.recording.ring import Ring, S

SPAN = WallSpan(START_NS + S, START_NS + 7 * S)
Files = dict[str, bytes]


def papers(key: ec.EllipticCurvePrivateKey, authority: ec.EllipticCurvePrivateKey) -> tuple[bytes, bytes]:
    """A node's certificate and its authority's, PEM."""
    node, ca = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("n1", "the org"))
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    made = []
    for subject, public, is_ca in ((node, key, False), (ca, authority, True)):
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca)
            .public_key(public.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        )
        made.append(builder.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return made[0], made[1]


def make_signer() -> Signer:
    key = make_key()
    return Signer(key, *papers(key, make_key()))


def record_and_seal(ring: Ring, signer: Signer | None, *, tell: Callable[[SealData], None] = lambda seal: None) -> None:
    """Eight seconds in two segments, chained and sealed, which somebody has looked at."""
    ring.index(ring.record(), ring.record(4, Where(n=1)))
    at = format_rfc3339(START_NS)
    note_access(ring.data_dir, AccessLink(act="looked", actor="mali", role="staff", via="cli", outcome="ok", at=at))
    stop = threading.Event()
    sealer = Sealer(ring.data_dir, ring.conn, ring.clock, boot=1, signer=signer, tell=tell, stop=stop)
    sealer.seal()
    sealer.chain_closed()
    sealer.seal()


def bundle(ring: Ring, out: Path, signer: Signer | None) -> BundleReport:
    request = BundleRequest("c01", SPAN, "mali", purpose="accident", case_ref="123/2569")
    return make_bundle(ring.conn, ring.data_dir, request, out, signer=signer, now_wall_ns=START_NS + 60 * S)


def make_sealed_bundle(folder: Path, signer: Signer) -> BundleReport:
    ring = Ring(folder / "data")
    try:
        record_and_seal(ring, signer)
        return bundle(ring, folder / "bundle.zip", signer)
    finally:
        ring.close()


def unpack(path: Path) -> Files:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(path: Path, files: Files) -> None:
    """A clean archive of these files, as a forger who knows the form would write it."""
    at, entries, body = 0, [], []
    for name, data in files.items():
        entry = ZipEntry(name, len(data), zlib.crc32(data), at)
        entries.append(entry)
        body.append(local_header(entry) + data)
        at = entry.end
    path.write_bytes(b"".join(body) + directory(entries, at))


@dataclass(frozen=True, slots=True)
class Mutation:
    name: str
    apply: Callable[[Path], None]


def _flip(at: int, bit: int, path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.write_bytes(data)


def _cut(at: int, count: int, path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:at] + data[at + count :])


def _insert(at: int, more: bytes, path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:at] + more + data[at:])


def _repack(change: Callable[[Files], None], path: Path) -> None:
    files = unpack(path)
    change(files)
    pack(path, files)


def _with_sums(change: Callable[[Files], None], files: Files) -> None:
    """The forger corrects SHA256SUMS as well."""
    change(files)
    lines = [
        line.split("  ")[1] for line in files.get("SHA256SUMS", b"").decode("latin-1").splitlines() if "  " in line
    ]
    if not lines:
        return
    sums = (f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in lines if name in files)
    files["SHA256SUMS"] = "".join(sums).encode()


def _drop_file(name: str, files: Files) -> None:
    del files[name]


def _swap_files(one: str, other: str, files: Files) -> None:
    files[one], files[other] = files[other], files[one]


def _edit(name: str, at: int, files: Files) -> None:
    data = bytearray(files[name])
    data[at] = (data[at] + 1) % 256
    files[name] = bytes(data)


def fragments(segment: bytes, cuts: list[int]) -> list[bytes]:
    return [segment[a:b] for a, b in zip([0, *cuts], [*cuts, len(segment)], strict=True)]


def drop_fragment(name: str, cuts: list[int], index: int, files: Files) -> None:
    parts = fragments(files[name], cuts)
    files[name] = b"".join(parts[:index] + parts[index + 1 :])


def swap_fragments(name: str, cuts: list[int], pair: tuple[int, int], files: Files) -> None:
    parts = fragments(files[name], cuts)
    one, other = pair
    parts[one], parts[other] = parts[other], parts[one]
    files[name] = b"".join(parts)


def mutation(random_source: random.Random, report: BundleReport) -> Mutation:
    """One random change of some kind; never none."""
    r = random_source
    size = report.size_bytes
    native = [file for file in report.manifest.files if file.source]
    chosen = r.choice(native)
    sizes = [part.bytes for part in chosen.parts]
    cuts = [sum(sizes[: n + 1]) for n in range(len(sizes) - 1)]
    pair = r.sample(range(1, len(sizes)), 2)
    names = [file.path for file in report.manifest.files if file.bytes] + ["manifest.json", "manifest.json.sig"]
    name = r.choice(names)
    length = {file.path: file.bytes for file in report.manifest.files}.get(name, 60)
    edit = partial(_edit, name, r.randrange(min(length, 60)))
    changes: list[tuple[str, Callable[[Path], None]]] = [
        ("a bit", partial(_flip, r.randrange(size), r.randrange(8))),
        ("a bit near the end", partial(_flip, size - 1 - r.randrange(min(size, 2500)), r.randrange(8))),
        ("bytes cut", partial(_cut, r.randrange(size), r.randint(1, 5000))),
        ("bytes added", partial(_insert, r.randrange(size + 1), r.randbytes(r.randint(1, 50)))),
        ("fragment dropped", partial(_repack, partial(drop_fragment, chosen.path, cuts, pair[0]))),
        ("fragments swapped", partial(_repack, partial(swap_fragments, chosen.path, cuts, (pair[0], pair[1])))),
        ("a byte of a file", partial(_repack, edit)),
        ("a byte of a file, sums corrected", partial(_repack, partial(_with_sums, edit))),
        ("a file dropped", partial(_repack, partial(_with_sums, partial(_drop_file, name)))),
        ("files swapped", partial(_repack, partial(_swap_files, native[0].path, native[1].path))),
        ("a file added", partial(_repack, lambda files: files.update({"native/c01/extra.mp4": b"x"}))),
    ]
    return Mutation(*r.choice(changes))


# What a change of these kinds must be called; the others may show in several ways.
_CALLED = {
    "fragment dropped": FindingKind.FRAGMENT_MISSING,
    "fragments swapped": FindingKind.FRAGMENTS_SWAPPED,
    "files swapped": FindingKind.FILES_SWAPPED,
    "a file added": FindingKind.EXTRA,
}


def campaign(made: BundleReport, folder: Path, count: int, *, seed: int) -> tuple[list[str], Counter[str]]:
    """The random mutations that `verify` did not find or name, and how many of each kind were tried."""
    missed, tried = [], Counter[str]()
    source = random.Random(seed)
    original = made.path.read_bytes()
    path = folder / "mutated.zip"
    while tried.total() < count:
        path.write_bytes(original)
        change = mutation(source, made)
        change.apply(path)
        if path.read_bytes() == original:
            continue
        tried[change.name] += 1
        found = {finding.kind for finding in check_bundle(path).findings if finding.detail}
        if not found or _CALLED.get(change.name, next(iter(found))) not in found:
            missed.append(f"{tried.total()}: {change.name}: {sorted(found)}")
    return missed, tried
