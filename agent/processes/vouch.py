"""`python -m agent.processes.vouch`: what this node has really done, for whoever judges an update. Read-only.

The facts come from the store and from the segments' own sizes, not from processes that say they are well. The form is
kept from release to release (`v`), because the tools of the release before ask it of the one after.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from agent.config import Config
from agent.errors import WaysideError, exit_code
from agent.processes.entry import load_config
from agent.store import open_store

_FORM: Final = 1


@dataclass(frozen=True, slots=True)
class CameraFacts:
    """`newest`: the newest segment as boot, run, number, and its bytes on disk now; `closed`: the newest closed one
    that holds frames. None: there is none."""

    camera: str
    newest: tuple[int, int, int] | None
    newest_bytes: int
    closed: tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class OutboxFacts:
    """The outbox's counters: what was given out, what the broker and the centre took. `oldest_b` is the first of lane b
    that still waits, 0 when none does: what came before it was taken or is counted in `shed`."""

    epoch: str
    last_a: int
    confirmed_a: int
    acked_a: int
    last_b: int
    oldest_b: int
    shed: int


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """`has_broker`: one is configured. `outbox` is None before anything was said."""

    v: int
    cameras: tuple[CameraFacts, ...]
    has_broker: bool
    outbox: OutboxFacts | None


def vouch(config: Config) -> NodeFacts:
    """Raises StoreError when there is no store: then the node has never run."""
    data_dir = Path(config.data_dir)
    conn = open_store(data_dir, readonly=True)
    try:
        cameras = tuple(_camera(conn, data_dir, camera.id) for camera in config.cameras)
        return NodeFacts(_FORM, cameras, config.broker is not None, _outbox(conn))
    finally:
        conn.close()


def _camera(conn: sqlite3.Connection, data_dir: Path, camera: str) -> CameraFacts:
    newest = conn.execute(
        "SELECT path, boot, run, n FROM segment WHERE camera = ? AND state IN ('open', 'closed')"
        " ORDER BY boot DESC, run DESC, n DESC LIMIT 1",
        (camera,),
    ).fetchone()
    closed = conn.execute(
        "SELECT boot, run, n FROM segment WHERE camera = ? AND state = 'closed' AND frames > 0"
        " ORDER BY boot DESC, run DESC, n DESC LIMIT 1",
        (camera,),
    ).fetchone()
    return CameraFacts(
        camera=camera,
        newest=None if newest is None else (newest[1], newest[2], newest[3]),
        newest_bytes=0 if newest is None else _bytes_of(data_dir / newest[0]),
        closed=closed,
    )


def _bytes_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _outbox(conn: sqlite3.Connection) -> OutboxFacts | None:
    row = conn.execute(
        "SELECT epoch, last_a, confirmed_a, acked_a, last_b,"
        " ifnull((SELECT min(sequence) FROM outbox_event WHERE lane = 'b'), 0), shed_count FROM outbox_state"
    ).fetchone()
    return None if row is None else OutboxFacts(*row)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m agent.processes.vouch", description="What the node has done: JSON."
    )
    parser.add_argument("--config", type=Path, required=True)
    given = parser.parse_args(argv)
    try:
        facts = vouch(load_config(given.config))
    except WaysideError as exc:
        sys.stderr.write(f"wayside: {exc}\n")
        return exit_code(exc)
    except (sqlite3.Error, OSError) as exc:
        sys.stderr.write(f"wayside: the store or the footage cannot be read ({exc})\n")
        return 1
    sys.stdout.write(msgspec.json.encode(facts).decode() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
