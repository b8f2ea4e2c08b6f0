"""What is done to the agent, and what must be true afterwards. Each returns its numbers as lines for people."""

from __future__ import annotations

import json
import random
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Protocol

from agent.contract.events import Lane
from agent.units import NS_PER_S, format_rfc3339
from tests.broker import Broker, wait_until
from tests.faults.ear import Ear
from tests.faults.rig import AgentUnderTest, CameraSetup, seconds_between

# How long the camera stays away each time.
_AWAY_S = 3.0
# A restarted vision must have been seeing again before it is hurt the next time, or the number says nothing.
_SETTLE_FRAMES = 30


class BreakableCamera(Protocol):
    """A camera that a test may kill and start again under one address."""

    @property
    def url(self) -> str: ...

    def kill(self) -> None: ...

    def start(self) -> None: ...


def process_faults(folder: Path, broker: Broker, name: str, number: signal.Signals, rounds: int) -> list[str]:
    """Kill or stop vision or the node while recording: no frame is lost, findings or messages come again."""
    back_s: list[float] = []
    with Ear(broker) as ear, AgentUnderTest(folder, broker=broker) as agent:
        agent.wait_for_footage("c01", _SETTLE_FRAMES)
        ear.wait_for_event("incident.opened", 0)
        for _ in range(rounds):
            old = agent.pids()[name]
            hurt_ns = agent.hurt(name, number)
            agent.wait_for_new(name, old)
            heard_ns = ear.wait_for_birth(hurt_ns) if name == "node" else ear.wait_for_event("incident.opened", hurt_ns)
            back_s.append(seconds_between(hurt_ns, heard_ns))
        agent.stop()
        runs = agent.runs("c01")
        assert len(runs) == 1, f"the camera began anew: {runs}"
        assert runs[0].missing == 0, f"frames lost: {runs}"
        assert agent.index_differences() == []
        assert not ear.book.holes(ear.events[0].envelope.epoch or "", Lane.A)
    return [
        f"{name} {number.name} x {rounds}: {runs[0].frames} frames recorded, 0 lost;"
        f" back after {back_s} s, worst {max(back_s)}"
    ]


def camera_fault(folder: Path) -> list[str]:
    """Kill one camera's process: it loses some seconds, its neighbour nothing."""
    with AgentUnderTest(folder, cameras=(CameraSetup("c01"), CameraSetup("c02")), vision=False) as agent:
        for camera in ("c01", "c02"):
            agent.wait_for_footage(camera, _SETTLE_FRAMES)
        old = agent.pids()["camera-c01"]
        agent.hurt("camera-c01", signal.SIGKILL)
        agent.wait_for_new("camera-c01", old)
        wait_until(lambda: len(agent.runs("c01")) == 2, "c01 does not record again", limit_s=30.0)
        agent.stop()
        first, second = agent.runs("c01")
        lost_s = seconds_between(first.end_wall_ns, second.start_wall_ns)
        neighbour = agent.runs("c02")
        assert (len(neighbour), neighbour[0].missing) == (1, 0), neighbour
        assert agent.index_differences() == []
    return [f"camera SIGKILL: c01 lost {lost_s} s, c02 {neighbour[0].frames} frames and 0 lost"]


def power_cuts(folder: Path, rounds: int, ffmpeg: str, *, of_one_ring: int = 50) -> list[str]:
    """SIGKILL of everything at random moments: what is on disk plays, and ends at most 2 s before the end; recording
    begins again within 20 s of each start. Each ring takes so many kills, and is looked at as a whole then."""
    lost_s: list[float] = []
    start_s: list[float] = []
    files = 0
    chance = random.Random(2)
    for number, first in enumerate(range(0, rounds, of_one_ring)):
        agent = _cut_often(folder / str(number), min(of_one_ring, rounds - first), chance, lost_s, start_s)
        assert agent.index_differences() == []
        files += _play_all(agent, ffmpeg)
    assert max(lost_s) <= 2.0 and max(start_s) <= 20.0, (max(lost_s), max(start_s))
    usual_lost_s = statistics.median(lost_s)
    return [
        f"kill -9 of everything x {rounds}, two cameras: {files} segments all play, index equals disk, lost at worst"
        f" {max(lost_s)} s (median {usual_lost_s:.2f}), records again {max(start_s)} s after a start at worst"
        f" (median {statistics.median(start_s):.1f})"
    ]


def _cut_often(
    folder: Path, rounds: int, chance: random.Random, lost_s: list[float], start_s: list[float]
) -> AgentUnderTest:
    cameras = ("c01", "c02")
    agent = AgentUnderTest(folder, cameras=tuple(map(CameraSetup, cameras)), vision=False, segment_s=3.0)
    for _ in range(rounds):
        before = {camera: agent.newest_run(camera) for camera in cameras}
        began_ns = time.time_ns()
        agent.start()
        for camera, run in before.items():
            wait_until(lambda camera=camera, run=run: agent.newest_run(camera) != run, "no footage", limit_s=40.0)
        start_s.append(seconds_between(began_ns, time.time_ns()))
        threading.Event().wait(chance.uniform(0.0, 4.0))
        killed_ns = agent.kill_all()
        lost_s.extend(seconds_between(agent.newest_end_ns(camera), killed_ns) for camera in cameras)
    return agent


