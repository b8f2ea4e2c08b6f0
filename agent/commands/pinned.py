"""The keys that this node obeys: a file of public keys, each of one actor, with what that actor may ask.

It is read anew for each signed command, of which there are few: a key that was taken out is obeyed no more. What a
desired document has taken out stands in a file beside it, because the office's next grant may still name it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from agent.commands.trust import Signatures
from agent.contract.commands import JWS_TYPE, Jws
from agent.contract.pinned import PinnedKeys
from agent.errors import SignatureError
from agent.signing import key_id, public_from_pem, verify_general

# A province has some dozen desks; more signatures than that are an attack on the processor.
_MOST_SIGNATURES: Final = 4
_MOST_BYTES: Final = 1 << 20


REVOKED_NAME: Final = "revoked-keys.json"

_decoder = msgspec.json.Decoder(PinnedKeys)
_revoked_decoder = msgspec.json.Decoder(tuple[str, ...])


def check_signatures(jws: Jws, path: Path | None) -> Signatures:
    """Raises nothing, whatever a command contains; a list of keys that is missing or damaged holds none of ours."""
    if not jws.signatures:
        return Signatures(trouble="unsigned")
    if len(jws.signatures) > _MOST_SIGNATURES:
        return Signatures(trouble="too_many_signatures")
    try:
        pinned = read_keys(path)
        keys = {key_id(key): (key, each) for each in pinned.keys for key in [public_from_pem(each.public_key)]}
        kids = verify_general(jws, {kid: key for kid, (key, _) in keys.items()}, typ=JWS_TYPE)
    except SignatureError as exc:
        return Signatures(trouble=str(exc.facts.get("reason", "bad_signature")))
    return Signatures(tuple(keys[kid][1] for kid in kids))


def read_keys(path: Path | None) -> PinnedKeys:
    """Those that are obeyed. Raises SignatureError."""
    if path is None:
        raise SignatureError(reason="no_keys", remedy="command_keys names no file: this node obeys nobody")
    try:
        pinned = _decoder.decode(path.read_bytes()[:_MOST_BYTES])
        revoked = read_revoked(path)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise SignatureError(reason="no_keys", remedy="the list of pinned keys cannot be read") from exc
    if not revoked:
        return pinned
    left = (each for each in pinned.keys if key_id(public_from_pem(each.public_key)) not in revoked)
    return PinnedKeys(v=1, keys=tuple(left))


def read_revoked(path: Path) -> frozenset[str]:
    """The kids of keys that a document has taken out of the list at `path`. Raises OSError, msgspec.DecodeError."""
    try:
        return frozenset(_revoked_decoder.decode(path.with_name(REVOKED_NAME).read_bytes()[:_MOST_BYTES]))
    except FileNotFoundError:
        return frozenset()
