"""A report's folder: its files, the JSON, and the signature over its exact bytes. Written, and proven again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from agent.contract.enrolment import ACCEPTANCE_TYP
from agent.contract.wire import decode
from agent.enrolment.home import NodeHome
from agent.errors import SignatureError, WireError
from agent.signing import key_id, sign_compact, verify_compact
from provisioning.acceptance.report import AcceptanceReport, ReportFile

JSON_NAME: Final = "acceptance.json"
JWS_NAME: Final = "acceptance.jws"
HTML_NAME: Final = "acceptance.html"


def described(name: str, data: bytes) -> ReportFile:
    return ReportFile(name=name, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))


def write_files(home: NodeHome, folder: Path, files: Mapping[str, bytes]) -> tuple[ReportFile, ...]:
    """Put a report's small files into its folder and say what they are. Raises EnrolmentError."""
    for name, data in files.items():
        home.write(folder / name, data)
    return tuple(described(name, data) for name, data in sorted(files.items()))


def seal(home: NodeHome, folder: Path, payload: bytes, key: ec.EllipticCurvePrivateKey) -> str:
    """Sign the report's bytes and keep both; returns the compact JWS. Raises EnrolmentError."""
    signed = sign_compact(payload, key, typ=ACCEPTANCE_TYP)
    home.write(folder / JSON_NAME, payload)
    home.write(folder / JWS_NAME, signed.encode("ascii") + b"\n")
    return signed


def read_report(signed: str, key: ec.EllipticCurvePublicKey) -> AcceptanceReport:
    """The report in a compact JWS by this node's key. Raises SignatureError."""
    payload = verify_compact(signed, {key_id(key): key}, typ=ACCEPTANCE_TYP)
    try:
        return decode(payload, AcceptanceReport)
    except WireError as exc:
        raise SignatureError(reason="malformed", remedy="what was signed is no acceptance report") from exc


def verify_acceptance(folder: Path, key: ec.EllipticCurvePublicKey) -> AcceptanceReport:
    """Prove a report's folder: the signature, the JSON beside it byte for byte, and every file by its SHA-256.

    Raises SignatureError: what verify_compact says, `changed` with the `file` that is not what was signed, or `lost`.
    """
    try:
        signed = (folder / JWS_NAME).read_text(encoding="ascii")
        shown = (folder / JSON_NAME).read_bytes()
    except (OSError, UnicodeDecodeError) as exc:
        raise SignatureError(reason="lost", file=JWS_NAME, remedy="the report is not whole; take it again") from exc
    report = read_report(signed, key)
    if verify_compact(signed, {key_id(key): key}, typ=ACCEPTANCE_TYP) != shown:
        raise SignatureError(reason="changed", file=JSON_NAME, remedy="the JSON is not what the node signed")
    for file in report.files:
        _check_file(folder, file)
    return report


def _check_file(folder: Path, file: ReportFile) -> None:
    try:
        with (folder / file.name).open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as exc:
        raise SignatureError(reason="lost", file=file.name, remedy="a file of the report is missing") from exc
    if digest != file.sha256:
        raise SignatureError(reason="changed", file=file.name, remedy="this file is not what the node signed")


def newest(home: NodeHome) -> Path | None:
    """The folder of the newest signed report; names sort by time."""
    try:
        folders = [each for each in home.acceptance.iterdir() if (each / JWS_NAME).is_file()]
    except FileNotFoundError:
        return None
    return max(folders, key=lambda each: each.name, default=None)
