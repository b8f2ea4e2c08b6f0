"""Notices cross the runtime sockets unchanged, and nothing else is taken for one."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.notices import Notice, Outage, StreamRole, VideoPacket, decode_notice, encode_notice

_ns = st.integers(-(2**62), 2**62)
_packets = st.builds(
    VideoPacket, camera=st.text(), role=st.sampled_from(StreamRole), run=_ns, media_ns=_ns, is_idr=st.booleans()
)
_outages = st.builds(Outage, camera=st.text(), boot=_ns, start_wall_ns=_ns, end_wall_ns=_ns, reason=st.text())


@given(_packets | _outages)
def test_a_notice_survives_its_encoding(notice: Notice) -> None:
    assert decode_notice(encode_notice(notice)) == notice


@pytest.mark.parametrize(
    "record", [{"t": "no_such"}, {"t": "hello", "process": "camera"}, {"t": "outage", "more": 1}, 5]
)
def test_what_is_not_exactly_a_notice_is_refused(record: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_notice(msgspec.msgpack.encode(record))
