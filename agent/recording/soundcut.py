"""Sound in a clip: its first samples may begin before the clip does, or beside sound that stands there already. Pure.

They are left out of their fragment's table, and a `free` box fills the place, so that nothing else moves. Only tables
of agent.recording.soundtrack can be cut like this: those have 8 bytes a sample.
"""

from __future__ import annotations

import struct
from typing import Final

from agent.errors import SegmentDamaged
from agent.recording.boxes import Box, children, find, require, unpack
from agent.recording.movie import Track

_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")
_HEADER = struct.Struct(">I4s")
_SAMPLE = struct.Struct(">II")
_TRUN_HEAD = struct.Struct(">III")
# Data offset, and duration and size of each sample (8.8.8).
_CUTTABLE: Final = 0x000301
# Ticks and microseconds round a sample's place by less than this.
_ROUNDING_S: Final = 0.001


class Heard:
    """Where the sound of a clip ends so far, in ticks of its track; one for each output file."""

    def __init__(self) -> None:
        self.until = 0


def place_sound(patched: bytearray, traf: Box, track: Track, *, at: int, heard: Heard) -> None:
    """Let a fragment's sound begin at `at`, which may lie before 0 or before what was heard already: that part is left
    out. Raises SegmentDamaged."""
    boxes = children(bytes(patched), traf.start + 8, traf.end)
    tfdt, trun = require(boxes, b"tfdt"), find(boxes, b"trun")
    slack = int(track.timescale * _ROUNDING_S)
    if trun is not None and unpack(_U32, bytes(patched), trun)[0] == _CUTTABLE:
        table = bytes(patched[trun.body + _TRUN_HEAD.size : trun.end])
        left_out, taken_bytes = 0, 0
        samples = list(_SAMPLE.iter_unpack(table))
        while left_out < len(samples) and at < heard.until - slack:
            at += samples[left_out][0]
            taken_bytes += samples[left_out][1]
            left_out += 1
        if left_out == len(samples):
            patched[traf.start + 4 : traf.start + 8] = b"free"
            return
        _shorten(patched, trun, left_out, taken_bytes)
        heard.until = at + sum(duration for duration, _ in samples[left_out:])
    field = _U64 if unpack(_U32, bytes(patched), tfdt)[0] >> 24 else _U32
    if at >> (8 * field.size) > 0:
        raise SegmentDamaged(reason="a decode time does not fit its box")
    field.pack_into(patched, tfdt.body + 4, max(at, 0))


def _shorten(patched: bytearray, trun: Box, left_out: int, taken_bytes: int) -> None:
    if not left_out:
        return
    gone = left_out * _SAMPLE.size
    head, count, data_at = _TRUN_HEAD.unpack_from(patched, trun.body)
    table = bytes(patched[trun.body + _TRUN_HEAD.size + gone : trun.end])
    _HEADER.pack_into(patched, trun.start, trun.size_bytes - gone, b"trun")
    _TRUN_HEAD.pack_into(patched, trun.body, head, count - left_out, data_at + taken_bytes)
    patched[trun.body + _TRUN_HEAD.size : trun.end - gone] = table
    patched[trun.end - gone : trun.end] = _HEADER.pack(gone, b"free") + bytes(gone - _HEADER.size)
