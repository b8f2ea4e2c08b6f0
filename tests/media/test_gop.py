"""Which access units a decoder can begin at."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.media.gop import extradata_sets, is_idr, length_bytes_of, parameter_sets
from agent.media.packet import Codec

SPS, PPS, SEI, DELIMITER = b"\x67\x42\xc0\x1e", b"\x68\xce\x3c\x80", b"\x06\x05\x01\xff", b"\x09\x10"
IDR, SLICE, PARTITION = b"\x65\x88\x84\x21", b"\x41\x9a\x24\x6c", b"\x42\x9a\x24\x6c"
VPS, HEVC_SPS, HEVC_PPS = b"\x40\x01\x0c\x01", b"\x42\x01\x01\x01", b"\x44\x01\xc1\x72"
HEVC_IDR, HEVC_CRA, HEVC_TRAIL = b"\x26\x01\xaf\x09", b"\x2a\x01\xaf\x09", b"\x02\x01\xd0\x09"


def annex_b(*units: bytes, code: bytes = b"\0\0\0\1") -> bytes:
    return b"".join(code + unit for unit in units)


def with_lengths(*units: bytes, length_bytes: int = 4) -> bytes:
    return b"".join(len(unit).to_bytes(length_bytes, "big") + unit for unit in units)


CASES = [
    (Codec.H264, (IDR,), True),
    (Codec.H264, (DELIMITER, SPS, PPS, SEI, IDR), True),
    (Codec.H264, (DELIMITER, SEI, SLICE), False),
    (Codec.H264, (SPS, PPS, SLICE, IDR), False),
    (Codec.H264, (PARTITION,), False),
    (Codec.H264, (SPS, PPS), False),
    (Codec.H264, (), False),
    (Codec.HEVC, (VPS, HEVC_SPS, HEVC_PPS, HEVC_IDR), True),
    (Codec.HEVC, (HEVC_CRA,), True),
    (Codec.HEVC, (HEVC_TRAIL,), False),
    (Codec.HEVC, (VPS, HEVC_SPS, HEVC_PPS, HEVC_TRAIL), False),
]


@pytest.mark.parametrize(("codec", "units", "expected"), CASES)
def test_the_first_slice_decides_whether_decoding_may_begin(
    codec: Codec, units: tuple[bytes, ...], expected: bool
) -> None:
    assert is_idr(codec, annex_b(*units)) is expected
    assert is_idr(codec, annex_b(*units, code=b"\0\0\1")) is expected
    for length_bytes in (1, 2, 4):
        assert is_idr(codec, with_lengths(*units, length_bytes=length_bytes), length_bytes=length_bytes) is expected


def test_parameter_sets_are_those_before_the_first_slice() -> None:
    assert parameter_sets(Codec.H264, annex_b(DELIMITER, SPS, PPS, SEI, IDR, SPS)) == (SPS, PPS)
    assert parameter_sets(Codec.HEVC, annex_b(VPS, HEVC_SPS, HEVC_PPS, HEVC_IDR)) == (VPS, HEVC_SPS, HEVC_PPS)


def test_extradata_gives_the_same_sets_in_both_of_its_forms() -> None:
    record = bytes([1, 0x42, 0xC0, 0x1E, 0xFF, 0xE1, 0, len(SPS)]) + SPS + bytes([1, 0, len(PPS)]) + PPS
    assert length_bytes_of(Codec.H264, record) == 4
    assert extradata_sets(Codec.H264, record) == extradata_sets(Codec.H264, annex_b(SPS, PPS)) == (SPS, PPS)
    assert length_bytes_of(Codec.H264, annex_b(SPS, PPS)) == 0


@given(st.sampled_from(Codec), st.binary(max_size=200), st.sampled_from([0, 1, 2, 4]))
def test_garbage_is_judged_without_an_error(codec: Codec, data: bytes, length_bytes: int) -> None:
    is_idr(codec, data, length_bytes=length_bytes)
    parameter_sets(codec, data, length_bytes=length_bytes)
    extradata_sets(codec, data)
    extradata_sets(codec, b"\x01" + data)


@given(st.binary(max_size=100).filter(lambda data: b"\0\0\1" not in data))
def test_data_without_a_start_code_is_no_idr(data: bytes) -> None:
    assert not is_idr(Codec.H264, data)
