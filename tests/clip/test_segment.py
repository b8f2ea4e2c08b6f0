"""Names, comments and the map of a segment."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import SegmentDamaged
from agent.recording.boxes import read_header
from agent.recording.fragment import parse_moof, parse_reference_time, reference_wall_ns
from agent.recording.plain_fragment import read_plain
from agent.recording.segment import SegmentComment, SegmentName, SegmentScan, scan
from agent.units import NS_PER_MS, NS_PER_S
from tests.clip.footage import START_NS, Film, Where, record

# Of 8 kB, the head and the first fragments' headers: where a mutation meets structure rather than pictures.
HEAD_BYTES = 1200


class Reader:
    """A file in memory that refuses to be read beyond its end, and counts."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.reads = 0
        self.bytes = 0

    def __call__(self, at: int, count: int) -> bytes:
        assert at >= 0 and count >= 0 and at + count <= len(self.data), "read beyond the file"
        self.reads += 1
        self.bytes += count
        return self.data[at : at + count]


def scan_bytes(data: bytes) -> SegmentScan:
    return scan(Reader(data), len(data))


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (
            SegmentName("c01", 7, 3, 12, 1_795_356_180_250),
            "footage/c01/2026-11-22/000007_000003_000012_20261122T140300250Z.mp4",
        ),
        (
            SegmentName("north-mast", 1, 0, 0, 0),
            "footage/north-mast/1970-01-01/000001_000000_000000_19700101T000000000Z.mp4",
        ),
        (
            SegmentName("c1", 1_234_567, 1, 1, 951_868_799_999),
            "footage/c1/2000-02-29/1234567_000001_000001_20000229T235959999Z.mp4",
        ),
    ],
)
def test_a_name_and_its_path_say_the_same(name: SegmentName, path: str) -> None:
    assert str(name.path()) == path
    assert SegmentName.parse(path) == name
    assert SegmentName.parse(PurePosixPath(path)) == name


@pytest.mark.parametrize(
    "path",
    [
        "",
        "footage/c01/2026-11-22/notes.txt",
        "footage/c01/2026-11-23/000007_000003_000012_20261122T140300250Z.mp4",
        "footage/c01/2026-02-30/000007_000003_000012_20260230T140300250Z.mp4",
        "footage/../2026-11-22/000007_000003_000012_20261122T140300250Z.mp4",
        "footage/C01/2026-11-22/000007_000003_000012_20261122T140300250Z.mp4",
        "/footage/c01/2026-11-22/000007_000003_000012_20261122T140300250Z.mp4",
        "footage/c01/2026-11-22/0000007_000003_000012_20261122T140300250Z.mp4",
        "footage/c01/2026-11-22/000007_000003_000012_20261122T140300250Z.mp4.part",
        "footage/c01/2026-11-22/000007_000003_00001٢_20261122T140300250Z.mp4",
    ],
)
def test_a_path_that_no_name_would_give_is_no_segment(path: str) -> None:
    assert SegmentName.parse(path) is None


def test_names_sort_in_the_order_of_recording_even_when_the_clock_stepped_back() -> None:
    first, second = SegmentName("c01", 1, 2, 3, 2_000_000), SegmentName("c01", 1, 3, 0, 1_000_000)
    assert sorted([second, first]) == [first, second]


@given(
    camera=st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True),
    boot=st.integers(0, 10**9 - 1),
    run=st.integers(0, 10**9 - 1),
    n=st.integers(0, 10**9 - 1),
    opened_wall_ms=st.integers(0, 4_102_444_800_000),
)
def test_every_name_survives_its_path(camera: str, boot: int, run: int, n: int, opened_wall_ms: int) -> None:
    name = SegmentName(camera, boot, run, n, opened_wall_ms)
    assert SegmentName.parse(name.path()) == name


