"""What a measurement reports of its runs."""

from __future__ import annotations

import msgspec

from agent.bench.rows import Pair, median_row


def test_the_ratio_is_the_median_of_each_runs_own() -> None:
    # In the second run the machine was twice as slow for both.
    row = median_row("cpu/1", [Pair(1.0, 2.0), Pair(2.4, 4.0), Pair(0.9, 1.5)], unit="%", peer_name="ffmpeg")
    assert (row.ours, row.peer, row.ratio, row.runs) == (1.0, 2.0, 0.6, 3)


def test_without_a_peer_there_is_no_ratio() -> None:
    row = median_row("lookup_p99_ms/1d", [Pair(1.23456), Pair(2.0), Pair(1.0)], unit="ms")
    assert (row.ours, row.peer, row.ratio) == (1.235, None, None)


def test_a_row_has_the_names_that_other_tools_rely_on() -> None:
    row = msgspec.to_builtins(median_row("cpu/1", [Pair(1.0, 2.0)], unit="%", peer_name="ffmpeg"))
    assert list(row) == ["measure", "ours", "peer", "peer_name", "ratio", "unit", "runs"]
