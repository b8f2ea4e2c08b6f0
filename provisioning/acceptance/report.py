"""The acceptance report as it is signed: facts, every sentence in both languages, every file by its hash. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from agent.contract.wire import Sha256, Up
from agent.units import format_rfc3339
from provisioning.acceptance.items import Item
from provisioning.acceptance.measures import CameraMeasures, NodeMeasures, SceneSummary
from provisioning.acceptance.notes import Waiver
from provisioning.texts import Language

# A picture of each of eight cameras and of each walk, and eight clips.
_MAX_FILES: Final = 64
FileName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,60}\.(jpg|mp4)$")]


class ReportFile(Up, frozen=True, kw_only=True):
    name: FileName
    sha256: Sha256
    bytes: Annotated[int, msgspec.Meta(ge=0)]


class ReportItem(Up, frozen=True, kw_only=True):
    """One check. `verdict` is one of provisioning.checks.Verdict; `waived` says that somebody answers for it."""

    id: str
    about: str = ""
    verdict: str
    waived: bool = False
    title_th: str
    title_en: str
    th: str
    en: str


class ReportWaiver(Up, frozen=True, kw_only=True):
    item: str
    about: str = ""
    name: str
    reason: str
    at: str


class ReportZone(Up, frozen=True, kw_only=True):
    id: str
    rules: tuple[str, ...]


class ReportScene(Up, frozen=True, kw_only=True):
    zones: tuple[ReportZone, ...]
    lines: int
    masks: int
    ground_points: int
    sha256: Sha256


class ReportFocus(Up, frozen=True, kw_only=True):
    score: float
    best: float
    roll_deg: float | None = None


class ReportWalk(Up, frozen=True, kw_only=True):
    """`seen` is the node's time of the incident, `acked` when the centre's ack was noticed; null without one."""

    kind: str
    zone: str
    incident: str
    seen: str
    acked: str | None = None
    epoch: str = ""
    sequence: int = 0
    still: str = ""


class ReportClip(Up, frozen=True, kw_only=True):
    file: str
    codec: str
    frames: int
    duration_s: float
    start: str
    end: str


class ReportCamera(Up, frozen=True, kw_only=True):
    """A camera. `source` holds no credentials. What was not measured is null."""

    id: str
    name: str = ""
    source: str = ""
    maker: str = ""
    codec: str = ""
    width: int = 0
    height: int = 0
    fps: float | None = None
    gop_s: float | None = None
    clock_offset_s: float | None = None
    footage_age_s: float | None = None
    picture: str = ""
    focus: ReportFocus | None = None
    scene: ReportScene | None = None
    walk: ReportWalk | None = None
    clip: ReportClip | None = None


class AcceptanceReport(Up, frozen=True, kw_only=True):
    """acceptance.json, and the payload of acceptance.jws byte for byte. Times are RFC 3339 in the site's zone."""

    v: Literal[1]
    node: str
    org: str
    site: str
    order: str = ""
    certificate: str = ""
    replaces: str = ""
    software: str
    technician: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    at: str
    timezone: str
    clock_quality: str
    clock_error_s: float | None = None
    cameras: tuple[ReportCamera, ...]
    items: tuple[ReportItem, ...]
    waivers: tuple[ReportWaiver, ...] = ()
    files: Annotated[tuple[ReportFile, ...], msgspec.Meta(max_length=_MAX_FILES)] = ()


@dataclass(frozen=True, slots=True)
class Findings:
    """All that goes into one report. Waivers that no failed item asks for are left out."""

    node: NodeMeasures
    cameras: Sequence[CameraMeasures]
    items: Sequence[Item]
    waivers: Sequence[Waiver]
    technician: str
    wall_ns: int
    files: Sequence[ReportFile]


