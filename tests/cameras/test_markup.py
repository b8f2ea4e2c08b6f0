"""XML from strangers: what is plain is read, everything else is refused, and nothing makes us work or wait for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import DiscoveryError
from provisioning.cameras.markup import MAX_BYTES, bounded, parse_xml, shown

LAUGHS = (
    '<!DOCTYPE a [<!ENTITY x0 "ha">'
    + "".join(f'<!ENTITY x{n} "{f"&x{n - 1};" * 10}">' for n in range(1, 12))
    + "]><a>&x11;</a>"
)


def test_names_are_read_without_their_prefixes() -> None:
    root = parse_xml(b'<s:E xmlns:s="urn:s"><s:B><t:P xmlns:t="urn:t" t:token="1"> a <t:N>b</t:N></t:P></s:B></s:E>')
    found = root.child("B", "P")
    assert found is not None and found.attributes == {"token": "1"} and found.text.strip() == "a"
    assert (root.value("B", "P", "N"), root.value("B", "Q", "N")) == ("b", "")
    assert [one.name for one in root.every("N")] == ["N"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<a>",
        b"<a></b>",
        b"<a>&undefined;</a>",
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>',
        LAUGHS.encode(),
        f'<?xml version="1.0" encoding="utf-16"?>{LAUGHS}'.encode("utf-16"),
        f'<?xml version="1.0" encoding="cp037"?>{LAUGHS}'.encode("cp037"),
        b'<?xml version="1.0" encoding="no-such-thing"?><a/>',
        b'<?xml version="1.0" encoding="hex"?><a/>',
        b"<a>" * 100 + b"</a>" * 100,
        b"<a>" + b"<b/>" * 50_000 + b"</a>",
        b"<a>" + b" " * MAX_BYTES + b"</a>",
        b"<a b='1' b='2'/>",
        b"<x:a/>",
    ],
)
def test_what_is_not_plain_xml_is_refused_at_once(data: bytes) -> None:
    with pytest.raises(DiscoveryError) as refused:
        parse_xml(data)
    assert refused.value.facts["reason"] == "malformed"


@given(st.binary(max_size=400) | st.text(alphabet="<>/ab&;!=\"'[]-? D", max_size=80).map(str.encode))
def test_any_bytes_are_a_tree_or_a_refusal(data: bytes) -> None:
    try:
        parse_xml(data)
    except DiscoveryError:
        return


@given(st.text(max_size=60))
def test_numbers_of_strangers_are_within_bounds_or_zero(text: str) -> None:
    assert 0 <= bounded(text, most=100) <= 100


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "1e999", "101", "", "0x10", "1" * 400])
def test_numbers_outside_are_zero(text: str) -> None:
    assert bounded(text, most=100) == 0


@given(st.text())
def test_what_people_are_shown_is_one_short_printable_line(text: str) -> None:
    assert len(shown(text)) <= 64 and shown(text).isprintable()
