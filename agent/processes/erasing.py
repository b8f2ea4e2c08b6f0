"""Carries out what people's commands ask of the running node: the stage "wishes"."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from agent.ledger import Ledger
from agent.recording.erasure import EraseReport, EraseRequest, erase, finish
from agent.recording.wishes import EraseWish, WishAnswer, serve_wishes
from agent.units import WallSpan


def keep_wishes(
    data_dir: Path, connect: Callable[[], sqlite3.Connection], ledger: Ledger, stop: threading.Event
) -> None:
    """Body of the stage: it owns its connection for as long as it lives. What a kill left half erased goes first."""
    conn = connect()
    try:
        finish(conn, data_dir)

        def carry_out(wanted: EraseWish) -> WishAnswer:
            return answer_of(erase(conn, data_dir, ledger, request_of(wanted)))

        serve_wishes(data_dir, carry_out, stop)
    finally:
        conn.close()


def request_of(wanted: EraseWish) -> EraseRequest:
    return EraseRequest(
        request=wanted.request,
        camera=wanted.camera,
        span=WallSpan(wanted.start_wall_ns, wanted.end_wall_ns),
        actor=wanted.actor,
        purpose=wanted.purpose,
        case_ref=wanted.case_ref,
    )


def answer_of(report: EraseReport) -> WishAnswer:
    return WishAnswer(
        segments=report.segments,
        bytes=report.size_bytes,
        stills=report.stills,
        start_wall_ns=report.span.start_ns if report.span else 0,
        end_wall_ns=report.span.end_ns if report.span else 0,
    )
