"""From an empty draft to a signed report, proven by the node's public key, and what makes it worthless."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import msgspec
import pytest

from agent.config import CameraConfig
from agent.enrolment.standing import Standing
from agent.errors import SetupError, SignatureError
from agent.recording.clipfile import verify_clip
from agent.signing import make_key
from provisioning.acceptance.document import content_policy
from provisioning.acceptance.footage import ClipProblem, newest_footage, pull_test_clip, ring_picture
from provisioning.acceptance.gather import CameraNotes
from provisioning.acceptance.handover import Signature, accept, look, pack
from provisioning.acceptance.notes import Waiver
from provisioning.acceptance.seal import newest, read_report, verify_acceptance
from tests.acceptance.conftest import CHECKS, WALK, Commissioned
from tests.clip.footage import START_NS
from tests.recording.ring import S

SOMCHAI = Signature("สมชาย ใจดี", ())


def signed(node: Commissioned, signature: Signature = SOMCHAI) -> Path:
    accepted = accept(node.site, CHECKS, signature)
    assert accepted.missing == ()
    assert accepted.folder is not None
    return accepted.folder


def test_a_site_that_passed_is_signed_and_put_into_service(commissioned: Commissioned) -> None:
    folder = signed(commissioned)
    report = verify_acceptance(folder, commissioned.key.private.public_key())
    assert report.technician == "สมชาย ใจดี"
    assert report.node == commissioned.key.node
    assert report.at == "2026-11-22T21:03:17.000+07:00"
    (camera,) = report.cameras
    assert camera.clip is not None
    assert camera.clip.duration_s >= 10
    assert {file.name for file in report.files} == {"c01.jpg", "c01.mp4"}
    assert {item.verdict for item in report.items} == {"ok"}
    assert commissioned.home.load_enrolment().state is Standing.IN_SERVICE
    assert commissioned.home.in_service.is_file()
    assert newest(commissioned.home) == folder


def test_the_clip_in_the_report_is_one_that_staff_could_have_pulled(commissioned: Commissioned) -> None:
    folder = signed(commissioned)
    facts = verify_clip(folder / "c01.mp4")
    assert facts.frames >= 250
    assert facts.gaps == ()
    assert facts.asked.duration_s == 10


def test_an_unanswered_check_refuses_and_leaves_nothing_behind(commissioned: Commissioned) -> None:
    offline = msgspec.structs.replace(WALK, acked_ns=0)
    notes = commissioned.notes["c01"]
    commissioned.notes["c01"] = CameraNotes(notes.probe, notes.aim, offline, has_scene=True)
    refused = accept(commissioned.site, CHECKS, SOMCHAI)
    assert [item.key for item in refused.missing] == [("ack", "c01")]
    assert refused.folder is None
    assert list(commissioned.home.acceptance.iterdir()) == []
    assert commissioned.home.load_enrolment().state is Standing.ENROLLED
    assert not commissioned.home.in_service.exists()


def test_a_waiver_by_name_and_reason_stands_in_the_report(commissioned: Commissioned) -> None:
    offline = msgspec.structs.replace(WALK, acked_ns=0)
    notes = commissioned.notes["c01"]
    commissioned.notes["c01"] = CameraNotes(notes.probe, notes.aim, offline, has_scene=True)
    no_line = Waiver(item="ack", about="c01", name="สมชาย ใจดี", reason="no line yet", wall_ns=START_NS)
    not_needed = Waiver(item="clip", about="c01", name="สมชาย ใจดี", reason="just in case", wall_ns=START_NS)
    folder = signed(commissioned, Signature("สมชาย ใจดี", (no_line, not_needed)))
    report = verify_acceptance(folder, commissioned.key.private.public_key())
    assert [(each.item, each.name, each.reason) for each in report.waivers] == [("ack", "สมชาย ใจดี", "no line yet")]
    assert [item.id for item in report.items if item.waived] == ["ack"]


def test_nobody_signs_without_a_name(commissioned: Commissioned) -> None:
    with pytest.raises(SetupError) as caught:
        accept(commissioned.site, CHECKS, Signature("  ", ()))
    assert caught.value.facts["reason"] == "no_name"


def test_a_look_measures_the_same_and_keeps_nothing(commissioned: Commissioned) -> None:
    measured = look(commissioned.site, CHECKS)
    assert {item.verdict.value for item in measured.items} == {"ok"}
    assert list(commissioned.home.acceptance.iterdir()) == []


@pytest.mark.parametrize("name", ["c01.jpg", "c01.mp4", "acceptance.json"])
def test_one_changed_byte_is_found(commissioned: Commissioned, name: str) -> None:
    folder = signed(commissioned)
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(bytes(data))
    with pytest.raises(SignatureError) as caught:
        verify_acceptance(folder, commissioned.key.private.public_key())
    assert caught.value.facts == {"reason": "changed", "file": name}


def test_a_missing_file_another_key_and_a_cut_signature_are_found(commissioned: Commissioned) -> None:
    folder = signed(commissioned)
    key = commissioned.key.private.public_key()
    with pytest.raises(SignatureError, match="unknown_key"):
        verify_acceptance(folder, make_key().public_key())
    jws = (folder / "acceptance.jws").read_text()
    with pytest.raises(SignatureError, match="malformed"):
        read_report(jws[:-20], key)
    (folder / "c01.jpg").unlink()
    with pytest.raises(SignatureError, match="lost"):
        verify_acceptance(folder, key)


def test_the_document_needs_nothing_from_anywhere_and_says_both_languages(commissioned: Commissioned) -> None:
    html = (signed(commissioned) / "acceptance.html").read_text(encoding="utf-8")
    assert re.search(r'(src|href)="(?!data:)', html) is None
    assert "<script" not in html
    assert "data:image/jpeg;base64," in html
    for words in ("รายงานตรวจรับงาน", "Acceptance report", "สมชาย ใจดี", "hatyai-012"):
        assert words in html
    assert "accept." not in html.replace("acceptance.", "")
    assert "sha256-" in content_policy()


def test_what_people_typed_is_shown_as_text(commissioned: Commissioned) -> None:
    folder = signed(commissioned, Signature("<script>alert(1)</script>", ()))
    html = (folder / "acceptance.html").read_text(encoding="utf-8")
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_the_package_for_the_phone_holds_every_file(commissioned: Commissioned) -> None:
    folder = signed(commissioned)
    with zipfile.ZipFile(io.BytesIO(pack(folder))) as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) == {path.name for path in folder.iterdir()}


def test_no_secret_of_the_node_is_in_the_report(commissioned: Commissioned) -> None:
    commissioned.home.write(commissioned.home.secret("c01"), b"n0t-for-anyone\n", mode=0o640)
    folder = signed(commissioned)
    for path in folder.iterdir():
        assert b"n0t-for-anyone" not in path.read_bytes()
        assert b"PRIVATE KEY" not in path.read_bytes()


def test_a_camera_that_records_since_a_moment_is_asked_to_wait(commissioned: Commissioned, tmp_path: Path) -> None:
    data_dir = commissioned.ring.data_dir
    soon = pull_test_clip(data_dir, "c01", tmp_path / "clip.mp4", START_NS + 40 * S)
    assert isinstance(soon, ClipProblem)
    assert soon.reason == "none"
    half = pull_test_clip(data_dir, "c01", tmp_path / "clip.mp4", START_NS + 22 * S)
    assert isinstance(half, ClipProblem)
    assert half.reason == "not_yet"
    assert list(tmp_path.glob("clip*")) == []


def test_the_newest_idr_of_the_ring_is_a_picture(commissioned: Commissioned) -> None:
    newest_of = newest_footage(commissioned.ring.data_dir, "c01")
    assert newest_of is not None
    assert newest_of.end_wall_ns == START_NS + 16 * S
    assert ring_picture(newest_of)[:2] == b"\xff\xd8"
    assert newest_footage(commissioned.ring.data_dir, "c09") is None
    assert newest_footage(Path("/nonexistent"), "c01") is None


def test_a_camera_without_footage_is_missing_its_clip(commissioned: Commissioned) -> None:
    commissioned.configure([CameraConfig("c02", "rtsp://192.0.2.8/main")])
    refused = accept(commissioned.site, CHECKS, SOMCHAI)
    assert {item.id for item in refused.missing} == {"probe", "recording", "clip", "focus", "scene", "walk", "ack"}
