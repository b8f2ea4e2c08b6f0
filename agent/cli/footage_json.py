"""The JSON of `wayside footage list, export, verify, recover`; that of `gaps` is the contract's own."""

from __future__ import annotations

import msgspec

from agent.contract.wire import WireGap, WireSpan


class ListedCamera(msgspec.Struct, frozen=True):
    camera: str
    segments: int
    bytes: int
    first: str
    last: str


class Listed(msgspec.Struct, frozen=True):
    cameras: list[ListedCamera]


class DerivedReport(msgspec.Struct, frozen=True):
    """A derivative, not evidence: `of_sha256` is the hash of the native clip that it was made of."""

    path: str
    bytes: int
    sha256: str
    of_sha256: str


class ReportedFile(msgspec.Struct, frozen=True):
    path: str
    bytes: int
    sha256: str
    start: str
    end: str
    frames: int
    faststart: DerivedReport | None = None


class ExportReport(msgspec.Struct, frozen=True):
    camera: str
    asked: WireSpan
    delivered: list[WireSpan]
    partial: bool
    gaps: list[WireGap]
    files: list[ReportedFile]


class ClipReport(msgspec.Struct, frozen=True):
    path: str
    camera: str
    codec: str
    width: int
    height: int
    frames: int
    duration_s: float
    start: str
    end: str
    bytes: int
    sha256: str
    gaps: list[WireGap]


class RingDifference(msgspec.Struct, frozen=True):
    kind: str
    path: str
    detail: str


class RingReport(msgspec.Struct, frozen=True):
    segments: int
    ledger_records: int
    differences: list[RingDifference]
    ledger_damage: list[str]
    evidence_damage: list[str]
    erased: list[str] = []


class RecoveredReport(msgspec.Struct, frozen=True):
    segments: int
    repaired: int
    damaged: int
    ledger_records: int
    ledger_damage: list[str]
    store_kept: bool
