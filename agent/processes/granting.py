"""Carries out what people's commands ask of the running node (the stage "wishes"), or asks it to."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from agent.clock import Clock, SystemClock
from agent.errors import EraseRefused, HoldRefused
from agent.ledger import Ledger, is_writer_running
from agent.recording.boot import claim_boot
from agent.recording.erasure import EraseReport, EraseRequest, erase, finish
from agent.recording.keeping import HoldRequest, ReleaseRequest, release_hold, set_hold
from agent.recording.wishes import EraseWish, HoldWish, ReleaseWish, Wish, WishAnswer, serve_wishes, wish
from agent.store import open_store
from agent.units import WallSpan

# The node looks each second; a day of one camera is 1 440 files, which a slow card unlinks in some seconds.
_PATIENCE_S: Final = 60.0


def keep_wishes(
    data_dir: Path, connect: Callable[[], sqlite3.Connection], ledger: Ledger, stop: threading.Event, clock: Clock
) -> None:
    """Body of the stage: it owns its connection for as long as it lives. What a kill left half erased goes first."""
    conn = connect()
    try:
        finish(conn, data_dir)

        def carry_out(wanted: Wish) -> WishAnswer:
            return grant(conn, data_dir, ledger, wanted, clock.wall_ns())

        serve_wishes(data_dir, carry_out, stop)
    finally:
        conn.close()


def ask(data_dir: Path, wanted: Wish) -> WishAnswer:
    """By the node where one runs, else here. Raises EraseRefused, HoldRefused, DiskError, StoreError, NoAnswer."""
    if is_writer_running(data_dir):
        answer = wish(data_dir, wanted, patience_s=_PATIENCE_S, stop=threading.Event())
        if answer.reason:
            refused = EraseRefused if isinstance(wanted, EraseWish) else HoldRefused
            raise refused(reason=answer.reason, remedy=answer.message)
        return answer
    clock = SystemClock()
    ledger = Ledger(data_dir, clock, boot=claim_boot(data_dir).boot)
    try:
        conn = open_store(data_dir)
        try:
            return grant(conn, data_dir, ledger, wanted, clock.wall_ns())
        finally:
            conn.close()
    finally:
        ledger.close()


def grant(conn: sqlite3.Connection, data_dir: Path, ledger: Ledger, wanted: Wish, now_wall_ns: int) -> WishAnswer:
    """Raises EraseRefused, HoldRefused, DiskError, StoreError."""
    match wanted:
        case EraseWish():
            return _erased(erase(conn, data_dir, ledger, _erase_request(wanted)))
        case HoldWish():
            report = set_hold(conn, data_dir, ledger, _hold_request(wanted), now_wall_ns)
            return WishAnswer(
                segments=report.segments,
                bytes=report.size_bytes,
                start_wall_ns=report.hold.span.start_ns,
                end_wall_ns=report.hold.span.end_ns,
                expires_wall_ns=report.hold.expires_wall_ns,
            )
        case ReleaseWish():
            request = ReleaseRequest(wanted.request, wanted.hold_id, wanted.actor, wanted.purpose)
            return WishAnswer(bytes=release_hold(conn, data_dir, ledger, request).freed_bytes)


def _hold_request(wanted: HoldWish) -> HoldRequest:
    return HoldRequest(
        hold_id=wanted.request,
        camera=wanted.camera,
        span=WallSpan(wanted.start_wall_ns, wanted.end_wall_ns),
        days=wanted.days,
        actor=wanted.actor,
        reason=wanted.purpose,
        reviewer=wanted.reviewer,
        case_ref=wanted.case_ref,
    )


def _erase_request(wanted: EraseWish) -> EraseRequest:
    return EraseRequest(
        request=wanted.request,
        camera=wanted.camera,
        span=WallSpan(wanted.start_wall_ns, wanted.end_wall_ns),
        actor=wanted.actor,
        purpose=wanted.purpose,
        case_ref=wanted.case_ref,
    )


def _erased(report: EraseReport) -> WishAnswer:
    return WishAnswer(
        segments=report.segments,
        bytes=report.size_bytes,
        stills=report.stills,
        start_wall_ns=report.span.start_ns if report.span else 0,
        end_wall_ns=report.span.end_ns if report.span else 0,
    )
