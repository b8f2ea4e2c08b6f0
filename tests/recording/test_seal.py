"""The evidence chains: made once, in order, from what is on disk; broken by nothing but a change."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.contract.records import SealData
from agent.recording.book import CUSTODY, SEALS, Book, camera_book
from agent.recording.chain import (
    AccessLink,
    ErasureLink,
    SealLink,
    SegmentLink,
    broken_at,
    digest,
    read_link,
    signed_bytes,
)
from agent.recording.chain_audit import audit_chains
from agent.recording.janitor import Janitor
from agent.recording.records import FootageExpired
from agent.recording.retention import RetentionLimits
from agent.recording.seal import Sealer, hash_file
from agent.recording.signer import Signer, from_text, is_signed
from agent.signing import make_key
from tests.clip.footage import START_NS, Where
from tests.recording.ring import Ring, S


def sealer(ring: Ring, told: list[SealData], signer: Signer | None = None) -> Sealer:
    return Sealer(
        ring.data_dir,
        ring.conn,
        ring.clock,
        boot=1,
        signer=signer,
        tell=told.append,
        stop=threading.Event(),
    )


def chain(ring: Ring, camera: str = "c01") -> list[bytes]:
    return list(camera_book(ring.data_dir, camera).lines())


def access(act: str = "exported") -> AccessLink:
    return AccessLink(act=act, actor="somchai", role="staff", via="cli", outcome="succeeded", at="2026-11-22T14:03:00Z")


def test_every_closed_segment_gets_one_link_that_holds_the_hash_of_its_file(ring: Ring) -> None:
    segments = [ring.record(), ring.record(4, Where(n=1))]
    ring.index(*segments)
    made = sealer(ring, [])
    assert made.chain_closed() == 2
    assert made.chain_closed() == 0
    assert sealer(ring, []).chain_closed() == 0, "a new start finds where the chain ends"
    links = [read_link(line) for line in chain(ring)]
    for link, segment in zip(links, segments, strict=True):
        assert isinstance(link, SegmentLink)
        assert link.sha256 == hashlib.sha256(ring.path(segment).read_bytes()).hexdigest()
        assert (link.frames, link.bytes, link.codec, link.clock) == (100, segment.scan.size_bytes, "h264", "synced")
        assert link.offset_ns == "0"
    assert broken_at(chain(ring)) is None


def test_what_closes_later_waits_for_the_segment_before_it(ring: Ring) -> None:
    first, second = ring.record(), ring.record(4, Where(n=1))
    ring.index(second)
    ring.conn.execute(
        "INSERT INTO segment (path, camera, boot, run, n, start_wall_ns, end_wall_ns, frames, bytes, state)"
        " VALUES (?, 'c01', 1, 1, 0, ?, ?, 0, 0, 'open')",
        (str(first.name.path()), START_NS, START_NS),
    )
    made = sealer(ring, [])
    assert made.chain_closed() == 0
    ring.index(first)
    assert made.chain_closed() == 2


def test_a_seal_signs_the_heads_of_all_chains_and_follows_the_last_one(ring: Ring) -> None:
    ring.index(ring.record(), ring.record(where=Where(camera="c02")))
    Book(ring.data_dir, CUSTODY).append([access()])
    told: list[SealData] = []
    signer = Signer(make_key())
    made = sealer(ring, told, signer)
    made.seal()
    made.chain_closed()
    made.seal()
    assert made.seal() is None, "nothing has changed"
    first, second = told
    assert [(head.chain, head.n) for head in second.heads] == [("c01", 1), ("c02", 1)]
    assert second.heads[0].sha256 == digest(chain(ring)[-1])
    assert second.custody.n == 1
    assert second.key == signer.fingerprint
    assert is_signed(signed_bytes(second), from_text(second.signature), signer.key.public_key())
    seals = list(Book(ring.data_dir, SEALS).lines())
    assert second.previous == digest(seals[0])
    assert [link.seal for line in seals if isinstance(link := read_link(line), SealLink)] == [first, second]
    assert broken_at(seals) is None


def test_a_node_without_a_key_seals_unsigned_and_says_so(ring: Ring) -> None:
    told: list[SealData] = []
    ring.index(ring.record())
    made = sealer(ring, told)
    made.chain_closed()
    made.seal()
    assert (told[0].key, told[0].signature) == ("", "")


def test_deleting_footage_keeps_its_link_and_adds_an_erasure_once(ring: Ring) -> None:
    ring.index(ring.record(), ring.record(4, Where(n=1)))
    made = sealer(ring, [])
    made.chain_closed()
    made.seal()
    limits = RetentionLimits(max_bytes=1, min_free_bytes=0, keep_days=30)
    Janitor(ring.data_dir, ring.conn, ring.ledger, clock=ring.clock, limits=limits).sweep()
    made.seal()
    assert sealer(ring, []).seal() is None, "a new start adds nothing twice"
    links = [read_link(line) for line in chain(ring)]
    assert [type(link) for link in links] == [SegmentLink, SegmentLink, ErasureLink]
    assert isinstance(links[2], ErasureLink)
    assert (links[2].segments, links[2].cause) == (2, "expired")
    assert broken_at(chain(ring)) is None


def test_an_erasure_that_a_crash_kept_from_its_seal_is_not_told_twice(ring: Ring) -> None:
    ring.index(ring.record())
    made = sealer(ring, [])
    made.chain_closed()
    made.seal()
    ring.note(FootageExpired(camera="c01", start_wall_ns=START_NS, end_wall_ns=START_NS + S, segments=1, bytes=9))
    crashed = sealer(ring, [])
    crashed._follow_erasures()
    sealer(ring, []).seal()
    assert len(chain(ring)) == 2


def test_a_chain_begins_with_the_boot_it_is_begun_in(ring: Ring) -> None:
    ring.index(ring.record(where=Where(boot=1)))
    made = Sealer(
        ring.data_dir, ring.conn, ring.clock, boot=2, signer=None, tell=lambda seal: None, stop=threading.Event()
    )
    assert made.chain_closed() == 0


def test_a_torn_last_line_is_cut_and_the_chain_goes_on(tmp_path: Path) -> None:
    book = Book(tmp_path, CUSTODY)
    book.append([access("looked"), access("held")])
    (path,) = book.folder.iterdir()
    with path.open("ab") as file:
        file.write(b'{"act":"exp')
    assert book.head().n == 2
    book.append([access()])
    lines = list(book.lines())
    assert len(lines) == 3
    assert broken_at(lines) is None


def test_a_book_turns_its_pages_and_finds_any_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.recording.book._LINES_A_FILE", 3)
    book = Book(tmp_path, CUSTODY)
    for _ in range(8):
        book.append([access()])
    assert sorted(path.name for path in book.folder.iterdir()) == [f"{n:010d}.jsonl" for n in (1, 4, 7)]
    assert [link.n for line in book.lines(5) if (link := read_link(line))] == [5, 6, 7, 8]
    assert [link.n for line in book.newest_first() if (link := read_link(line))] == [8, 7, 6, 5, 4, 3, 2, 1]
    assert broken_at(list(book.lines())) is None


@pytest.mark.parametrize("change", ["drop", "swap", "edit"])
def test_a_line_dropped_swapped_or_edited_breaks_the_chain(tmp_path: Path, change: str) -> None:
    book = Book(tmp_path, CUSTODY)
    book.append([access(act) for act in ("looked", "exported", "held", "released")])
    lines = list(book.lines())
    if change == "drop":
        del lines[1]
    elif change == "swap":
        lines[1], lines[2] = lines[2], lines[1]
    else:
        lines[1] = lines[1].replace(b"exported", b"looked")
    assert broken_at(lines) in (1, 2)


def test_a_line_in_another_spelling_is_none_of_ours() -> None:
    line = b'{"n": 1}'
    assert read_link(line) is None
    assert read_link(b"\xff") is None


def test_hashing_gives_up_when_the_node_stops(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"x" * 10)
    stop = threading.Event()
    assert hash_file(file, stop) == hash_file(file)
    stop.set()
    assert hash_file(file, stop) is None


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda path: path.write_bytes(path.read_bytes().replace(b"h264", b"hevc", 1)), "camera c01: link 2"),
        (
            lambda path: path.write_bytes(path.read_bytes().split(b"\n")[0] + b"\n"),
            "it ends at link 1, and 2 were sealed",
        ),
        (lambda path: path.unlink(), "it ends at link 0"),
    ],
)
def test_a_chain_that_was_edited_or_cut_on_the_disk_is_told(
    ring: Ring, harm: Callable[[Path], object], said: str
) -> None:
    ring.index(ring.record(), ring.record(4, Where(n=1)))
    made = sealer(ring, [], Signer(make_key()))
    made.chain_closed()
    made.seal()
    assert audit_chains(ring.data_dir) == []
    (path,) = camera_book(ring.data_dir, "c01").folder.iterdir()
    harm(path)
    (told,) = audit_chains(ring.data_dir)
    assert said in told


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files for others")
def test_what_an_administrators_command_begins_the_node_can_go_on_with(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12346)
    book = Book(tmp_path, CUSTODY)
    book.append([access()])
    made = [tmp_path / "evidence", book.folder, *book.folder.iterdir()]
    assert {(path.stat().st_uid, path.stat().st_gid) for path in made} == {(12345, 12346)}
