"""First boot: a secret-free image becomes this node. `python -m agent.enrolment.first_boot --boot DIR`.

Makes what is missing and changes nothing that is there: anchors from the boot partition, key, node id, PIN, and the
label for the bench. Exit codes: 0 done, 1 it could not be done, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent import log
from agent.contract.enrolment import LABEL_PREFIX, Anchors, Label
from agent.contract.wire import decode, encode
from agent.enrolment import audit
from agent.enrolment.csr import make_csr
from agent.enrolment.home import PRIVATE_MODE, NodeHome
from agent.enrolment.nodekey import NodeKey, ensure_key
from agent.enrolment.orders import office_keys
from agent.enrolment.papers import complete
from agent.enrolment.pin import hash_pin, new_pin
from agent.enrolment.standing import EnrolmentRecord, Standing
from agent.errors import EnrolmentError, SignatureError, WaysideError, WireError

ANCHORS_FILE: Final = "wayside-anchors.json"
LABEL_FILE: Final = "wayside-label.json"
CSR_FILE: Final = "wayside-node.csr"

_log = log.get("first_boot")


@dataclass(frozen=True, slots=True)
class Prepared:
    """`label` is null once it was taken. `has_anchors`: the organisation is known, so orders can be read."""

    key: NodeKey
    label: Label | None
    has_anchors: bool


def label_text(key: NodeKey) -> str:
    """What the QR on the node's label says."""
    return f"{LABEL_PREFIX}{key.node}|{key.spki_sha256}"


def prepare(home: NodeHome, boot_dir: Path | None) -> Prepared:
    """Everything of first boot; at a later boot nothing, but what was broken off is finished.

    The label and the CSR are put on the boot partition for the bench, which prints the one and hands the other to the
    office. The PIN is forgotten when the bench has removed the label's file, or the node has its papers.
    Raises EnrolmentError.
    """
    home.ensure_folders()
    key = ensure_key(home)
    if boot_dir is not None:
        _take_anchors(home, boot_dir)
    if home.read(home.setup) is None:
        _make_pin(home, key)
    csr = home.read(home.csr)
    if csr is None:
        csr = make_csr(key.private, key.node).encode()
        home.write(home.csr, csr)
    record = home.load_enrolment()
    if record.state is Standing.NEW and not record.node:
        home.save_enrolment(EnrolmentRecord(node=key.node))
    complete(home)
    label = home.load(home.label, Label)
    if boot_dir is not None:
        label = _hand_over(home, boot_dir, label, csr)
    return Prepared(key, label, home.anchors.exists())


def take_label(home: NodeHome, boot_dir: Path | None) -> Label | None:
    """The label, for the last time: its PIN is nowhere on the node afterwards. None when it was taken before."""
    label = home.load(home.label, Label)
    if label is not None:
        audit.note(home, "label_taken")
        home.remove(home.label)
    if boot_dir is not None:
        home.remove(boot_dir / LABEL_FILE)
    return label


def _take_anchors(home: NodeHome, boot_dir: Path) -> None:
    """Only a node that knows no organisation takes one from the boot partition: afterwards they come in grants, signed
    by the keys it trusts already, so that a card in another machine does not make the node somebody else's."""
    data = home.read(boot_dir / ANCHORS_FILE)
    if data is None or home.anchors.exists():
        return
    try:
        anchors = decode(data, Anchors)
        office_keys(anchors)
    except (WireError, SignatureError) as exc:
        remedy = f"copy the office's anchors again as {ANCHORS_FILE}"
        raise EnrolmentError(reason="bad_anchors", detail=str(exc), remedy=remedy) from exc
    home.write(home.anchors, encode(anchors) + b"\n")
    audit.note(home, "anchors_taken", detail=anchors.org)


def _make_pin(home: NodeHome, key: NodeKey) -> None:
    """The label first: a PIN whose hash stands and whose text is lost would need a reset."""
    kept = home.load(home.label, Label)
    label = kept or Label(v=1, node=key.node, spki_sha256=key.spki_sha256, words=key.words, pin=new_pin())
    if kept is None:
        home.save(home.label, label, mode=PRIVATE_MODE)
    home.save(home.setup, hash_pin(label.pin), mode=PRIVATE_MODE)
    audit.note(home, "first_boot", detail=key.node)


def _hand_over(home: NodeHome, boot_dir: Path, label: Label | None, csr: bytes) -> Label | None:
    """The label as it is known afterwards. The bench takes it by removing its file from the boot partition and leaving
    the CSR, which tells that from a partition where nothing was put yet."""
    label_path, csr_path = boot_dir / LABEL_FILE, boot_dir / CSR_FILE
    if label is not None and csr_path.exists() and not label_path.exists():
        take_label(home, boot_dir)
        label = None
    if label is not None:
        home.write_if_changed(label_path, encode(label) + b"\n", mode=PRIVATE_MODE)
        home.write_if_changed(csr_path, csr, mode=PRIVATE_MODE)
    elif label_path.exists():
        home.remove(label_path)
    if home.certificate.exists() and csr_path.exists():
        home.remove(csr_path)
    return label


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="first_boot", description=__doc__)
    parser.add_argument("--home", type=Path, default=None, help="the node's home (default $WAYSIDE_HOME, /etc/wayside)")
    parser.add_argument("--boot", type=Path, default=None, help="boot partition with wayside-anchors.json")
    parser.add_argument("--take-label", action="store_true", help="print the label as JSON and forget its PIN")
    arguments = parser.parse_args(argv)
    log.setup()
    home = NodeHome(arguments.home) if arguments.home else NodeHome.default()
    try:
        if arguments.take_label:
            label = take_label(home, arguments.boot)
            sys.stdout.write("" if label is None else encode(label).decode() + "\n")
            return 0 if label is not None else 1
        prepared = prepare(home, arguments.boot)
    except WaysideError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    _log.info("first boot done", node=prepared.key.node, words=" ".join(prepared.key.words))
    return 0


if __name__ == "__main__":
    sys.exit(main())
