"""Who may record into this folder, and under which numbers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agent.errors import RingMissing
from agent.recording.boot import claim_boot, current_boot, ensure_ring, next_run, require_ring
from agent.recording.records import AgentStarted
from tests.clip.footage import Where
from tests.recording.ring import Ring


def test_the_first_start_makes_a_ring_and_later_ones_find_it(tmp_path: Path) -> None:
    ring_id = ensure_ring(tmp_path / "data")
    assert ensure_ring(tmp_path / "data") == require_ring(tmp_path / "data", ring_id) == ring_id


def test_a_named_ring_that_is_not_mounted_is_missing_and_no_marker_is_made(tmp_path: Path) -> None:
    with pytest.raises(RingMissing, match="mount the footage disk"):
        ensure_ring(tmp_path, "7d3f0000-0000-4000-8000-000000000001")
    assert list(tmp_path.iterdir()) == []


def test_another_disk_at_the_same_place_is_refused(tmp_path: Path) -> None:
    ensure_ring(tmp_path)
    with pytest.raises(RingMissing, match="another disk"):
        require_ring(tmp_path, "7d3f0000-0000-4000-8000-000000000001")


def test_a_boot_number_lasts_for_one_kernel_boot(tmp_path: Path) -> None:
    ensure_ring(tmp_path)
    assert [claim_boot(tmp_path, boot_id).boot for boot_id in ("a", "a", "b", "b", "a")] == [1, 1, 2, 2, 3]
    assert current_boot(tmp_path) == claim_boot(tmp_path, "a")


def test_a_lost_counter_goes_on_after_the_highest_boot_in_the_names(ring: Ring) -> None:
    ring.record(where=Where(boot=7))
    (ring.data_dir / "boot.json").write_bytes(b'{"boot": 9, "bo')
    assert current_boot(ring.data_dir) is None
    assert claim_boot(ring.data_dir, "x").boot == 8


def test_a_lost_counter_goes_on_after_the_ledger_when_the_footage_has_expired(ring: Ring) -> None:
    ring.note(AgentStarted(boot_id="b"))
    (ring.data_dir / "boot.json").unlink()
    assert claim_boot(ring.data_dir, "x").boot == ring.boot + 1


def test_processes_that_claim_at_once_agree(tmp_path: Path) -> None:
    ensure_ring(tmp_path)
    code = (
        "import sys, pathlib; from agent.recording.boot import claim_boot;"
        " print(claim_boot(pathlib.Path(sys.argv[1]), 'k').boot)"
    )
    racing = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert {process.communicate(timeout=60)[0] for process in racing} == {"1\n"}


def test_the_next_run_follows_the_highest_of_this_boot_and_camera(ring: Ring) -> None:
    assert next_run(ring.data_dir, "c01", 2) == 1
    ring.record(where=Where(boot=2, run=3))
    ring.record(where=Where(boot=1, run=9))
    ring.record(where=Where(boot=2, run=12, camera="c02"))
    assert next_run(ring.data_dir, "c01", 2) == 4
