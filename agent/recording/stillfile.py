"""Reads one picture's bytes out of a segment, without decoding it: whoever decodes gets a small MP4 of one IDR."""

from __future__ import annotations

import os
from pathlib import Path

from agent.errors import SegmentDamaged
from agent.recording.boxes import read_header
from agent.recording.fragment import parse_moof
from agent.recording.naming import SegmentName
from agent.recording.segment_file import open_segment
from agent.recording.sheet import SheetStill

# An IDR of 4K at the best quality that cameras offer is some 2 MB; what claims more is not read.
_MOST_BYTES = 8 << 20


def read_still(data_dir: Path, still: SheetStill) -> bytes | None:
    """Head and first picture of the still's fragment, as a file that players open; None when the segment is gone.

    Its `mdat` states the length of the whole fragment and ends after the first picture. Raises SegmentDamaged, OSError.
    """
    name = SegmentName.parse(still.path)
    if name is None:
        raise SegmentDamaged(path=str(still.path), reason="no name of a segment")
    try:
        descriptor = open_segment(data_dir, name)
    except FileNotFoundError:
        return None
    try:
        fragment = still.fragment
        head = os.pread(descriptor, fragment.payload_offset - fragment.offset, fragment.offset)
        moof = read_header(head, 0)
        while moof.kind != b"moof":
            moof = read_header(head, moof.end)
        video = parse_moof(head, moof, read_header(head, moof.end), still.movie)
        if video is None:
            raise SegmentDamaged(path=still.path.name, reason="a fragment without a picture")
        count = moof.start + video.first_sample_at + video.first_sample_bytes - len(head)
        if not 0 < count <= min(fragment.size_bytes - len(head), _MOST_BYTES):
            raise SegmentDamaged(path=still.path.name, reason="a picture too large to be shown")
        return b"".join((still.init, head, os.pread(descriptor, count, fragment.payload_offset)))
    finally:
        os.close(descriptor)
