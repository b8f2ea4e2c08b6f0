"""The ledger survives what a power cut leaves of it, and keeps its order whatever the clock does."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import pytest

from agent.errors import StoreError
from agent.ledger import Ledger, LedgerDamage, is_writer_running, read_ledger
from agent.recording.records import AgentStarted, AgentStopped, ProcessStarted, RecordType, decode_record
from agent.units import DAY_S, NS_PER_S
from tests.recording.ring import SetClock


def write(data_dir: Path, count: int, clock: SetClock | None = None) -> None:
    ledger = Ledger(data_dir, clock or SetClock(), boot=1)
    for number in range(count):
        ledger.append("process_started", ProcessStarted(process="camera", camera="c01", session=f"s{number}"))
    ledger.close()


def only_file(data_dir: Path) -> Path:
    (path,) = (data_dir / "ledger").iterdir()
    return path


def test_records_come_back_as_written_and_sequences_go_on_after_a_restart(tmp_path: Path) -> None:
    write(tmp_path, 2)
    write(tmp_path, 1)
    records = list(read_ledger(tmp_path))
    assert [record.seq for record in records] == [1, 2, 3]
    assert decode_record(records[1].type, records[1].data) == ProcessStarted(
        process="camera", camera="c01", session="s1"
    )


def test_the_checksum_is_over_the_canonical_json_without_it(tmp_path: Path) -> None:
    write(tmp_path, 1)
    line = json.loads(only_file(tmp_path).read_text())
    crc32 = line.pop("crc32")
    assert zlib.crc32(json.dumps(line, sort_keys=True, separators=(",", ":")).encode()) == crc32
    assert line.keys() == {"v", "seq", "type", "boot", "mono_ns", "wall_ns", "data"}


@pytest.mark.parametrize("kept", range(1, 170, 7))
def test_a_last_line_torn_anywhere_is_cut_and_its_sequence_given_again(tmp_path: Path, kept: int) -> None:
    write(tmp_path, 3)
    path = only_file(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]) + lines[2][:kept])
    assert [record.seq for record in read_ledger(tmp_path)] == [1, 2]
    write(tmp_path, 1)
    assert [record.seq for record in read_ledger(tmp_path)] == [1, 2, 3]
    assert path.read_bytes().count(b"\n") == 3


def test_blocks_that_were_never_written_are_cut_too(tmp_path: Path) -> None:
    write(tmp_path, 2)
    path = only_file(tmp_path)
    path.write_bytes(path.read_bytes() + bytes(4096))
    write(tmp_path, 1)
    assert [record.seq for record in read_ledger(tmp_path)] == [1, 2, 3]


def test_a_line_altered_in_the_middle_is_told_and_skipped(tmp_path: Path) -> None:
    write(tmp_path, 3)
    path = only_file(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"s1"', b'"s9"'))
    damage: list[LedgerDamage] = []
    assert [record.seq for record in read_ledger(tmp_path, on_damage=damage.append)] == [1, 3]
    assert damage == [LedgerDamage(path, 2)]
    write(tmp_path, 1)
    assert [record.seq for record in read_ledger(tmp_path)] == [1, 3, 4]


def test_a_clock_that_steps_back_over_months_does_not_change_the_order(tmp_path: Path) -> None:
    clock = SetClock()
    ledger = Ledger(tmp_path, clock, boot=1)
    for days in (0, 40, -20_000, 41, 0):
        clock.now_wall_ns += days * DAY_S * NS_PER_S
        ledger.append_many([("agent_started", AgentStarted(boot_id="b")), ("agent_stopped", AgentStopped())])
    ledger.close()
    assert len(list((tmp_path / "ledger").iterdir())) > 2
    assert [record.seq for record in read_ledger(tmp_path)] == list(range(1, 11))
    assert [record.seq for record in read_ledger(tmp_path, after_seq=7)] == [8, 9, 10]
    write(tmp_path, 1)
    assert [record.seq for record in read_ledger(tmp_path)][-1] == 11


def test_a_second_writer_is_refused_and_readers_see_that_one_runs(tmp_path: Path) -> None:
    assert not is_writer_running(tmp_path)
    ledger = Ledger(tmp_path, SetClock(), boot=1)
    assert is_writer_running(tmp_path)
    with pytest.raises(StoreError, match="already runs"):
        Ledger(tmp_path, SetClock(), boot=1)
    ledger.close()
    assert not is_writer_running(tmp_path)


def test_a_type_of_a_later_version_is_no_error() -> None:
    assert decode_record("teleported", b"{}") is None
    assert decode_record(RecordType.OUTAGE, b'{"camera": 5}') is None


@pytest.mark.parametrize("torn", [b"\x00" * 1_000_000, b"\x00" * 999_999 + b"\n"])
def test_a_torn_end_of_any_length_is_cut_so_that_it_does_not_swallow_the_next_record(
    tmp_path: Path, torn: bytes
) -> None:
    write(tmp_path, 2)
    path = only_file(tmp_path)
    before = path.stat().st_size
    path.write_bytes(path.read_bytes() + torn)
    writer = Ledger(tmp_path, SetClock(), boot=1)
    assert path.stat().st_size == before
    writer.append("agent_stopped", AgentStopped())
    writer.close()
    assert [record.seq for record in read_ledger(tmp_path)] == [1, 2, 3]
