"""The units as systemd reads them: nothing to complain of, and little that a process could reach."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "firmware_scripts" / "units").glob("wayside*"))
SERVICES = [path for path in UNITS if path.suffix == ".service"]
# provisioning.md: hardened to `systemd-analyze security` <= 2.0.
MAX_EXPOSURE = 2.0
PROCESSES = ("wayside-camera@.service", "wayside-vision.service", "wayside-node.service")


@pytest.fixture(scope="module")
def analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("systemd-analyze is not installed")
    return found


def settings(unit: Path) -> list[tuple[str, str]]:
    lines = unit.read_text(encoding="utf-8").splitlines()
    return [(key, value) for key, _, value in (line.partition("=") for line in lines if "=" in line and line[0] != "#")]


def comments(unit: Path) -> str:
    return " ".join(line for line in unit.read_text(encoding="utf-8").splitlines() if line.startswith("#"))


def setting(name: str, key: str) -> str:
    """Of the unit `name`, the last value given."""
    given = dict(settings(ROOT / "firmware_scripts" / "units" / name))
    return given.get(key, "")


def test_every_kind_of_process_has_a_unit() -> None:
    assert {path.name for path in UNITS} >= {
        *PROCESSES,
        *("wayside-page.service", "wayside-first-boot.service", "wayside-clock.service", "wayside.target"),
        *("wayside-apply.path", "wayside-apply.service", "wayside-update.service"),
    }


def test_no_unit_is_more_exposed_than_two(analyze: str) -> None:
    exposed = {}
    for unit in SERVICES:
        # Without a manager: the files alone are judged.
        argv = [analyze, "security", "--offline=true", "--no-pager", str(unit)]
        said = subprocess.run(argv, capture_output=True, text=True, check=False)
        match = re.search(r"exposure level for \S+: (\d+\.\d+)", said.stdout)
        assert match is not None, said.stderr
        exposed[unit.name] = float(match[1])
    assert {unit: level for unit, level in exposed.items() if level > MAX_EXPOSURE} == {}


def test_systemd_has_nothing_to_complain_of(analyze: str, tmp_path: Path) -> None:
    # The programs that the units name stand in a release; here in a folder of stand-ins that can be executed.
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8")
        for program in re.findall(r"^Exec\w+=[-+!@:]*(/opt/wayside/\S+)", text, re.MULTILINE):
            stand_in = tmp_path / program.lstrip("/")
            stand_in.parent.mkdir(parents=True, exist_ok=True)
            stand_in.write_text("#!/bin/sh\n")
            stand_in.chmod(0o755)
        # nft is a tool of the node; a developer's machine need not have it.
        text = text.replace("/opt/wayside/", f"{tmp_path}/opt/wayside/").replace("/usr/sbin/nft", "/bin/true")
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    names = [str(tmp_path / unit.name) for unit in UNITS]
    said = subprocess.run([analyze, "verify", "--man=no", *names], capture_output=True, text=True, check=False)
    ours = [line for line in said.stderr.splitlines() if "wayside" in line]
    assert (said.returncode, ours) == (0, [])


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_that_hangs_or_falls_is_started_again_for_ever(name: str) -> None:
    assert setting(name, "Type") == "notify"
    assert setting(name, "WatchdogSec") == "30"
    assert setting(name, "Restart") == "always"
    assert setting(name, "StartLimitIntervalSec") == "0"


def test_each_kind_of_process_is_a_user_of_its_own() -> None:
    users = [setting(name, "User") for name in PROCESSES]
    assert users == ["wayside-camera", "wayside-vision", "wayside-node"]


def test_vision_has_no_network_and_recording_goes_before_it() -> None:
    assert setting("wayside-vision.service", "PrivateNetwork") == "yes"
    assert setting("wayside-vision.service", "RestrictAddressFamilies") == "AF_UNIX"
    weights = [int(setting(name, "CPUWeight")) for name in PROCESSES]
    assert weights[0] > weights[1]
    scores = [int(setting(name, "OOMScoreAdjust")) for name in PROCESSES]
    # Vision dies first, a recorder last.
    assert scores[0] < scores[2] < scores[1]


def test_what_is_left_open_is_explained() -> None:
    """Hidden devices hide cameras, and a wall against generated code stops CUDA: whoever leaves one off says why."""
    unexplained = [
        (unit.name, key)
        for unit in SERVICES
        for key in ("PrivateDevices", "MemoryDenyWriteExecute", "ProtectClock")
        if dict(settings(unit)).get(key) != "yes" and f"{key}=" not in comments(unit)
    ]
    assert unexplained == []
