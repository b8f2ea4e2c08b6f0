"""Signing on the page: answered for by name, put into service, shown and carried away."""

from __future__ import annotations

from agent.enrolment.standing import Standing
from tests.page.rig import Node, Visitor


def test_what_is_missing_can_be_answered_for_by_name_and_reason(node: Node, technician: Visitor) -> None:
    technician.get("/accept")
    missing = ("checks:", "recording:c01", "clip:c01", "focus:c01", "scene:c01", "walk:c01", "ack:c01")
    form = {"technician": "สมชาย ใจดี", **{f"reason:{each}": "trial on the desk" for each in missing}}
    assert technician.post("/accept", form).status == 303
    assert node.home.load_enrolment().state is Standing.IN_SERVICE
    done = technician.get("/accept")
    assert "/accept/report.zip" in done.text
    report = technician.get("/accept/report.html")
    assert "style-src 'sha256-" in report.headers["content-security-policy"]
    assert "trial on the desk" in report.text
    assert technician.get("/accept/report.zip").headers["content-disposition"].startswith("attachment")
