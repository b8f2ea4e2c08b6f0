"""No bytes on the disk and no word of a camera's process make the node fail otherwise, or look elsewhere."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.notices import SegmentClosed, SegmentOpened, decode_notice, encode_notice
from agent.recording.naming import SegmentComment
from agent.recording.records import decode_record
from tests.recording import strangers

NAME = strangers.NAME
DEEP = b'{"later":' * 100_000
TEXTS = [
    "../",
    "footage/../../etc/passwd",
    "footage/c01/",
    "\x00",
    "%2e%2e",
    "กล้อง",
    "/",
    ".mp4",
    strangers.NAME.text(),
]
INTEGERS = st.one_of(st.integers(-(2**63), 2**64 - 1), st.sampled_from([0, 1, 2**31, 2**62, 2**63 - 1, 2**63]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("target", ["segment", "comment", "ledger", "record", "name", "notice"])
@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=400))
def test_no_bytes_at_all_make_a_reader_fail(target: str, data: bytes) -> None:
    strangers.TARGETS[target](data)


@pytest.mark.parametrize("target", ["comment", "ledger", "record", "name", "notice"])
def test_brackets_without_end_are_no_record_no_comment_and_no_name(target: str) -> None:
    strangers.TARGETS[target](DEEP)
    strangers.TARGETS[target](b"\x81\xa1t" * 50_000)


def test_a_field_of_a_later_version_may_hold_anything() -> None:
    assert SegmentComment.decode(DEEP) is None
    assert SegmentComment.decode("\udc80") is None
    assert decode_record("clock", b'{"quality":"synced",' + DEEP[1:]) is None


@settings(max_examples=60, deadline=None)
@given(data=JSON)
def test_no_record_with_a_right_checksum_stops_the_ledger(data: object) -> None:
    try:
        encoded = msgspec.json.encode(data)
    except (OverflowError, msgspec.MsgspecError, UnicodeEncodeError):
        return
    strangers.record(encoded)


@settings(max_examples=200, deadline=None)
@given(text=st.lists(st.sampled_from(TEXTS) | st.text(max_size=12), max_size=5).map("".join))
def test_no_text_is_a_name_that_leads_elsewhere(text: str) -> None:
    strangers.name(text.encode("utf-8", "surrogatepass"))


@settings(max_examples=200, deadline=None)
@given(
    path=st.sampled_from(TEXTS),
    numbers=st.tuples(INTEGERS, INTEGERS, INTEGERS, INTEGERS, INTEGERS),
    quality=st.sampled_from(["synced", "holdover", "unsynced"]),
)
def test_no_notice_of_a_camera_breaks_the_index(
    path: str, numbers: tuple[int, int, int, int, int], quality: str
) -> None:
    name = NAME
    opened = SegmentOpened(name.camera, path, name.boot, name.run, name.n, numbers[0], numbers[1], quality)
    closed = SegmentClosed(name.camera, path, name.boot, name.run, name.n, *numbers[:4], numbers[4], quality)
    for told in (opened, closed):
        strangers.tell(told)
        strangers.notice(encode_notice(told))


@settings(max_examples=100, deadline=None)
@given(mono_ns=st.integers(-(2**70), 2**70), start_ns=st.integers(-(2**70), 2**70))
def test_a_comment_with_numbers_that_no_index_holds_is_none(mono_ns: int, start_ns: int) -> None:
    text = (
        f'{{"camera":"c01","boot":7,"boot_id":"b","run":3,"n":12,"start_wall_ns":{start_ns},'
        f'"start_mono_ns":{mono_ns},"clock_quality":"unsynced","clock_error_s":null}}'
    )
    fits = all(-(2**63) <= value < 2**63 for value in (mono_ns, start_ns))
    assert (SegmentComment.decode(text) is not None) == fits


def test_a_notice_in_another_encoding_is_refused_as_any_other() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_notice(b"\x82\xa1t\xaesegment_opened\xa6camera\xa3c0\xa4")