def _play_all(agent: AgentUnderTest, ffmpeg: str) -> int:
    """Every segment through ffmpeg, which must find nothing to complain of; how many there were."""
    names = [name for camera in ("c01", "c02") for name, _ in agent.scans(camera)]
    for name in names:
        argv = [ffmpeg, "-v", "error", "-i", str(agent.data_dir / name.path()), "-f", "null", "-"]
        told = subprocess.run(argv, capture_output=True, check=True)
        assert not told.stderr, f"{name}: {told.stderr.decode()}"
    return len(names)


def broker_outage(folder: Path, broker: Broker, seconds: float) -> list[str]:
    """The broker dies while events are made: afterwards every one is there, each lane in order and without a hole."""
    with AgentUnderTest(folder, broker=broker) as agent:
        with Ear(broker) as before:
            before.wait_for_event("incident.opened", 0)
        broker.kill()
        threading.Event().wait(seconds)
        # Vision begins anew, so incidents are closed and opened while nobody hears of them.
        old = agent.pids()["vision"]
        hurt_ns = agent.hurt("vision", signal.SIGKILL)
        agent.wait_for_new("vision", old)
        threading.Event().wait(4.0)
        broker.start()
        with Ear(broker) as ear:
            ear.wait_for_event("incident.opened", hurt_ns)
            agent.stop()
            wait_until(lambda: not ear.book.holes(_epoch(ear), Lane.A), "lane a has a hole")
            orders = [_sequences(ear, lane) for lane in Lane]
    assert all(order == sorted(order) for order in orders), orders
    assert all(order == list(range(order[0], order[-1] + 1)) for order in orders if order), orders
    return [
        f"broker away {seconds + 4:.0f} s: lane a {len(orders[0])} events, lane b {len(orders[1])}, in order, no hole"
    ]


def camera_breaks(folder: Path, broker: Broker, camera: BreakableCamera, seconds: float) -> list[str]:
    """An RTSP camera dies and returns twice: every second is footage or a gap with its reason; a clip over the breaks
    is partial, exits with 3 and names them."""
    setup = CameraSetup("c01", camera.url)
    part_s = seconds / 3
    with AgentUnderTest(folder, cameras=(setup,), broker=broker, vision=False) as agent, Ear(broker):
        agent.wait_for_footage("c01", 1)
        started_ns = time.time_ns()
        for _ in range(2):
            threading.Event().wait(part_s - _AWAY_S)
            camera.kill()
            threading.Event().wait(_AWAY_S)
            camera.start()
        threading.Event().wait(part_s)
        ended_ns = time.time_ns() - 3 * NS_PER_S
        span = (format_rfc3339(started_ns), format_rfc3339(ended_ns))
        node = ("--broker", broker.url, "--node", "test-org/test-site/test-node", "--from", span[0], "--to", span[1])
        out = str(folder / "clip.mp4")
        clip = _wayside("centre", "pull", *node, "--camera", "c01", "--out", out, "--purpose", "test", "--json")
        told = json.loads(clip.stdout)
        asked = _wayside("centre", "gaps", *node, "--json")
    account = json.loads(asked.stdout)["cameras"][0]
    gaps = account["gaps"]
    total_s = account["recorded_s"] + sum(gap["seconds"] for gap in gaps)
    asked_s = (ended_ns - started_ns) / NS_PER_S
    assert abs(total_s - asked_s) < 0.01, (total_s, asked_s)
    assert len(gaps) == 2, gaps
    assert {gap["reason"] for gap in gaps} <= {"camera_unreachable", "camera_stalled"}, gaps
    assert (clip.returncode, told["state"]) == (3, "partial"), clip
    assert [gap["reason"] for gap in told["result"]["gaps"]] == [gap["reason"] for gap in gaps]
    words = [f"{gap['seconds']:.1f} s {gap['reason']}" for gap in gaps]
    return [
        f"RTSP camera killed twice in {asked_s:.0f} s: {account['recorded_s']:.1f} s recorded, gaps {words}, sum exact;"
        f" clip {told['state']}, exit {clip.returncode}"
    ]


def _wayside(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "agent", *arguments], capture_output=True, text=True, check=False)


def _epoch(ear: Ear) -> str:
    return ear.events[-1].envelope.epoch or ""


def _sequences(ear: Ear, lane: Lane) -> list[int]:
    """First arrivals, in the order heard; copies are allowed and left out."""
    seen: list[int] = []
    for each in ear.events:
        number = int(each.envelope.sequence or 0)
        if each.envelope.lane is lane and number not in seen:
            seen.append(number)
    return seen
