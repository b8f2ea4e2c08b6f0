"""The centre's side runs where only the base install is: no PyAV, no NumPy, no ONNX Runtime, no OpenCV."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT

# Runs in a process of its own; the blocker stands for a machine without them.
_WITHOUT = """
import sys

HEAVY = {"av", "numpy", "cv2", "onnxruntime", "watchdog", "psutil", "onnx", "amqtt"}

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HEAVY:
            raise ModuleNotFoundError(f"{name} is not in the base install", name=name)

sys.meta_path.insert(0, Absent())
"""
_MAIN = "from agent.cli.app import app; app(sys.argv[1:])"


def without(code: str, *argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _WITHOUT + code, *argv]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("words", [(), ("pull",)])
def test_the_centres_commands_explain_themselves(words: tuple[str, ...]) -> None:
    done = without(_MAIN, "centre", *words, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage" in done.stdout


def test_pulling_and_verifying_need_no_codec() -> None:
    done = without("import agent.centre.requests, agent.centre.receive, agent.cli.pulling, agent.cli.fleet_view")
    assert (done.returncode, done.stderr) == (0, "")