def test_a_comment_of_ours_is_read_and_any_other_is_none() -> None:
    comment = SegmentComment(
        camera="c01", boot=1, boot_id="x", run=2, n=3, start_wall_ns=4, start_mono_ns=5,
        clock_quality="holdover", clock_error_s=None,
    )  # fmt: skip
    assert SegmentComment.decode(comment.encode()) == comment
    assert SegmentComment.decode(comment.encode().replace('"v":1', '"v":1,"later":true')) == comment
    for foreign in ("Lavf60", "", "{}", comment.encode().replace('"v":1', '"v":2'), b"\xff\xfe"):
        assert SegmentComment.decode(foreign) is None


def test_a_segment_tells_its_codec_its_frames_and_its_wall_time(film: Film, data_dir: Path) -> None:
    found = record(data_dir, film, where=Where(run=4)).scan
    assert (found.codec, found.width, found.height, found.timescale, found.delay) == ("h264", 320, 240, 90_000, 0)
    assert found.frames == 300 and found.is_whole
    assert found.span is not None
    assert (found.span.start_ns, found.span.end_ns) == (START_NS, START_NS + 12 * NS_PER_S)
    assert found.comment is not None and (found.comment.camera, found.comment.run) == ("c01", 4)
    assert all(fragment.starts_at_idr and fragment.frames == 25 for fragment in found.fragments)


@pytest.mark.parametrize("kind", ["film_with_b_frames", "hevc_film"])
def test_fragments_meet_to_the_nanosecond_with_b_frames_too(
    kind: str, data_dir: Path, request: pytest.FixtureRequest
) -> None:
    film: Film = request.getfixturevalue(kind)
    # An odd start, so that microseconds, ticks and NTP fractions all round.
    found = record(data_dir, film, start_ns=START_NS + 123_456_789).scan
    assert found.delay > 0
    at_ns = found.fragments[0].start_wall_ns
    assert abs(at_ns - START_NS - 123_456_789) < NS_PER_MS
    for fragment in found.fragments:
        assert fragment.start_wall_ns == at_ns
        at_ns = fragment.end_wall_ns
    assert abs(at_ns - found.fragments[0].start_wall_ns - found.frames * 40 * NS_PER_MS) < NS_PER_MS


def test_a_fragment_between_idrs_says_so(film_with_b_frames: Film, data_dir: Path) -> None:
    fragments = record(data_dir, film_with_b_frames).scan.fragments
    assert [fragment.starts_at_idr for fragment in fragments[:4]] == [True, False, True, False]
    assert [fragment.frames for fragment in fragments[:2]] == [25, 23]


def test_the_map_costs_one_read_a_fragment_and_no_media_data(film: Film, data_dir: Path) -> None:
    data = (data_dir / record(data_dir, film).name.path()).read_bytes()
    reader = Reader(data)
    found = scan(reader, len(data))
    assert reader.reads <= len(found.fragments) + 2


def test_a_torn_end_keeps_every_whole_fragment(segment_bytes: bytes) -> None:
    whole = scan_bytes(segment_bytes)
    ends = [fragment.offset + fragment.size_bytes for fragment in whole.fragments]
    for cut in [*range(len(whole.init), len(segment_bytes), 97), *ends, *(end - 1 for end in ends)]:
        found = scan_bytes(segment_bytes[:cut])
        kept = sum(end <= cut for end in ends)
        assert len(found.fragments) == kept
        assert found.intact_bytes == (ends[kept - 1] if kept else len(whole.init))
        assert found.is_whole == (cut in ends or cut == len(whole.init))


def test_blocks_that_were_never_written_are_a_torn_end(segment_bytes: bytes) -> None:
    whole = scan_bytes(segment_bytes)
    end = whole.fragments[2].offset + whole.fragments[2].size_bytes
    found = scan_bytes(segment_bytes[:end] + bytes(8192))
    assert (len(found.fragments), found.intact_bytes, found.is_whole) == (3, end, False)


