"""Thai and English say the same things, with the same facts in them."""

from __future__ import annotations

import re
import string

import pytest

from provisioning.texts import Language, say, texts

ENGLISH_WORDS = re.compile(r"[A-Za-z]{2,} [A-Za-z]{2,}")


def placeholders(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


def test_no_text_is_missing_in_either_language() -> None:
    thai, english = texts(Language.THAI), texts(Language.ENGLISH)
    assert thai.keys() ^ english.keys() == set()


def test_both_languages_tell_the_same_facts() -> None:
    thai, english = texts(Language.THAI), texts(Language.ENGLISH)
    different = {key for key in thai.keys() & english.keys() if placeholders(thai[key]) != placeholders(english[key])}
    assert different == set()


def test_thai_sentences_are_thai() -> None:
    # A name, a number and a unit alone are the same in both.
    english = texts(Language.ENGLISH)
    untranslated = [
        key
        for key, sentence in texts(Language.THAI).items()
        if sentence == english.get(key) and ENGLISH_WORDS.search(re.sub(r"\{.*?\}", "", sentence))
    ]
    assert untranslated == []


@pytest.mark.parametrize("language", list(Language))
def test_a_key_without_a_sentence_is_shown_as_itself(language: Language) -> None:
    assert say(language, "nowhere.at_all") == "nowhere.at_all"
