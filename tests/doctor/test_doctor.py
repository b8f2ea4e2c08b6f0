"""One screen that says what is wrong with a node and what to do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.enrolment.standing import EnrolmentRecord, Standing
from agent.messaging.outbox import OutboxStatus
from agent.recording.account import CameraAccount
from agent.recording.gaps import Gap, GapReason
from agent.units import NS_PER_S, WallSpan
from provisioning.checks.result import CheckResult, Verdict
from provisioning.doctor.diagnosis import (
    AgentFacts,
    judge_agent,
    judge_outbox,
    judge_papers,
    judge_recording,
    worst_first,
)
from provisioning.texts import Language
from tests.broker import wait_until

HOUR = WallSpan(0, 3600 * NS_PER_S)
NOW_S = 1_790_000_000
DAY_S = 86_400


def papers(state: Standing, days: float = 60) -> CheckResult:
    return judge_papers(EnrolmentRecord(state=state, not_after_s=int(NOW_S + days * DAY_S)), NOW_S)


def camera(*gaps: tuple[float, float, GapReason]) -> CheckResult:
    told = tuple(Gap(int(start * NS_PER_S), int(end * NS_PER_S), reason, "") for start, end, reason in gaps)
    missing_ms = sum(gap.end_wall_ns - gap.start_wall_ns for gap in told) // 10**6
    return judge_recording(CameraAccount("c01", HOUR, 3_600_000 - missing_ms, told))


def outbox(*, oldest_s: float | None = None, shed: int = 0) -> CheckResult:
    oldest_ns = None if oldest_s is None else int((NOW_S - oldest_s) * NS_PER_S)
    return judge_outbox(OutboxStatus("e", 9, 9, 9, 9, 9, 3, 1, 900, shed, oldest_ns), NOW_S * NS_PER_S)


FOUND = [
    (papers(Standing.NEW), Verdict.FAILED, "new"),
    (papers(Standing.WAITING), Verdict.FAILED, "waiting"),
    (papers(Standing.ENROLLED), Verdict.WARNING, "not_accepted"),
    (papers(Standing.IN_SERVICE), Verdict.OK, "ok"),
    (papers(Standing.IN_SERVICE, days=3), Verdict.WARNING, "expires"),
    (papers(Standing.IN_SERVICE, days=-1), Verdict.FAILED, "expired"),
    (judge_agent(AgentFacts(True, True, True)), Verdict.OK, "ok"),
    (judge_agent(AgentFacts(True, False, False)), Verdict.OK, "ok_blind"),
    (judge_agent(AgentFacts(True, False, True)), Verdict.FAILED, "no_vision"),
    (judge_agent(AgentFacts(False, True, True)), Verdict.FAILED, "no_node"),
    (camera(), Verdict.OK, "ok"),
    (camera((3598, 3600, GapReason.NOT_YET)), Verdict.OK, "ok"),
    (camera((0, 3500, GapReason.NOT_PROVISIONED)), Verdict.OK, "ok"),
    (camera((0, 3600, GapReason.NOT_PROVISIONED)), Verdict.FAILED, "not_provisioned"),
    (camera((100, 160, GapReason.CAMERA_STALLED)), Verdict.WARNING, "gaps"),
    (camera((3500, 3600, GapReason.CAMERA_UNREACHABLE)), Verdict.FAILED, "camera_unreachable"),
    (camera((3500, 3600, GapReason.CAMERA_STALLED)), Verdict.FAILED, "camera_stalled"),
    (camera((3500, 3600, GapReason.CAMERA_REFUSED)), Verdict.FAILED, "camera_refused"),
    (camera((3500, 3600, GapReason.NO_KEYFRAME)), Verdict.FAILED, "no_keyframe"),
    (camera((3500, 3600, GapReason.DISK_FULL)), Verdict.FAILED, "disk"),
    (camera((3500, 3600, GapReason.AGENT_DOWN)), Verdict.FAILED, "stopped"),
    (outbox(), Verdict.OK, "ok"),
    (outbox(oldest_s=60), Verdict.OK, "ok"),
    (outbox(oldest_s=7200), Verdict.WARNING, "old"),
    (outbox(shed=4), Verdict.WARNING, "shed"),
    (judge_outbox(None, 0), Verdict.UNKNOWN, "unknown"),
]


@pytest.mark.parametrize(("result", "verdict", "reason"), FOUND)
def test_what_is_wrong_is_named(result: CheckResult, verdict: Verdict, reason: str) -> None:
    assert (result.verdict, result.reason) == (verdict, reason)


@pytest.mark.parametrize("language", list(Language))
def test_each_finding_says_what_to_do_in_both_languages(language: Language) -> None:
    for result, _, _ in FOUND:
        assert not result.sentence(language).startswith("checks.")
        assert "{" not in result.sentence(language)


def test_what_is_worst_comes_first() -> None:
    order = [result.verdict for result in worst_first([result for result, _, _ in FOUND])]
    ranks = [Verdict.FAILED, Verdict.WARNING, Verdict.UNKNOWN, Verdict.OK]
    assert order == sorted(order, key=ranks.index)


CONFIG = """
data_dir = "{folder}/data"
runtime_dir = "{folder}/run"
[node]
org = "o"
site = "s"
id = "n"
[storage]
max_bytes = "1GB"
min_free = "10MB"
[vision]
enabled = false
[[camera]]
id = "c01"
main = "file:{clip}"
[[camera]]
id = "c02"
main = "rtsp://127.0.0.1:9/none"
"""


def findings(home: Path) -> dict[tuple[str, str], str]:
    command = (sys.executable, "-m", "provisioning", "doctor", "--home", str(home), "--lang", "en", "--json")
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 1, said.stderr
    return {(each["id"], each["about"]): each["reason"] for each in json.loads(said.stdout)["findings"]}


@pytest.fixture
def short_folder(tmp_path: Path) -> Path:
    """Sockets lie in it, and their paths have room for 108 bytes."""
    folder = tmp_path / "d"
    folder.mkdir()
    return folder


@pytest.fixture
def run_agent(short_folder: Path, street_clip: Path) -> Iterator[Callable[[], None]]:
    started: list[subprocess.Popen[bytes]] = []
    (short_folder / "wayside.toml").write_text(CONFIG.format(folder=short_folder, clip=street_clip))

    def run() -> None:
        command = (sys.executable, "-m", "agent", "run", "--config", str(short_folder / "wayside.toml"))
        started.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))

    yield run
    for process in started:
        os.kill(process.pid, signal.SIGTERM)
        process.wait(30)


def test_a_bare_box_is_told_to_be_enrolled(tmp_path: Path) -> None:
    found = findings(tmp_path)
    assert found["papers", ""] == "new"
    assert found["configuration", ""] == "missing"


def test_a_wrong_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "wayside.toml").write_text("dta_dir = 1\n")
    assert findings(tmp_path)["configuration", ""] == "wrong"


def test_a_running_agent_is_told_from_a_camera_that_is_away(run_agent: Callable[[], None], short_folder: Path) -> None:
    run_agent()

    def is_told() -> bool:
        found = findings(short_folder)
        return (
            found["agent", ""] == "ok_blind"
            and found.get(("recording", "c01")) == "ok"
            and found.get(("recording", "c02")) == "camera_unreachable"
        )

    # Each try takes about a second: fifty of them.
    wait_until(is_told, "the doctor does not see what runs", limit_s=1.0)
