"""Labels: the node's own, from what its first boot handed over, and the site's, for the pole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.contract.enrolment import LABEL_PREFIX, Label
from agent.contract.wire import decode
from agent.enrolment.first_boot import CSR_FILE, LABEL_FILE
from agent.enrolment.nodekey import node_id
from agent.enrolment.words import six_words
from agent.errors import RegisterError, WireError

# Before `org|site` on a site's own label: what the office is told when a node there is to be swapped.
SITE_PREFIX: Final = "WP1|"
_MAX_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class BootFiles:
    """What lay on one node's boot partition. `csr` PEM, None where the file was not beside the label."""

    label: Label
    csr: str | None


def read_label(path: Path, csr: Path | None = None) -> BootFiles:
    """The label of `path`, a file or the boot partition's folder, and the CSR beside it.

    Words and node id follow from the fingerprint and are reckoned again: a label that contradicts itself would send a
    technician away from the right box. Raises RegisterError.
    """
    file = path / LABEL_FILE if path.is_dir() else path
    try:
        label = decode(_read(file), Label)
    except WireError as exc:
        remedy = f"take {LABEL_FILE} from the node's boot partition again"
        raise RegisterError(file=str(file), reason="bad_label", remedy=remedy) from exc
    if label.node != node_id(label.spki_sha256) or label.words != six_words(label.spki_sha256):
        remedy = "its node id or words do not follow from its fingerprint; take it from the node again"
        raise RegisterError(file=str(file), reason="bad_label", remedy=remedy)
    beside = csr or file.with_name(CSR_FILE)
    if csr is None and not beside.is_file():
        return BootFiles(label, None)
    return BootFiles(label, _read(beside).decode("ascii", errors="replace"))


def label_text(label: Label) -> str:
    """What the QR on a node's label says."""
    return f"{LABEL_PREFIX}{label.node}|{label.spki_sha256}"


def site_text(org: str, site: str) -> str:
    """What the QR on a site's label says."""
    return f"{SITE_PREFIX}{org}|{site}"


def node_of(text: str) -> str:
    """The node id in a scanned label, or the id itself as typed."""
    text = text.strip()
    return text.removeprefix(LABEL_PREFIX).split("|")[0] if text.startswith(LABEL_PREFIX) else text


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_BYTES)
    except OSError as exc:
        remedy = f"name a {LABEL_FILE} or the folder it lies in"
        raise RegisterError(file=str(path), error=exc.strerror or "", remedy=remedy) from exc
