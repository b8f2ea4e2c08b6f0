"""Access units cut into RTP packets, and put together again as RFC 6184 and RFC 7798 say."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from agent.media.packet import Codec
from agent.media.rtp import MAX_PAYLOAD_BYTES, PushedStream, RtpPacker, session_text

SPS, PPS = bytes.fromhex("67 42 c0 1f 8c"), bytes.fromhex("68 ce 3c 80")
ANNEX_B = b"\x00\x00\x00\x01" + SPS + b"\x00\x00\x00\x01" + PPS
SECOND_NS = 1_000_000_000


def packer(codec: Codec = Codec.H264, extradata: bytes = ANNEX_B, *, origin: int = 0, sequence: int = 0) -> RtpPacker:
    return RtpPacker(PushedStream(codec, extradata), ssrc=7, sequence=sequence, origin=origin)


def units_of(packets: list[bytes], codec: Codec) -> list[bytes]:
    """What a receiver puts together."""
    units: list[bytes] = []
    wide = codec is Codec.HEVC
    for packet in packets:
        body = packet[12:]
        kind = body[0] >> 1 & 0x3F if wide else body[0] & 0x1F
        if kind != (49 if wide else 28):
            units.append(body)
            continue
        at = 2 if wide else 1
        fragment = body[at]
        if fragment & 0x80:
            first = body[0] & 0x81 | (fragment & 0x3F) << 1 if wide else body[0] & 0xE0 | fragment & 0x1F
            units.append(bytes((first, *body[1:at])))
        units[-1] += body[at + 1 :]
    return units


def annex_b(units: list[bytes]) -> bytes:
    return b"".join(b"\x00\x00\x01" + unit for unit in units)


# Free of zeros, which start codes are made of, and never a parameter set.
bodies = st.binary(min_size=1, max_size=5000).map(lambda data: data.replace(b"\x00", b"\x01"))


@given(parts=st.lists(bodies, min_size=1, max_size=5), codec=st.sampled_from(Codec))
def test_a_receiver_gets_every_unit_whole(parts: list[bytes], codec: Codec) -> None:
    head = b"\x41" if codec is Codec.H264 else b"\x02\x01"
    units = [head + part for part in parts]
    packets = packer(codec, b"").pack(annex_b(units), 0, is_idr=False)
    assert units_of(packets, codec) == units
    assert all(len(packet) <= 12 + MAX_PAYLOAD_BYTES for packet in packets)
    assert [packet[1] >> 7 for packet in packets] == [0] * (len(packets) - 1) + [1]


@given(
    origin=st.integers(0, 2**32 - 1),
    sequence=st.integers(0, 2**16 - 1),
    media_ns=st.integers(-SECOND_NS, 10**6 * SECOND_NS),
)
def test_numbers_and_times_wrap(origin: int, sequence: int, media_ns: int) -> None:
    packets = packer(origin=origin, sequence=sequence).pack(annex_b([b"\x41" + b"x" * 3000]), media_ns, is_idr=False)
    for number, packet in enumerate(packets):
        found, stamp, ssrc = struct.unpack(">HII", packet[2:12])
        assert found == (sequence + number) % 2**16
        assert stamp == (origin + media_ns * 90_000 // SECOND_NS) % 2**32
        assert ssrc == 7


def test_an_idr_without_parameter_sets_gets_those_of_the_stream() -> None:
    idr = b"\x65" + b"x" * 20
    assert units_of(packer().pack(annex_b([idr]), 0, is_idr=True), Codec.H264) == [SPS, PPS, idr]
    own = [SPS, PPS, idr]
    assert units_of(packer().pack(annex_b(own), 0, is_idr=True), Codec.H264) == own


def test_units_of_a_file_come_without_their_lengths() -> None:
    record = bytes((1, 0x42, 0xC0, 0x1F, 0xFF, 0xE1)) + struct.pack(">H", len(SPS)) + SPS
    record += bytes((1,)) + struct.pack(">H", len(PPS)) + PPS
    slice_ = b"\x41" + b"y" * 10
    packets = packer(extradata=record).pack(struct.pack(">I", len(slice_)) + slice_, 0, is_idr=False)
    assert units_of(packets, Codec.H264) == [slice_]


def test_the_announcement_names_the_parameter_sets() -> None:
    text = session_text(PushedStream(Codec.H264, ANNEX_B), "c01")
    assert "a=rtpmap:96 H264/90000\r\n" in text
    assert "sprop-parameter-sets=Z0LAH4w=,aM48gA==" in text
    assert "profile-level-id=42c01f" in text
    assert text.endswith("a=control:streamid=0\r\n")


def test_a_report_says_which_wall_time_a_media_time_is() -> None:
    sender = packer()
    sender.pack(annex_b([b"\x41abc"]), 0, is_idr=False)
    report = sender.report(SECOND_NS, 1_700_000_000 * SECOND_NS + SECOND_NS // 2)
    ssrc, seconds, fraction, stamp, packets, octets = struct.unpack(">IIIIII", report[4:])
    assert (ssrc, seconds, fraction, stamp, packets, octets) == (7, 1_700_000_000 + 2_208_988_800, 2**31, 90_000, 1, 4)
