"""The node's P-256 key, made once at first boot, and what is called after it: node id, fingerprint, six words."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from agent.enrolment.home import PRIVATE_MODE, NodeHome
from agent.enrolment.words import six_words
from agent.errors import EnrolmentError, SignatureError
from agent.signing import key_from_pem, key_to_pem, make_key, spki_sha256

# 50 bits: among the 378 nodes of a province two are alike with a chance of 6e-11 (birthday bound).
_ID_LETTERS: Final = 10


@dataclass(frozen=True, slots=True)
class NodeKey:
    """`spki_sha256` is the fingerprint on the label."""

    private: ec.EllipticCurvePrivateKey
    node: str
    spki_sha256: str

    @property
    def words(self) -> tuple[str, ...]:
        return six_words(self.spki_sha256)


def node_id(fingerprint: str) -> str:
    """The node's name from its key's fingerprint (hex): `n` and ten letters of base32 (RFC 4648), lower case."""
    return "n" + base64.b32encode(bytes.fromhex(fingerprint)).decode("ascii")[:_ID_LETTERS].lower()


def ensure_key(home: NodeHome) -> NodeKey:
    """The key in the home, made if there is none. Raises EnrolmentError."""
    with home.locked():
        if not home.key.exists():
            home.write(home.key, key_to_pem(make_key()), mode=PRIVATE_MODE)
    return load_key(home)


def load_key(home: NodeHome) -> NodeKey:
    """Raises EnrolmentError: `no_key` before first boot, `damaged` for a file that is no key of ours."""
    pem = home.read(home.key)
    if pem is None:
        raise EnrolmentError(reason="no_key", file=str(home.key), remedy="run first boot")
    try:
        private = key_from_pem(pem)
    except SignatureError as exc:
        remedy = "the node's key is damaged: reset the node and set it up with a new work order"
        raise EnrolmentError(reason="damaged", file=str(home.key), remedy=remedy) from exc
    fingerprint = spki_sha256(private.public_key())
    return NodeKey(private, node_id(fingerprint), fingerprint)
