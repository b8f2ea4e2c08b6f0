"""However the muxer portions its output, one fragment is one write, and the head is ours."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from agent.media.whole_fragments import WholeFragments


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


FRAGMENT = st.tuples(st.binary(max_size=40), st.binary(max_size=300)).map(
    lambda parts: box(b"prft", bytes(24)) + box(b"moof", parts[0]) + box(b"mdat", parts[1])
)


@given(st.lists(FRAGMENT, max_size=5), st.lists(st.integers(0, 1500), max_size=20), st.binary(max_size=7))
def test_each_fragment_is_handed_on_in_one_piece_however_it_came(
    fragments: list[bytes], cuts: list[int], torn: bytes
) -> None:
    writes: list[bytes] = []

    def keep(data: bytes) -> int:
        writes.append(data)
        return len(data)

    whole = box(b"ftyp", b"isom") + box(b"moov", bytes(100)) + b"".join(fragments) + torn
    between = WholeFragments(keep, b"our own head", lambda fragment: b"<" + fragment + b">")
    ends = sorted({*(cut for cut in cuts if cut < len(whole)), len(whole)})
    for begin, end in zip([0, *ends], ends, strict=False):
        assert between.write(whole[begin:end]) == end - begin
    # What is torn is not written: a segment ends with its last whole fragment.
    assert writes == [b"our own head", *(b"<" + each + b">" for each in fragments)]
