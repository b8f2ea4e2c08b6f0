"""The last box of a closed segment says what its headers say, or is not believed."""

from __future__ import annotations

import zlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.recording.segment import scan
from agent.recording.summary import SUMMARY_BYTES, SegmentSummary, read_summary, summarise


def read(data: bytes) -> SegmentSummary | None:
    return read_summary(lambda at, size: data[at : at + size], len(data))


@pytest.fixture(scope="session")
def closed_bytes(segment_bytes: bytes) -> bytes:
    return segment_bytes + summarise(lambda at, size: segment_bytes[at : at + size], len(segment_bytes))


def test_a_summary_says_what_the_headers_say_and_the_file_is_still_whole(closed_bytes: bytes) -> None:
    found = scan(lambda at, size: closed_bytes[at : at + size], len(closed_bytes))
    assert found.is_whole and found.span is not None and found.comment is not None
    assert read(closed_bytes) == SegmentSummary(
        frames=found.frames,
        start_wall_ns=found.span.start_ns,
        end_wall_ns=found.span.end_ns,
        start_mono_ns=found.comment.start_mono_ns,
        boot=found.comment.boot,
        clock_quality=found.comment.clock_quality,
        init_bytes=len(found.init),
        init_crc32=zlib.crc32(found.init),
        size_bytes=len(closed_bytes) - SUMMARY_BYTES,
    )


def test_what_has_no_footage_has_no_summary(segment_bytes: bytes) -> None:
    init = scan(lambda at, size: segment_bytes[at : at + size], len(segment_bytes)).init
    for data in (b"", b"RIFF", init, segment_bytes[:-1]):
        assert summarise(lambda at, size, data=data: data[at : at + size], len(data)) == b""  # type: ignore[misc]


def test_a_summary_of_another_file_or_of_an_impossible_one_is_not_believed(closed_bytes: bytes) -> None:
    body, own = closed_bytes[:-SUMMARY_BYTES], read(closed_bytes)
    assert own is not None
    for wrong in (
        replace(own, size_bytes=own.size_bytes - 1),
        replace(own, init_crc32=own.init_crc32 ^ 1),
        replace(own, init_bytes=own.init_bytes - 1),
        replace(own, init_bytes=0),
        replace(own, init_bytes=1 << 30),
        replace(own, frames=0),
        replace(own, frames=-1),
        replace(own, end_wall_ns=own.start_wall_ns - 1),
    ):
        assert read(body + wrong.encode()) is None
    assert read(body + own.encode()) == own
    assert read(body[:-1] + own.encode()) is None
    assert read(b"x" + body[1:] + own.encode()) is None


@settings(max_examples=200, deadline=None)
@given(at=st.integers(1, SUMMARY_BYTES), bit=st.integers(0, 7))
def test_one_changed_bit_in_it_and_it_is_not_believed(closed_bytes: bytes, at: int, bit: int) -> None:
    broken = bytearray(closed_bytes)
    broken[-at] ^= 1 << bit
    assert read(bytes(broken)) is None


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_make_the_reader_fail(data: bytes) -> None:
    assert read(data) is None
