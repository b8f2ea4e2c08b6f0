"""The last act: measure, sign, put into service, tell the centre. Refused while something mandatory is unanswered."""

from __future__ import annotations

import hashlib
import io
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agent import log
from agent.contract.wire import Up
from agent.enrolment.centre import ask
from agent.enrolment.home import NodeHome
from agent.enrolment.nodekey import load_key
from agent.enrolment.papers import enter_service
from agent.errors import CentreUnreachable, EnrolmentError, SetupError
from agent.signing import key_id
from agent.units import NS_PER_S
from provisioning.acceptance.document import make_document
from provisioning.acceptance.gather import Site, load_config, measure_camera, measure_node
from provisioning.acceptance.items import Item, judge, missing
from provisioning.acceptance.measures import CameraMeasures, NodeMeasures
from provisioning.acceptance.notes import Waiver
from provisioning.acceptance.report import (
    AcceptanceReport,
    Findings,
    ReportFile,
    encode_report,
    file_names,
    make_report,
)
from provisioning.acceptance.seal import HTML_NAME, JWS_NAME, seal, write_files
from provisioning.checks.result import CheckResult

_PATH = "/v1/acceptance"
_log = log.get("acceptance")


@dataclass(frozen=True, slots=True)
class Measured:
    """A site as it stands now, and what it says of every check."""

    node: NodeMeasures
    cameras: tuple[CameraMeasures, ...]
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """Who signs for the site, and what they answer for."""

    technician: str
    waivers: Sequence[Waiver]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A signed report. `missing` is what stood in its way: not empty means that there is none (`folder` is None)."""

    folder: Path | None
    report: AcceptanceReport | None
    missing: tuple[Item, ...]


def look(site: Site, checks: Sequence[CheckResult]) -> Measured:
    """What a report would say now, its test clips pulled, verified and thrown away. Raises EnrolmentError."""
    folder = _scratch(site.home)
    try:
        return _measure(site, checks, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def accept(site: Site, checks: Sequence[CheckResult], signature: Signature) -> Accepted:
    """Measure, and if nothing mandatory is missing sign, and put the node into service.

    Raises SetupError `no_name` without a technician's name, EnrolmentError where the home refuses.
    """
    if not signature.technician.strip():
        raise SetupError(reason="no_name", remedy="type the technician's name")
    wall_ns = site.clock.wall_ns()
    folder = _scratch(site.home)
    try:
        measured = _measure(site, checks, folder)
        lacking = missing(measured.items, signature.waivers)
        if lacking:
            return Accepted(None, None, lacking)
        report = _sign(site.home, folder, measured, signature, wall_ns=wall_ns)
        final = site.home.acceptance / _stamp(wall_ns)
        folder.replace(final)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    enter_service(site.home, by=signature.technician)
    _log.info("site accepted", report=final.name, cameras=len(report.cameras), waivers=len(report.waivers))
    return Accepted(final, report, ())


class CentreAnswer(Up, frozen=True, kw_only=True):
    """The centre's word on a report: `kept`, or `refused` with a machine word in `reason`."""

    state: str
    sha256: str = ""
    reason: str = ""


def send(home: NodeHome, folder: Path) -> CentreAnswer:
    """Give the signed report to the centre. Raises CentreUnreachable, which keeps it for later or for a phone."""
    record, anchors = home.load_enrolment(), home.load_anchors()
    signed = home.read_text(folder / JWS_NAME)
    if signed is None or not record.enrol_url:
        raise CentreUnreachable(reason="no_address", remedy="carry the report to the office as a file")
    text = signed.strip()
    answer = ask(record.enrol_url, _PATH, text, anchors.centre_ca, CentreAnswer)
    if answer.state == "kept" and answer.sha256 != hashlib.sha256(text.encode()).hexdigest():
        raise CentreUnreachable(reason="not_the_centre", remedy="it kept something else; send the report again")
    return answer


def pack(folder: Path) -> bytes:
    """The report with all its files as one ZIP, stored and not compressed: pictures and clips are already."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return packed.getvalue()


def _measure(site: Site, checks: Sequence[CheckResult], folder: Path) -> Measured:
    config = load_config(site.home)
    node = measure_node(site, config)
    cameras = tuple(measure_camera(site, config, camera, folder) for camera in config.cameras) if config else ()
    return Measured(node, cameras, judge(node, cameras, checks))


def _sign(home: NodeHome, folder: Path, measured: Measured, signature: Signature, *, wall_ns: int) -> AcceptanceReport:
    """Everything of the report but its place."""
    pictures = file_names(measured.cameras)
    clips = [
        ReportFile(name=camera.clip.file, sha256=camera.clip.sha256, bytes=camera.clip.size_bytes)
        for camera in measured.cameras
        if camera.clip is not None
    ]
    found = Findings(
        node=measured.node,
        cameras=measured.cameras,
        items=measured.items,
        waivers=signature.waivers,
        technician=signature.technician.strip(),
        wall_ns=wall_ns,
        files=[*write_files(home, folder, pictures), *clips],
    )
    report = make_report(found)
    payload = encode_report(report)
    key = load_key(home)
    seal(home, folder, payload, key.private)
    document = make_document(report, payload, key_id(key.private.public_key()), pictures)
    home.write(folder / HTML_NAME, document.encode())
    return report


def _scratch(home: NodeHome) -> Path:
    """An empty folder beside the reports; a report is moved out of it as a whole."""
    home.ensure_folders()
    try:
        return Path(tempfile.mkdtemp(prefix=".draft-", dir=home.acceptance))
    except OSError as exc:
        raise EnrolmentError(reason="home", file=str(home.acceptance), error=exc.strerror or "") from exc


def _stamp(wall_ns: int) -> str:
    return datetime.fromtimestamp(wall_ns // NS_PER_S, UTC).strftime("%Y%m%dT%H%M%SZ")
