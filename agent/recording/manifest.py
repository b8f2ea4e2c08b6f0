"""What a bundle says of itself: the signed list of its files, and what SHA256SUMS makes of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final, Literal

import msgspec

from agent.contract.wire import Count, Instant, Sha256, WireGap, WireSpan
from agent.errors import WireError

README: Final = "README.txt"
MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.json.sig"
CERTIFICATE: Final = "signer.crt"
AUTHORITIES: Final = "chain.pem"
SUMS: Final = "SHA256SUMS"
# What the manifest cannot list, because it is made from it.
UNLISTED: Final = frozenset({MANIFEST, SIGNATURE})
# 90 bytes a fragment: this is a week of one camera. Beyond it somebody wants our memory.
MAX_MANIFEST_BYTES: Final = 64 << 20

Name = Annotated[str, msgspec.Meta(max_length=200)]


class FilePart(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Bytes of a file that belong together: part 0 is the head of a segment, the others its fragments in order."""

    bytes: Count
    sha256: Sha256


class BundledFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`source` is the segment's path on the node; only native files have it, and parts."""

    path: Name
    bytes: Count
    sha256: Sha256
    source: Name = ""
    parts: tuple[FilePart, ...] = ()


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Signed as it stands. `signer` is the SHA-256 of the signing key (SPKI), empty in an unsigned bundle.

    `unchained`: native files without a link in the node's chain (older than the chain, or closed a moment ago);
    `unsealed`: the number of links after the newest seal, which only this bundle's signature vouches for; `open`:
    segments that were still being written, of which only the view holds something.
    """

    camera: str
    org: str
    site: str
    node: str
    made: Instant
    asked: WireSpan
    delivered: tuple[WireSpan, ...]
    gaps: tuple[WireGap, ...]
    actor: str
    purpose: str
    case_ref: str
    signer: str
    unchained: tuple[str, ...]
    unsealed: Count
    open: tuple[str, ...]
    files: tuple[BundledFile, ...]
    v: Literal[1] = 1


_decoder = msgspec.json.Decoder(Manifest)


def read_manifest(data: bytes) -> Manifest:
    """Raises WireError for anything but a manifest of this version."""
    if len(data) > MAX_MANIFEST_BYTES:
        raise WireError(what="manifest", detail="too large")
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise WireError(what="manifest", detail=str(exc)) from exc


def sums_text(files: Iterable[tuple[str, str]]) -> bytes:
    """SHA256SUMS of (path, hash), as `sha256sum --check` reads it."""
    return "".join(f"{sha256}  {path}\n" for path, sha256 in files).encode()
