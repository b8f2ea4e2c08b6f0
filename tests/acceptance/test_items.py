"""What acceptance asks for, and what it lets pass."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from provisioning.acceptance.items import Item, judge, missing
from provisioning.acceptance.measures import CameraMeasures, NodeMeasures, ProvenClip, SceneSummary
from provisioning.acceptance.notes import Waiver
from provisioning.checks.result import CheckResult, Verdict
from provisioning.texts import Language
from tests.acceptance.conftest import AIM, CHECKS, PROBE, WALK

NODE = NodeMeasures("n1", "o", "s", True, "", "", "", "0", "Asia/Bangkok", "synced", 0.01)
SCENE = SceneSummary((("lawn", ("intrusion",)),), 0, 0, 0, "0" * 64)
CLIP = ProvenClip("c01.mp4", "0" * 64, 100, "h264", 250, 10.0, 0, 10)
CAMERA = CameraMeasures(
    id="c01",
    name="",
    source="",
    probe=PROBE,
    aim=AIM,
    scene=SCENE,
    walk=WALK,
    footage_age_s=1.5,
    clip=CLIP,
)


def lacking(camera: CameraMeasures, waivers: tuple[Waiver, ...] = ()) -> set[str]:
    return {item.id for item in missing(judge(NODE, [camera], CHECKS), waivers)}


def waiver(item: str, name: str = "Somchai J.", reason: str = "no line yet") -> Waiver:
    return Waiver(item=item, about="c01", name=name, reason=reason, wall_ns=1)


def test_nothing_is_missing_where_everything_was_measured() -> None:
    assert lacking(CAMERA) == set()


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        ({"probe": None}, {"probe"}),
        ({"aim": None}, {"focus"}),
        ({"scene": None}, {"scene"}),
        ({"walk": None}, {"walk", "ack"}),
        ({"walk": msgspec.structs.replace(WALK, acked_ns=0)}, {"ack"}),
        ({"footage_age_s": None}, {"recording"}),
        ({"footage_age_s": 60.0}, {"recording"}),
        ({"clip": None, "clip_problem": "partial", "clip_detail": "camera_stalled"}, {"clip"}),
    ],
)
def test_what_was_not_measured_or_failed_is_missing(change: dict[str, object], missed: set[str]) -> None:
    assert lacking(replace(CAMERA, **change)) == missed  # type: ignore[arg-type]


def test_a_camera_that_watches_for_nothing_needs_no_walk() -> None:
    assert lacking(replace(CAMERA, scene=replace(SCENE, zones=()), walk=None)) == set()
    ruleless = replace(SCENE, zones=(("road", ()),))
    assert lacking(replace(CAMERA, scene=ruleless, walk=None)) == set()


def test_a_failed_check_of_the_node_is_missing_and_a_warning_is_not() -> None:
    checks = [CheckResult("disk", Verdict.FAILED, "full", facts={"folder": "/", "free_gb": 0, "min_free_gb": 5})]
    checks += [
        CheckResult("clock", Verdict.WARNING, "unsynced"),
        CheckResult("temperature", Verdict.UNKNOWN, "unknown"),
    ]
    assert [item.id for item in missing(judge(NODE, [CAMERA], checks), ())] == ["check-disk"]


def test_a_site_without_a_camera_or_papers_or_checks_is_not_accepted() -> None:
    items = judge(replace(NODE, is_enrolled=False), [], [])
    assert [item.id for item in missing(items, ())] == ["enrolled", "camera", "checks"]


def test_a_waiver_needs_a_name_and_a_reason_and_covers_one_item_of_one_camera() -> None:
    offline = replace(CAMERA, walk=msgspec.structs.replace(WALK, acked_ns=0))
    assert lacking(offline, (waiver("ack"),)) == set()
    assert lacking(offline, (waiver("ack", name=" "),)) == {"ack"}
    assert lacking(offline, (waiver("ack", reason=""),)) == {"ack"}
    assert lacking(offline, (waiver("walk"),)) == {"ack"}
    elsewhere = msgspec.structs.replace(waiver("ack"), about="c02")
    assert lacking(offline, (elsewhere,)) == {"ack"}


@pytest.mark.parametrize("language", list(Language))
def test_every_item_has_its_words_in_both_languages(language: Language) -> None:
    cameras = [
        CAMERA,
        replace(CAMERA, probe=None, aim=None, scene=None, walk=None, footage_age_s=None, clip=None),
        replace(
            CAMERA, clip=None, clip_problem="not_yet", footage_age_s=99.0, walk=None, scene=replace(SCENE, zones=())
        ),
        replace(CAMERA, clip=None, clip_problem="damaged", probe=msgspec.structs.replace(PROBE, clock_offset_s=-90.0)),
        replace(CAMERA, clip=None, clip_problem="none", probe=msgspec.structs.replace(PROBE, gop_s=20.0)),
        replace(CAMERA, clip=None, clip_problem="partial", probe=msgspec.structs.replace(PROBE, has_password=False)),
        replace(CAMERA, aim=msgspec.structs.replace(AIM, score=100.0)),
        replace(CAMERA, walk=msgspec.structs.replace(WALK, acked_ns=0)),
    ]
    items: list[Item] = [*judge(NODE, cameras, CHECKS), *judge(replace(NODE, is_enrolled=False), [], [])]
    for item in items:
        for said in (item.sentence(language), item.title(language)):
            assert not said.startswith(("accept.", "checks."))
            assert "{" not in said