def test_damage_between_fragments_names_what_is_intact_before_it(segment_bytes: bytes) -> None:
    third = scan_bytes(segment_bytes).fragments[2]
    broken = bytearray(segment_bytes)
    broken[third.offset + 4 : third.offset + 8] = b"junk"
    with pytest.raises(SegmentDamaged) as caught:
        scan_bytes(bytes(broken))
    assert caught.value.facts["intact_bytes"] == third.offset


@pytest.mark.parametrize("data", [b"", b"ftyp", bytes(4096), b"\x00\x00\x00\x08ftyp", b"RIFF....AVI LIST" * 20])
def test_what_is_no_segment_is_damaged(data: bytes) -> None:
    with pytest.raises(SegmentDamaged):
        scan_bytes(data)


def test_decode_time_that_runs_backwards_is_damage(segment_bytes: bytes) -> None:
    second = scan_bytes(segment_bytes).fragments[1]
    broken = bytearray(segment_bytes)
    at = broken.index(b"tfdt", second.offset)
    struct.pack_into(">Q", broken, at + 8, 0)
    with pytest.raises(SegmentDamaged):
        scan_bytes(bytes(broken))


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_no_mutation_makes_the_map_fail_otherwise_or_read_beyond_the_file(
    segment_bytes: bytes, data: st.DataObject
) -> None:
    broken = bytearray(segment_bytes)
    heads = [fragment.offset for fragment in scan_bytes(segment_bytes).fragments[:3]]
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.sampled_from([0, *heads]))
        at = start + data.draw(st.integers(0, HEAD_BYTES if start == 0 else 400))
        value = data.draw(
            st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from([bytes(4), b"\xff" * 4, b"\x00\x00\x00\x01"]))
        )
        broken[at : at + len(value)] = value
    mutant = bytes(broken[: data.draw(st.one_of(st.just(len(broken)), st.integers(0, len(broken))))])
    reader = Reader(mutant)
    try:
        found = scan(reader, len(mutant))
    except SegmentDamaged:
        return
    assert found.intact_bytes <= len(mutant)
    # Every step forward is a box; none may be read for ever.
    assert reader.reads <= 16 + len(mutant) // 8


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=4096))
def test_no_bytes_after_a_moov_make_the_map_fail_otherwise(segment_bytes: bytes, tail: bytes) -> None:
    init = scan_bytes(segment_bytes).init
    try:
        found = scan_bytes(init + tail)
    except SegmentDamaged:
        return
    assert len(init) <= found.intact_bytes <= len(init) + len(tail)


@settings(max_examples=400, deadline=None)
@given(
    patches=st.lists(st.tuples(st.integers(0, 199), st.sampled_from([0, 1, 2, 8, 32, 255])), max_size=2),
    bits=st.lists(st.tuples(st.integers(0, 199), st.integers(0, 7)), max_size=2),
)
def test_what_the_quick_reader_of_fragments_takes_the_general_one_reads_alike(
    segment_bytes: bytes, patches: list[tuple[int, int]], bits: list[tuple[int, int]]
) -> None:
    found = scan_bytes(segment_bytes)
    second = found.fragments[1]
    head = bytearray(segment_bytes[second.offset : second.payload_offset])
    for at, value in patches:
        head[at % len(head)] = value
    for at, bit in bits:
        head[at % len(head)] ^= 1 << bit
    data = bytes(head)
    plain = read_plain(data, found.movie.video.track_id)
    if plain is None:
        assert patches or bits
        return
    prft = read_header(data, 0)
    moof = read_header(data, prft.end)
    mdat = read_header(data, moof.end)
    general = data[moof.start :]
    shifted = [
        replace(box, start=box.start - prft.end, body=box.body - prft.end, end=box.end - prft.end)
        for box in (moof, mdat)
    ]
    assert plain.video == parse_moof(general, shifted[0], shifted[1], found.movie)
    assert (plain.payload_at, plain.end) == (mdat.body, mdat.end)
    assert reference_wall_ns(plain.ntp) == parse_reference_time(data, prft, found.movie.video.track_id)
