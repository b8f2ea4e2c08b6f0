"""The units are what systemd takes them for, and each is confined to what it needs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).resolve().parents[2] / "firmware_scripts" / "units"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
# The bound; 10 is wide open.
MOST_EXPOSED = 2.0


@pytest.fixture(scope="module")
def analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("systemd-analyze is not installed")
    return found


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_confined(analyze: str, name: str) -> None:
    argv = [analyze, "security", "--offline=true", "--no-pager", f"./{name}"]
    said = subprocess.run(argv, cwd=UNITS, capture_output=True, text=True, check=False)
    found = re.search(r"exposure level for \S+: ([\d.]+)", said.stdout)
    assert found, said.stderr
    assert float(found[1]) <= MOST_EXPOSED, said.stdout


def test_systemd_finds_nothing_wrong_with_them(analyze: str, tmp_path: Path) -> None:
    # The programs stand where a release stands; here only their names do.
    for unit in UNITS.glob("wayside*"):
        text = unit.read_text(encoding="utf-8")
        target = tmp_path / unit.name.replace("@.service", "@c01.service")
        target.write_text(re.sub(r"/opt/wayside/\S+|/usr/sbin/nft", "/bin/true", text), encoding="utf-8")
    argv = [analyze, "verify", "--man=no", "--recursive-errors=no", *sorted(map(str, tmp_path.glob("wayside*")))]
    said = subprocess.run(argv, capture_output=True, text=True, check=False)
    ours = [line for line in said.stderr.splitlines() if "wayside" in line]
    assert (said.returncode, ours) == (0, [])


@pytest.mark.parametrize("name", ["wayside-camera@.service", "wayside-node.service", "wayside-vision.service"])
def test_a_process_of_the_agent_is_watched_and_started_again_for_ever(name: str) -> None:
    text = (UNITS / name).read_text(encoding="utf-8")
    for line in ("Type=notify", "WatchdogSec=30", "Restart=always", "StartLimitIntervalSec=0"):
        assert f"\n{line}\n" in text