def make_report(found: Findings) -> AcceptanceReport:
    node = found.node
    zone = ZoneInfo(node.timezone)
    failed = {item.key for item in found.items if item.verdict.value == "failed"}
    waivers = tuple(each for each in found.waivers if (each.item, each.about) in failed)
    waived = {(each.item, each.about) for each in waivers}
    return AcceptanceReport(
        v=1,
        node=node.node,
        org=node.org,
        site=node.site,
        order=node.order,
        certificate=node.serial,
        replaces=node.replaces,
        software=node.software,
        technician=found.technician,
        at=format_rfc3339(found.wall_ns, zone),
        timezone=node.timezone,
        clock_quality=node.clock_quality,
        clock_error_s=node.clock_error_s,
        cameras=tuple(_camera(camera, zone) for camera in found.cameras),
        items=tuple(_report_item(item, is_waived=item.key in waived) for item in found.items),
        waivers=tuple(
            ReportWaiver(
                item=each.item,
                about=each.about,
                name=each.name,
                reason=each.reason,
                at=format_rfc3339(each.wall_ns, zone),
            )
            for each in waivers
        ),
        files=tuple(found.files),
    )


def encode_report(report: AcceptanceReport) -> bytes:
    """The bytes that are signed and shown: indented, so that a person may read them too."""
    return msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n"


def file_names(cameras: Sequence[CameraMeasures]) -> Mapping[str, bytes]:
    """The pictures of a report by their names; clips are on disk already."""
    pictures = {f"{camera.id}.jpg": camera.picture for camera in cameras if camera.picture}
    return pictures | {f"{camera.id}-walk.jpg": camera.walk_still for camera in cameras if camera.walk_still}


def _report_item(item: Item, *, is_waived: bool) -> ReportItem:
    return ReportItem(
        id=item.id,
        about=item.about,
        verdict=item.verdict.value,
        waived=is_waived,
        title_th=item.title(Language.THAI),
        title_en=item.title(Language.ENGLISH),
        th=item.sentence(Language.THAI),
        en=item.sentence(Language.ENGLISH),
    )


def _camera(camera: CameraMeasures, zone: ZoneInfo) -> ReportCamera:
    probe, aim = camera.probe, camera.aim
    return ReportCamera(
        id=camera.id,
        name=camera.name,
        source=camera.source,
        maker=probe.maker if probe else "",
        codec=probe.codec if probe else "",
        width=probe.width if probe else 0,
        height=probe.height if probe else 0,
        fps=probe.fps if probe else None,
        gop_s=probe.gop_s if probe else None,
        clock_offset_s=probe.clock_offset_s if probe else None,
        footage_age_s=camera.footage_age_s,
        picture=f"{camera.id}.jpg" if camera.picture else "",
        focus=ReportFocus(score=round(aim.score, 1), best=round(aim.best, 1), roll_deg=aim.roll_deg) if aim else None,
        scene=_scene(camera.scene) if camera.scene else None,
        walk=_walk(camera, zone),
        clip=_clip(camera, zone),
    )


def _scene(scene: SceneSummary) -> ReportScene:
    return ReportScene(
        zones=tuple(ReportZone(id=name, rules=rules) for name, rules in scene.zones),
        lines=scene.lines,
        masks=scene.masks,
        ground_points=scene.ground_points,
        sha256=scene.sha256,
    )


def _walk(camera: CameraMeasures, zone: ZoneInfo) -> ReportWalk | None:
    walk = camera.walk
    if walk is None or not walk.seen_ns:
        return None
    return ReportWalk(
        kind=walk.kind,
        zone=walk.zone,
        incident=walk.incident,
        seen=format_rfc3339(walk.seen_ns, zone),
        acked=format_rfc3339(walk.acked_ns, zone) if walk.acked_ns else None,
        epoch=walk.epoch,
        sequence=walk.sequence,
        still=f"{camera.id}-walk.jpg" if camera.walk_still else "",
    )


def _clip(camera: CameraMeasures, zone: ZoneInfo) -> ReportClip | None:
    clip = camera.clip
    if clip is None:
        return None
    return ReportClip(
        file=clip.file,
        codec=clip.codec,
        frames=clip.frames,
        duration_s=round(clip.duration_s, 3),
        start=format_rfc3339(clip.start_wall_ns, zone),
        end=format_rfc3339(clip.end_wall_ns, zone),
    )
