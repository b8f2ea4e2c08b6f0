"""The map of a segment file: its fragments, read from box headers alone. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agent.errors import SegmentDamaged
from agent.recording.boxes import LARGE_HEADER_BYTES, Box, read_header
from agent.recording.fragment import Fragment, VideoPart, parse_moof, parse_reference_time, reference_wall_ns
from agent.recording.movie import Movie, parse_movie
from agent.recording.naming import SegmentComment, SegmentName
from agent.recording.plain_fragment import HEAD_BYTES, read_plain
from agent.units import NS_PER_MS, NS_PER_S, WallSpan

__all__ = ["Fragment", "ReadAt", "SegmentComment", "SegmentName", "SegmentScan", "scan"]

# (offset, size) -> bytes, as os.pread gives them.
ReadAt = Callable[[int, int], bytes]

# The headers of a one-second fragment are some 400 bytes with B-frames at 25 fps: one page holds them, and one read.
_READ_BYTES = 4096
# Our moov is 0.8 kB (H.264) to 2 kB (H.265 with sound); these bounds only stop a hostile size from filling memory.
_MAX_MOOV_BYTES = 1 << 20
_MAX_MOOF_BYTES = 1 << 24
# Between the `moov` and the end a muxer may put these; they carry nothing that footage needs.
_IGNORED = frozenset({b"mfra", b"free", b"skip", b"styp", b"sidx", b"emsg", b"uuid"})
# NTP is exact to 1 µs and a tick of 90 kHz is 11 µs; a larger step between two fragments is a fact, not rounding.
_ROUNDING_NS = NS_PER_MS


@dataclass(frozen=True, slots=True)
class SegmentScan:
    """A segment as its box headers tell it.

    `init` is ftyp and moov, byte for byte. `intact_bytes` is the end of the last whole fragment: what a repair keeps
    of a file whose writer died. `is_whole` says that nothing but complete boxes follow it. `delay` is the first frame's
    composition offset in ticks: 0 without B-frames.
    """

    init: bytes
    movie: Movie
    comment: SegmentComment | None
    fragments: tuple[Fragment, ...]
    intact_bytes: int
    size_bytes: int
    is_whole: bool
    delay: int

    @property
    def span(self) -> WallSpan | None:
        """From the first frame to the end of the last; None without a fragment."""
        shown = [fragment for fragment in self.fragments if fragment.frames]
        return WallSpan(shown[0].start_wall_ns, shown[-1].end_wall_ns) if shown else None

    @property
    def frames(self) -> int:
        return sum(fragment.frames for fragment in self.fragments)

    @property
    def codec(self) -> str:
        return self.movie.codec

    @property
    def width(self) -> int:
        return self.movie.width

    @property
    def height(self) -> int:
        return self.movie.height

    @property
    def timescale(self) -> int:
        return self.movie.video.timescale


@dataclass(frozen=True, slots=True)
class _Raw:
    """A fragment before its neighbours are known. `reference_ns` is the wall time of its first sample, if stated."""

    offset: int
    payload_offset: int
    end: int
    reference_ns: int | None
    video: VideoPart | None


class _Window:
    """Bytes of the file around the place being parsed, so that one read serves one fragment."""

    def __init__(self, read_at: ReadAt, size: int) -> None:
        self._read_at = read_at
        self.size = size
        self._start = 0
        self._data = b""

    def view(self, at: int, wanted: int) -> bytes:
        """Bytes from `at` on: at least `wanted`, fewer only where the file ends."""
        wanted = min(wanted, self.size - at)
        if at < self._start or at + wanted > self._start + len(self._data):
            reach = min(max(wanted, _READ_BYTES), self.size - at)
            self._data = self._read_at(at, reach)
            self._start = at
            if len(self._data) != reach:
                raise SegmentDamaged(reason="the file is shorter than it was", offset=at)
        return self._data[at - self._start :]


def scan(read_at: ReadAt, size: int) -> SegmentScan:
    """Map a segment of `size` bytes by its headers alone; media data is never read.

    What stands torn at the end (a write cut short, blocks of zeroes) is not counted. Raises SegmentDamaged when the
    file has no whole `moov`, or a whole fragment does not parse; its `intact_bytes` is then the end of the fragments
    before the damage.
    """
    window = _Window(read_at, size)
    init, movie = _read_init(window)
    raws: list[_Raw] = []
    at = intact = len(init)
    while at < size:
        try:
            end, raw = _next(window, at, movie)
        except SegmentDamaged as exc:
            raise SegmentDamaged(reason=exc.facts.get("reason"), offset=at, intact_bytes=intact) from exc
        if end is None:
            break
        at = end
        if raw is not None:
            raws.append(raw)
            intact = end
    return SegmentScan(
        init=init,
        movie=movie,
        comment=SegmentComment.decode(movie.comment) if movie.comment is not None else None,
        fragments=_place(raws, movie.video.timescale),
        intact_bytes=intact,
        size_bytes=size,
        is_whole=at == size,
        delay=next((raw.video.first_offset for raw in raws if raw.video), 0),
    )


def _read_init(window: _Window) -> tuple[bytes, Movie]:
    """ftyp and moov, which must stand first and whole."""
    try:
        head = window.view(0, LARGE_HEADER_BYTES)
        ftyp = read_header(head, 0)
        if ftyp.kind != b"ftyp" or ftyp.end > _MAX_MOOV_BYTES:
            raise SegmentDamaged(reason="it is not an MP4 file")
        moov = read_header(window.view(0, ftyp.end + LARGE_HEADER_BYTES), ftyp.end)
        if moov.kind != b"moov" or moov.size_bytes > _MAX_MOOV_BYTES or moov.end > window.size:
            raise SegmentDamaged(reason="there is no whole moov")
        init = window.view(0, moov.end)[: moov.end]
        return init, parse_movie(init, moov)
    except SegmentDamaged as exc:
        raise SegmentDamaged(reason=exc.facts.get("reason"), offset=0, intact_bytes=0) from exc


def _next(window: _Window, at: int, movie: Movie) -> tuple[int | None, _Raw | None]:
    """The end of what stands at `at`, and the fragment if it is one; the end is None where the file is torn."""
    plain = read_plain(window.view(at, HEAD_BYTES), movie.video.track_id)
    if plain is not None:
        end = at + plain.end
        raw = _Raw(at, at + plain.payload_at, end, reference_wall_ns(plain.ntp), plain.video)
        return (end, raw) if end <= window.size else (None, None)
    start, has_prft, reference_ns = at, False, None
    while True:
        box = _header(window, at)
        if box is None or box.end > window.size:
            return None, None
        if box.kind == b"prft" and not has_prft:
            data = window.view(at, box.size_bytes) if box.size_bytes <= _READ_BYTES else b""
            prft = Box(box.kind, 0, box.body - at, box.end - at)
            reference_ns = parse_reference_time(data, prft, movie.video.track_id)
            has_prft = True
            at = box.end
        elif box.kind == b"moof":
            return _fragment(window, box, movie, start=start, reference_ns=reference_ns)
        elif box.kind in _IGNORED and not has_prft:
            return box.end, None
        else:
            raise SegmentDamaged(reason="an unexpected box", box=box.kind.decode("latin-1"))


def _header(window: _Window, at: int) -> Box | None:
    """The box header at an absolute offset; None where the file ends within it or its blocks were never written."""
    head = window.view(at, LARGE_HEADER_BYTES)[:LARGE_HEADER_BYTES]
    if len(head) < 8 or (int.from_bytes(head[:4], "big") == 1 and len(head) < LARGE_HEADER_BYTES):
        return None
    # After a power cut a file may have its size but not its data: such blocks read as zeroes.
    if head[:8] == bytes(8):
        return None
    return read_header(head, 0, base=at)


def _fragment(
    window: _Window, moof: Box, movie: Movie, *, start: int, reference_ns: int | None
) -> tuple[int | None, _Raw | None]:
    mdat = _header(window, moof.end) if moof.end < window.size else None
    if mdat is None or mdat.end > window.size:
        return None, None
    if mdat.kind != b"mdat" or moof.size_bytes > _MAX_MOOF_BYTES:
        raise SegmentDamaged(reason="no media data follows a moof")
    data = window.view(moof.start, moof.size_bytes)[: moof.size_bytes]
    base = moof.start
    video = parse_moof(
        data,
        Box(moof.kind, 0, moof.body - base, moof.end - base),
        Box(mdat.kind, mdat.start - base, mdat.body - base, mdat.end - base),
        movie,
    )
    return mdat.end, _Raw(start, mdat.body, mdat.end, reference_ns, video)


def _place(raws: list[_Raw], timescale: int) -> tuple[Fragment, ...]:
    """Give every fragment its wall time and its exact duration, which the next one's decode time tells."""
    videos = [(raw, raw.video) for raw in raws if raw.video is not None]
    starts_ns: list[int] = []
    for index, (raw, video) in enumerate(videos):
        delay = video.first_offset - videos[0][1].first_offset
        if raw.reference_ns is not None:
            starts_ns.append(raw.reference_ns - delay * NS_PER_S // timescale)
        elif index:
            ticks = video.decode_time - videos[index - 1][1].decode_time
            starts_ns.append(starts_ns[-1] + ticks * NS_PER_S // timescale)
        else:
            raise SegmentDamaged(reason="the first fragment states no wall time", offset=raw.offset, intact_bytes=0)
        if index and video.decode_time <= videos[index - 1][1].decode_time:
            raise SegmentDamaged(reason="decode time runs backwards", offset=raw.offset, intact_bytes=raw.offset)
    fragments: list[Fragment] = []
    at = 0
    for raw in raws:
        if raw.video is None:
            quiet_ns = fragments[-1].end_wall_ns if fragments else (starts_ns[0] if starts_ns else 0)
            fragments.append(_fragment_at(raw, quiet_ns, 0, 0))
            continue
        following = at + 1 < len(videos)
        ticks = videos[at + 1][1].decode_time - raw.video.decode_time if following else raw.video.duration
        duration_ns = ticks * NS_PER_S // timescale
        if following and abs(starts_ns[at + 1] - starts_ns[at] - duration_ns) <= _ROUNDING_NS:
            duration_ns = starts_ns[at + 1] - starts_ns[at]
        fragments.append(_fragment_at(raw, starts_ns[at], duration_ns, ticks))
        at += 1
    return tuple(fragments)


def _fragment_at(raw: _Raw, start_wall_ns: int, duration_ns: int, ticks: int) -> Fragment:
    video = raw.video
    return Fragment(
        offset=raw.offset,
        payload_offset=raw.payload_offset,
        size_bytes=raw.end - raw.offset,
        start_wall_ns=start_wall_ns,
        duration_ns=duration_ns,
        frames=video.frames if video else 0,
        starts_at_idr=video is not None and video.starts_at_sync,
        decode_time=video.decode_time if video else 0,
        duration=ticks,
    )
