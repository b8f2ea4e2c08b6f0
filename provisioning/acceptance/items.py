"""Every check that acceptance asks for, passed or not, and which of the missing ones nobody has answered for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from provisioning.acceptance.measures import CameraMeasures, NodeMeasures
from provisioning.acceptance.notes import Waiver
from provisioning.checks.result import CheckResult, Verdict
from provisioning.texts import Language, say

# Footage is on disk at most 2 s after it happened (product); the rest is a slow camera's GOP.
MAX_FOOTAGE_AGE_S: Final = 10.0
# ONVIF digest and a viewer's patience: a camera whose clock is further off stamps wrong times into its pictures.
MAX_CLOCK_OFFSET_S: Final = 5.0
# footage.md: pre-roll and a clip's entry grow with the GOP; beyond this a clip begins far before what was asked.
MAX_GOP_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the report. FAILED is what must be passed or waived; WARNING and UNKNOWN are only told.

    `about` is a camera, or empty for the node; `sentence_key` and `title_key` are texts, `facts` fill their braces.
    """

    id: str
    verdict: Verdict
    sentence_key: str
    title_key: str
    about: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)

    def sentence(self, language: Language) -> str:
        return say(language, self.sentence_key, **self.facts)

    def title(self, language: Language) -> str:
        return say(language, self.title_key)

    @property
    def key(self) -> tuple[str, str]:
        return self.id, self.about


def judge(node: NodeMeasures, cameras: Sequence[CameraMeasures], checks: Sequence[CheckResult]) -> tuple[Item, ...]:
    """All items in the order of the report: the node's, then each camera's."""
    items = [_item("enrolled", Verdict.OK if node.is_enrolled else Verdict.FAILED, _yes_no(node.is_enrolled))]
    if not cameras:
        items.append(_item("camera", Verdict.FAILED, "none"))
    items += [_item("camera", Verdict.FAILED, "absent", camera) for camera in node.absent_cameras]
    if not checks:
        items.append(_item("checks", Verdict.FAILED, "not_done"))
    items += [_of_check(check) for check in checks]
    for camera in cameras:
        items += _of_camera(camera)
    return tuple(items)


def missing(items: Iterable[Item], waivers: Sequence[Waiver]) -> tuple[Item, ...]:
    """The mandatory items that neither passed nor were waived by somebody's name and reason."""
    waived = {(each.item, each.about) for each in waivers if each.name.strip() and each.reason.strip()}
    return tuple(item for item in items if item.verdict is Verdict.FAILED and item.key not in waived)


def _of_check(check: CheckResult) -> Item:
    sentence = f"checks.{check.id}.{check.reason}"
    return Item(f"check-{check.id}", check.verdict, sentence, f"checks.{check.id}.title", check.about, check.facts)


def _of_camera(camera: CameraMeasures) -> list[Item]:
    return [_probe(camera), _recording(camera), _clip(camera), _focus(camera), _scene(camera), *_walk(camera)]


def _probe(camera: CameraMeasures) -> Item:
    probe = camera.probe
    if probe is None:
        return _item("probe", Verdict.FAILED, "not_done", camera.id)
    facts = {"codec": probe.codec, "width": probe.width, "height": probe.height}
    if probe.clock_offset_s is not None and abs(probe.clock_offset_s) > MAX_CLOCK_OFFSET_S:
        return _item("probe", Verdict.WARNING, "clock", camera.id, seconds=round(probe.clock_offset_s), **facts)
    if probe.gop_s is not None and probe.gop_s > MAX_GOP_S:
        return _item("probe", Verdict.WARNING, "gop", camera.id, seconds=round(probe.gop_s), **facts)
    is_network = probe.found_by in ("onvif", "rtsp")
    if is_network and not probe.has_password:
        return _item("probe", Verdict.WARNING, "no_password", camera.id, **facts)
    return _item("probe", Verdict.OK, "ok", camera.id, **facts)


def _recording(camera: CameraMeasures) -> Item:
    age_s = camera.footage_age_s
    if age_s is None:
        return _item("recording", Verdict.FAILED, "none", camera.id)
    verdict = Verdict.OK if age_s <= MAX_FOOTAGE_AGE_S else Verdict.FAILED
    return _item("recording", verdict, "ok" if verdict is Verdict.OK else "old", camera.id, seconds=round(age_s, 1))


def _clip(camera: CameraMeasures) -> Item:
    clip = camera.clip
    if clip is None:
        return _item("clip", Verdict.FAILED, camera.clip_problem or "none", camera.id, detail=camera.clip_detail)
    return _item("clip", Verdict.OK, "ok", camera.id, seconds=round(clip.duration_s, 1), frames=clip.frames)


def _focus(camera: CameraMeasures) -> Item:
    aim = camera.aim
    if aim is None:
        return _item("focus", Verdict.FAILED, "not_done", camera.id)
    facts = {"score": round(aim.score), "best": round(aim.best)}
    is_near = aim.best <= 0 or aim.score >= 0.85 * aim.best
    return _item("focus", Verdict.OK if is_near else Verdict.WARNING, "ok" if is_near else "off", camera.id, **facts)


def _scene(camera: CameraMeasures) -> Item:
    scene = camera.scene
    if scene is None:
        return _item("scene", Verdict.FAILED, "not_done", camera.id)
    if not scene.zones:
        return _item("scene", Verdict.WARNING, "no_zone", camera.id)
    return _item("scene", Verdict.OK, "ok", camera.id, zones=len(scene.zones))


def _walk(camera: CameraMeasures) -> list[Item]:
    if camera.scene is not None and not camera.scene.watches:
        # Nothing is watched for, so nobody can be seen walking.
        return [_item("walk", Verdict.UNKNOWN, "nothing_watched", camera.id)]
    walk = camera.walk
    if walk is None or not walk.seen_ns:
        return [_item(each, Verdict.FAILED, "not_done", camera.id) for each in ("walk", "ack")]
    ack = _item("ack", Verdict.OK if walk.acked_ns else Verdict.FAILED, "ok" if walk.acked_ns else "none", camera.id)
    return [_item("walk", Verdict.OK, "ok", camera.id, zone=walk.zone), ack]


def _yes_no(is_so: bool) -> str:
    return "ok" if is_so else "no"


def _item(id: str, verdict: Verdict, reason: str, about: str = "", **facts: object) -> Item:
    return Item(id, verdict, f"accept.item.{id}.{reason}", f"accept.item.{id}.title", about, facts)
