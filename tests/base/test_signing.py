"""Signed documents: believed when a trusted key signed exactly this text as this kind of document, else refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import SignatureError
from agent.signing import (
    key_from_pem,
    key_id,
    key_to_pem,
    make_key,
    public_from_pem,
    public_to_pem,
    sign_compact,
    unverified_payload,
    verify_compact,
)

KEY = make_key()
KEYS = {key_id(KEY.public_key()): KEY.public_key()}


@given(st.binary(max_size=300))
def test_what_was_signed_is_believed(payload: bytes) -> None:
    assert verify_compact(sign_compact(payload, KEY, typ="t"), KEYS, typ="t") == payload


@given(st.data())
def test_one_changed_character_is_refused(data: st.DataObject) -> None:
    text = sign_compact(b'{"site": "hatyai-012"}', KEY, typ="t")
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(min_codepoint=33, max_codepoint=0x0E3F).filter(lambda each: each != text[place]))
    with pytest.raises(SignatureError):
        verify_compact(text[:place] + letter + text[place + 1 :], KEYS, typ="t")


@given(st.text(max_size=400))
def test_any_other_text_is_refused_and_nothing_crashes(text: str) -> None:
    with pytest.raises(SignatureError):
        verify_compact(text, KEYS, typ="t")
    with pytest.raises(SignatureError):
        unverified_payload(text)


def test_a_document_of_one_kind_is_not_taken_for_another() -> None:
    with pytest.raises(SignatureError) as refused:
        verify_compact(sign_compact(b"{}", KEY, typ="order"), KEYS, typ="grant")
    assert refused.value.facts["reason"] == "wrong_type"


def test_an_unknown_key_is_refused_by_its_name() -> None:
    with pytest.raises(SignatureError) as refused:
        verify_compact(sign_compact(b"{}", make_key(), typ="t"), KEYS, typ="t")
    assert refused.value.facts["reason"] == "unknown_key"


def test_keys_survive_their_files() -> None:
    assert key_id(key_from_pem(key_to_pem(KEY)).public_key()) == key_id(KEY.public_key())
    assert key_id(public_from_pem(public_to_pem(KEY.public_key()))) == key_id(KEY.public_key())


@pytest.mark.parametrize("pem", [b"", b"hello", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_key_is_refused(pem: bytes) -> None:
    with pytest.raises(SignatureError):
        key_from_pem(pem)
    with pytest.raises(SignatureError):
        public_from_pem(pem.decode())
