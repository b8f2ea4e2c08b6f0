"""A key's fingerprint as six words that two people can compare aloud. Pure.

Proquints (D. S. Wilkerson, "A Proposal for Proquints", arXiv:0901.4016): each word spells 16 bits as
consonant-vowel-consonant-vowel-consonant, so it can be read out in any language and typed by nobody.
"""

from __future__ import annotations

from typing import Final

_CONSONANTS: Final = "bdfghjklmnprstvz"
_VOWELS: Final = "aiou"
_WORDS: Final = 6


def six_words(spki_sha256: str) -> tuple[str, ...]:
    """The first 96 bits of a SHA-256 in hex. Raises ValueError for text that is no such hash.

    96 bits: to find another key with the same six words takes 2**96 tries, out of anybody's reach (NIST SP 800-57).
    """
    raw = bytes.fromhex(spki_sha256)
    if len(raw) != 32:
        raise ValueError("a SHA-256 has 64 hex digits")
    return tuple(proquint(int.from_bytes(raw[2 * n : 2 * n + 2], "big")) for n in range(_WORDS))


def proquint(number: int) -> str:
    """One 16-bit number as a word of five letters."""
    return (
        _CONSONANTS[number >> 12 & 15]
        + _VOWELS[number >> 10 & 3]
        + _CONSONANTS[number >> 6 & 15]
        + _VOWELS[number >> 4 & 3]
        + _CONSONANTS[number & 15]
    )
