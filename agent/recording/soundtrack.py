"""The sound of a segment: a second track, woven into the fragments that FFmpeg made of the video alone. Pure.

FFmpeg's own way with two tracks begins each at 0, swallows what is missing between two fragments, and lets one track
wait for the other (ADR 24). Here the video is muxed as ever, and each finished fragment gets the sound that has come
by then, under its true times.

A sample's duration and size stand in the `trun` for each one, 8 bytes, so that a clip can leave out the first ones
without anything moving: a `free` box fills their place (agent.recording.soundcut).
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from agent.errors import SegmentDamaged
from agent.media.sound import CapturedSound, SoundFormat
from agent.recording.boxes import Box, box, children, full_box, read_header, require, unpack
from agent.recording.movie import SOUND_HANDLER, parse_movie
from agent.units import NS_PER_MS, NS_PER_S

# Of a segment with sound the video's decode time begins here and not at 0: sound comes later than its pictures (G.711
# of 8 kHz waits 256 ms in the encoder alone), and what belongs before a segment's first picture would have no time.
LEAD_NS: Final = 2 * NS_PER_S
# As long as pictures wait in memory for an incident (agent.recording.gate): 150 s of 48 kHz, some 4 MB. Otherwise sound
# waits for its pictures alone, which is a second.
_MAX_WAITING: Final = 7_500

# A frame's duration counts in ticks, media time in ns.
_ROUNDING_NS: Final = NS_PER_MS

_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")
_SAMPLE = struct.Struct(">II")
_TFHD_BASE_IS_MOOF: Final = 0x020000
_TFHD_FLAGS: Final = 0x000020
_TRUN_DATA_OFFSET: Final = 0x000001
_TRUN_DURATION: Final = 0x000100
_TRUN_SIZE: Final = 0x000200
# sample_depends_on 2: needs no other one (14496-12, 8.8.3.1); FFmpeg writes the same for AAC.
_INDEPENDENT: Final = 0x02000000
_TRUN_HEAD_BYTES: Final = 20


@dataclass(frozen=True, slots=True)
class SoundTrack:
    """How the track stands in its segment. `origin_media_ns` is the media time of the video's first decode time."""

    form: SoundFormat
    track_id: int
    rate_hz: int
    video_timescale: int
    origin_media_ns: int

    def ticks(self, media_ns: int) -> int:
        """Decode time in the segment; negative when it lies more than LEAD_NS before the first picture."""
        return ((media_ns - self.origin_media_ns + LEAD_NS) * self.rate_hz + NS_PER_S // 2) // NS_PER_S

    @property
    def lead_ticks(self) -> int:
        """What is added to the video's decode times."""
        return LEAD_NS * self.video_timescale // NS_PER_S


def track_of(head: bytes, form: SoundFormat, *, origin_media_ns: int) -> SoundTrack:
    """The sound track of a segment by its ftyp and moov. Raises SegmentDamaged when there is none."""
    movie = parse_movie(head, read_header(head, read_header(head, 0).end))
    for track in movie.tracks:
        if track.handler == SOUND_HANDLER:
            return SoundTrack(
                form=form,
                track_id=track.track_id,
                rate_hz=track.timescale,
                video_timescale=movie.video.timescale,
                origin_media_ns=origin_media_ns,
            )
    raise SegmentDamaged(reason="there is no sound track")


class WaitingSound:
    """What came and is not in a fragment yet, in the order of its times; owned by the recorder's thread.

    It outlives segments and runs: sound arrives after the pictures it belongs beside.
    """

    def __init__(self) -> None:
        # Each with the coding that it came in.
        self._waiting: deque[tuple[CapturedSound, SoundFormat | None]] = deque()
        self._form: SoundFormat | None = None
        self._end_ns: int | None = None
        self._anchor_mono_ns = 0
        # Where the last segment's sound ended.
        self._until_ns: int | None = None
        # Where the recording began that goes on now.
        self._from_ns: int | None = None
        self.dropped = 0

    def tune(self, form: SoundFormat) -> None:
        """What comes from here on is coded like this; the segment with a track for it begins at a later IDR."""
        self._form = form

    def add(self, sound: CapturedSound) -> None:
        """Sound that lies mostly beside the last is dropped: its line was set right and brings that stretch twice."""
        if self._end_ns is not None and sound.media_ns < self._end_ns - sound.duration_ns // 2:
            self.dropped += 1
            return
        if self._from_ns is not None and sound.media_ns < self._from_ns:
            # It comes late, and from a time that was not to be recorded.
            return
        self._end_ns = sound.media_ns + sound.duration_ns
        self._waiting.append((sound, self._form))
        if len(self._waiting) > _MAX_WAITING:
            self._waiting.popleft()
            self.dropped += 1

    def begin_run(self, anchor_mono_ns: int) -> None:
        """Media time begins anew, 0 being this moment of the monotonic clock."""
        shift_ns = anchor_mono_ns - self._anchor_mono_ns
        self._anchor_mono_ns = anchor_mono_ns
        self._until_ns = self._from_ns = None
        self._waiting = deque(
            (replace(sound, media_ns=sound.media_ns - shift_ns), form) for sound, form in self._waiting
        )
        if self._end_ns is not None:
            self._end_ns -= shift_ns

    def begin_segment(self, start_media_ns: int) -> None:
        """What was heard before its first picture goes into it only where it continues the segment before: otherwise it
        was not to be recorded."""
        if self._until_ns is not None and abs(start_media_ns - self._until_ns) < _ROUNDING_NS:
            return
        self._from_ns = start_media_ns
        while self._waiting and self._waiting[0][0].media_ns < start_media_ns:
            self._waiting.popleft()

    def take(self, track: SoundTrack, until_media_ns: int) -> list[CapturedSound]:
        """What begins before `until_media_ns`; what came too late for this segment, or in another coding than its
        track's, is dropped."""
        taken: list[CapturedSound] = []
        self._until_ns = until_media_ns
        while self._waiting and self._waiting[0][0].media_ns < until_media_ns:
            sound, form = self._waiting.popleft()
            if form != track.form or track.ticks(sound.media_ns) < 0:
                self.dropped += 1
            else:
                taken.append(sound)
        return taken


def weave(fragment: bytes, track: SoundTrack, sounds: Sequence[CapturedSound]) -> bytes:
    """A fragment of the video (prft, moof, mdat as FFmpeg wrote them) with its sound behind the pictures.

    Raises SegmentDamaged when it is no such fragment.
    """
    prft, moof, mdat = _parts(fragment)
    inner = children(fragment, moof.body, moof.end)
    mfhd, video = require(inner, b"mfhd"), require(inner, b"traf")
    data = b"".join(sound.data for sound in sounds)
    growth = _sound_bytes(len(sounds)) if sounds else 0
    pictures = _moved(fragment, video, track, growth)
    data_at = moof.size_bytes + growth + (mdat.end - mdat.start)
    heard = _sound(track, sounds, data_at) if sounds else b""
    return b"".join(
        (
            fragment[: prft.end],
            box(b"moof", fragment[mfhd.start : mfhd.end], pictures, heard),
            _U32.pack(mdat.size_bytes + len(data)),
            fragment[mdat.start + 4 : mdat.end],
            data,
        )
    )


def _parts(fragment: bytes) -> tuple[Box, Box, Box]:
    prft = read_header(fragment, 0)
    moof = read_header(fragment, prft.end)
    mdat = read_header(fragment, moof.end)
    kinds = (prft.kind, moof.kind, mdat.kind)
    if kinds != (b"prft", b"moof", b"mdat") or mdat.end != len(fragment) or mdat.body != mdat.start + 8:
        raise SegmentDamaged(reason="it is no fragment of video alone")
    return prft, moof, mdat


def _moved(fragment: bytes, traf: Box, track: SoundTrack, growth: int) -> bytes:
    """The video's `traf`, later by the lead and with its data `growth` bytes further away."""
    moved = bytearray(fragment[traf.start : traf.end])
    for each in children(fragment, traf.body, traf.end):
        if each.kind == b"tfdt":
            if not unpack(_U32, fragment, each)[0] >> 24:
                raise SegmentDamaged(reason="a decode time has 32 bits")
            (at,) = unpack(_U64, fragment, each, 4)
            _U64.pack_into(moved, each.body + 4 - traf.start, at + track.lead_ticks)
        elif each.kind == b"trun":
            if not unpack(_U32, fragment, each)[0] & _TRUN_DATA_OFFSET:
                raise SegmentDamaged(reason="a trun does not say where its data is")
            (at,) = unpack(_U32, fragment, each, 8)
            _U32.pack_into(moved, each.body + 8 - traf.start, at + growth)
    return bytes(moved)


def _sound_bytes(count: int) -> int:
    return len(_sound_head(0, 0)) + _TRUN_HEAD_BYTES + _SAMPLE.size * count + 8


def _sound_head(track_id: int, decode_time: int) -> bytes:
    tfhd = full_box(b"tfhd", 0, _TFHD_BASE_IS_MOOF | _TFHD_FLAGS, _U32.pack(track_id), _U32.pack(_INDEPENDENT))
    return tfhd + full_box(b"tfdt", 1, 0, _U64.pack(decode_time))


def _sound(track: SoundTrack, sounds: Sequence[CapturedSound], data_at: int) -> bytes:
    times = [track.ticks(sound.media_ns) for sound in sounds]
    # What is missing between two packets is the first one's duration: nothing is made up to fill it.
    ends = [*times[1:], times[-1] + track.form.packet_samples]
    table = b"".join(
        _SAMPLE.pack(end - time, len(sound.data)) for time, end, sound in zip(times, ends, sounds, strict=True)
    )
    head = _U32.pack(len(sounds)) + _U32.pack(data_at)
    trun = full_box(b"trun", 0, _TRUN_DATA_OFFSET | _TRUN_DURATION | _TRUN_SIZE, head, table)
    return box(b"traf", _sound_head(track.track_id, times[0]), trun)
