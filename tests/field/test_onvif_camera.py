"""From a camera on the wire to its footage on disk: ipycam in a network namespace, the real agent in its neighbour."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from agent.errors import SegmentDamaged
from agent.recording.segment import scan
from tests.broker import wait_until
from tests.rigs.onvif_camera import ADDRESS, PASSWORD, USERNAME, onvif_camera

ROOT = Path(__file__).resolve().parents[2]


def fragments(ring: Path) -> int:
    """Closed fragments in all segments that are on disk now."""
    total = 0
    for path in ring.glob("footage/c01/*/*.mp4"):
        data = path.read_bytes()
        # One that was opened just now holds nothing yet.
        with suppress(SegmentDamaged):
            total += len(scan(lambda at, size, data=data: data[at : at + size], len(data)).fragments)
    return total


def test_a_camera_is_found_let_in_and_recorded_within_a_minute(tmp_path: Path, street_clip: Path, ffmpeg: str) -> None:
    with onvif_camera(street_clip, tmp_path) as camera:
        argv = [*camera.inside, sys.executable, "-m", "tests.field.commission", USERNAME, PASSWORD, str(tmp_path)]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=90)
        assert done.returncode == 0, done.stderr + camera.log.read_text()
        told = json.loads(done.stdout.splitlines()[-1])
        agent = subprocess.Popen(
            [*camera.inside, sys.executable, "-m", "agent", "run", "--config", str(tmp_path / "wayside.toml")], cwd=ROOT
        )
        try:
            wait_until(lambda: fragments(tmp_path / "ring") > 0, "no fragment on disk", limit_s=60)
            recorded_s = time.time() - told["began_s"]
        finally:
            agent.send_signal(signal.SIGTERM)
            agent.wait(30)

    assert told["found"]["address"] == ADDRESS and told["found"]["name"] == "Gate"
    assert told["refusals"] == ["default_password", "wrong_password"]
    assert told["is_open"] is False and abs(told["clock_offset_s"]) < 2
    assert [(one["width"], one["height"], one["codec"]) for one in told["streams"]] == [
        (640, 360, "h264"),
        (320, 180, "h264"),
    ]
    probed = told["probed"]
    assert (probed["width"], probed["height"]) == (640, 360) and probed["picture"] > 0
    assert probed["fps"] == pytest.approx(10, abs=2)
    assert PASSWORD not in done.stderr + camera.log.read_text()
    segment = next((tmp_path / "ring").glob("footage/c01/*/*.mp4"))
    played = subprocess.run(
        [ffmpeg, "-v", "error", "-xerror", "-i", str(segment), "-f", "null", "-"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (played.returncode, played.stderr) == (0, "")
    print(
        f"found {told['discovered_s'] - told['began_s']:.1f} s, let in {told['described_s'] - told['began_s']:.1f} s, "
        f"measured {told['probed_s'] - told['began_s']:.1f} s, recorded {recorded_s:.1f} s after the search began"
    )
    assert recorded_s < 60
