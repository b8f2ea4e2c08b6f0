"""The clip that the demo plays, and what its scene makes of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import av
import pytest

ROOT = Path(__file__).resolve().parents[2]
SCENE = ROOT / "agent" / "demo" / "street.toml"

Line = Mapping[str, object]


def test_the_clip_is_what_its_page_says(street_clip: Path) -> None:
    with av.open(str(street_clip)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 768, 576)
        assert [packet.pts for packet in packets] == [packet.dts for packet in packets]
        steps_s = [(packet.pts or 0) * float(stream.time_base or 0) for packet in packets]
    assert steps_s == pytest.approx([number / 10 for number in range(400)])
    assert [number for number, packet in enumerate(packets) if packet.is_keyframe] == list(range(0, 400, 20))


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[Line]:
    """What `wayside analyse` writes about the clip under its scene."""
    out = tmp_path_factory.mktemp("analyse") / "street.jsonl"
    clip = ROOT / "agent" / "demo" / "street.mp4"
    argv = [sys.executable, "-m", "agent", "analyse", str(clip), "--scene", str(SCENE), "--out", str(out)]
    environment = {**os.environ, "WAYSIDE_MODELS": str(ROOT / "models")}
    subprocess.run(argv, cwd=ROOT, check=True, capture_output=True, env=environment)
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def data(lines: list[Line], event_type: str) -> list[Mapping[str, object]]:
    return [body for line in lines if line["type"] == event_type and isinstance(body := line["data"], dict)]


def test_incidents_open_early_enough_for_a_short_demo(lines: list[Line]) -> None:
    opened = {(body["kind"], body["zone"]): body["begin_s"] for body in data(lines, "wayside.incident.opened.v1")}
    assert opened.keys() == {("loitering", "lamp"), ("intrusion", "lawn")}
    # Seen by eye: he stands beside the lamp post from the start, and the first foot on the grass falls at 11 s.
    assert opened["loitering", "lamp"] == pytest.approx(0.5, abs=1.0)
    assert opened["intrusion", "lawn"] == pytest.approx(11.5, abs=1.0)


def test_people_cross_the_path_both_ways(lines: list[Line]) -> None:
    crossings = data(lines, "wayside.crossing.v1")
    assert {body["direction"] for body in crossings} == {"forward", "backward"}
    assert {body["class"] for body in crossings} == {"person"}
    assert any(isinstance(at_s := body["at_s"], float) and at_s < 10 for body in crossings)
