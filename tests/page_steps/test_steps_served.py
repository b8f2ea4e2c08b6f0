"""The steps as a browser's scripts speak to them: over HTTPS, to a page that really serves."""

from __future__ import annotations

import json

import pytest

from agent.config import decode_config
from agent.enrolment.standing import Standing
from agent.scene.file import decode_scene
from agent.scene.grammar import Intrusion
from provisioning.acceptance.notes import AimNotes, WalkNotes
from tests.page.rig import Answer, Node, Visitor

SQUARE = [[0.2, 0.2], [0.8, 0.2], [0.8, 0.9], [0.2, 0.9]]
ZONE = {"id": "people-1", "polygon": SQUARE, "rules": {"intrusion": {}}}


def save(technician: Visitor, drawing: object, *, camera: str = "c01", token: str = "") -> Answer:
    headers = {"X-Csrf": token or technician.token, "Content-Type": "application/json", "Accept": "application/json"}
    return technician.ask("POST", f"/scene/{camera}", json.dumps(drawing).encode(), headers)


def test_a_drawing_is_kept_as_a_scene_file_that_the_configuration_names(node: Node, technician: Visitor) -> None:
    answer = save(technician, {"zone": [ZONE]})
    assert (answer.status, json.loads(answer.text)["next"]) == (200, "/walk")
    config = decode_config(node.home.config.read_text(), name="wayside.toml")
    camera = config.camera("c01")
    assert camera is not None
    assert camera.scene == str(node.home.scene("c01"))
    scene = decode_scene(node.home.scene("c01").read_text(), name="c01.toml")
    assert scene.zones[0].rules.intrusion == Intrusion()
    drawn = json.loads(technician.get("/scene/c01/drawing.json").text)["scene"]
    assert drawn["zone"][0]["polygon"] == SQUARE


@pytest.mark.parametrize(("language", "words"), [("th", "เขตที่ 1"), ("en", "zone 1")])
def test_a_wrong_drawing_is_explained_in_the_technicians_language(
    node: Node, technician: Visitor, language: str, words: str
) -> None:
    technician.get(f"/language?to={language}")
    answer = save(technician, {"zone": [{**ZONE, "polygon": [[0.2, 0.2], [0.8, 0.8], [0.8, 0.2], [0.2, 0.8]]}]})
    said = json.loads(answer.text)
    assert answer.status == 422
    assert words in said["problem"]
    assert (said["kind"], said["number"]) == ("zone", 1)
    assert not node.home.scene("c01").exists()


def test_a_drawing_without_the_token_or_for_no_camera_of_this_node_changes_nothing(
    node: Node, technician: Visitor
) -> None:
    assert save(technician, {"zone": [ZONE]}, token="0" * 64).status == 403
    assert save(technician, {"zone": [ZONE]}, camera="c09").status == 404
    assert list(node.home.scenes.iterdir()) == []


def test_a_scene_file_that_cannot_be_read_is_said_and_drawn_anew(node: Node, technician: Visitor) -> None:
    node.home.write(node.home.scene("c01"), b"zone = 3\n")
    said = json.loads(technician.get("/scene/c01/drawing.json").text)
    assert said["problem"]
    assert said["scene"]["zone"] == []
    assert save(technician, {"zone": [ZONE]}).status == 200


def test_the_live_picture_comes_with_its_focus_and_is_written_down(node: Node, technician: Visitor) -> None:
    answer = technician.get("/aim/c01/picture.jpg")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/jpeg")
    assert float(answer.headers["x-score"]) > 100
    assert technician.post("/aim/c01", {"roll": "1.25"}).status == 303
    note = node.context.note("aim", AimNotes)
    assert note is not None
    (aimed,) = note.cameras
    assert (aimed.width, aimed.height, aimed.roll_deg) == (768, 576, 1.2)
    assert aimed.best >= aimed.score > 100


def test_a_password_that_cameras_are_sold_with_is_refused_and_shown_nowhere(node: Node, technician: Visitor) -> None:
    before = node.home.config.read_bytes()
    form = {"slot": "c02", "chosen": "hand", "url": "rtsp://127.0.0.1:1/cam", "username": "admin"}
    answer = technician.post("/cameras/try", {**form, "password": "admin12345"})
    assert answer.status == 422
    assert "โรงงาน" in answer.text
    assert "admin12345" not in answer.text
    assert "Pw-8842-x" not in technician.post("/cameras/try", {**form, "password": "Pw-8842-x"}).text
    assert node.home.config.read_bytes() == before
    assert list(node.home.secrets.iterdir()) == []


@pytest.mark.parametrize("url", ["file:/etc/passwd", "http://127.0.0.1/", "rtsp:/x", "", "rtsp://a\nb"])
def test_what_is_no_cameras_address_is_not_opened(technician: Visitor, url: str) -> None:
    answer = technician.post("/cameras/try", {"slot": "c02", "chosen": "hand", "url": url})
    assert answer.status == 422
    assert technician.post("/cameras/try", {"slot": "c55", "chosen": "hand", "url": url}).status == 404


def test_a_walk_begins_when_it_is_told_to(node: Node, technician: Visitor) -> None:
    save(technician, {"zone": [ZONE]})
    assert json.loads(technician.get("/walk/c01/state.json").text)["state"] == "idle"
    assert technician.post("/walk/c01", {}).status == 303
    assert json.loads(technician.get("/walk/c01/state.json").text)["state"] == "waiting"
    note = node.context.note("walk", WalkNotes)
    assert note is not None
    assert note.cameras[0].seen_ns == 0
    assert technician.get("/walk/c01/still.jpg").status == 404


def test_signing_with_checks_unanswered_or_without_a_name_leaves_the_node_out_of_service(
    node: Node, technician: Visitor
) -> None:
    for form in ({"technician": "Somchai"}, {"technician": " ", "reason:clip:c01": "later"}):
        answer = technician.post("/accept", form)
        assert answer.status == 422
        assert node.home.load_enrolment().state is Standing.ENROLLED
    assert technician.get("/accept/report.zip").status == 404
    assert technician.get("/accept/report.html").status == 404
