"""What cameras do to their sound, for minutes and over kills: no picture waits for it, and it is heard in its place."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import psutil

from agent.errors import SegmentDamaged
from agent.recording import account
from agent.recording.clipfile import verify_clip
from agent.recording.cut import plan_clip
from agent.recording.exporter import export_clip, read_segment
from agent.store import open_store
from agent.units import NS_PER_S, WallSpan
from tests.broker import wait_until
from tests.faults.rig import AgentUnderTest, CameraSetup, seconds_between
from tests.rigs.flashes import FlashSettings, make_flashes, measure
from tests.rigs.speaking_camera import Habits, SpeakingCamera

LIP_SYNC_MS = 40.0
WAIT_S = 2.0
_SILENT = "silent"
_SEGMENT_S = 5.0
_POLL_S = 0.05
# Beeps come each second, and the first GOP has no sound track yet.
_HEARD_S = 5.0
# The agent starts, and a camera process with it, on a machine that does other things as well.
_START_S = 12.0


def cameras(seconds: float) -> dict[str, tuple[str, Habits]]:
    """By name, each with the coding of its sound, which is asked for during `seconds`."""
    second, third = seconds / 3, 2 * seconds / 3
    return {
        _SILENT: ("aac", Habits()),
        "aac": ("aac", Habits()),
        "g711": ("pcm_mulaw", Habits()),
        "late": ("aac", Habits(silences=((0.0, second),))),
        "stops": ("pcm_alaw", Habits(silences=((second, 1e9),))),
        "restarts": ("aac", Habits(silences=((second, third),))),
        "leaps": ("pcm_mulaw", Habits(leaps=((second, -40_000.0), (third, 90_000.0)))),
        "off": ("aac", Habits(has_sound=False)),
        "mute": ("aac", Habits(silences=((0.0, 1e9),))),
        "unreported": ("aac", Habits(reports_s=None)),
    }


@dataclass(slots=True)
class _Waits:
    """How long the newest second of a camera was not on disk, at its worst, by its labels and this process's clock."""

    agent: AgentUnderTest
    names: Sequence[str]
    worst_s: dict[str, float]

    def look(self, stop: threading.Event) -> None:
        newest: dict[str, int] = {}
        while not stop.wait(_POLL_S):
            for name in self.names:
                end_ns = _newest_end_ns(self.agent, name)
                known = newest.get(name)
                if known is not None:
                    self.worst_s[name] = max(self.worst_s.get(name, 0.0), seconds_between(known, time.time_ns()))
                if end_ns is not None:
                    newest[name] = end_ns


def _newest_end_ns(agent: AgentUnderTest, camera: str) -> int | None:
    try:
        scans = agent.scans(camera)[-1:]
    except (OSError, ValueError, SegmentDamaged):
        return None
    return next((scan.span.end_ns for _, scan in scans if scan.span is not None), None)


def sound(folder: Path, seconds: float, kills: int, ffmpeg: str, *, names: Sequence[str] = ()) -> list[str]:
    """Record all of them at once for a while, then kill everything as often as `kills`."""
    chosen = {name: each for name, each in cameras(seconds).items() if not names or name in names}
    folder.mkdir(parents=True, exist_ok=True)
    # The cameras begin before the agent, which takes its time on a busy machine.
    lasts_s = seconds + kills * (_START_S + 8) + 20
    films = {
        codec: make_flashes(folder, FlashSettings(f"{codec}.mov", codec, rate_hz, seconds=lasts_s))
        for codec, rate_hz in (("aac", 48_000), ("pcm_mulaw", 8_000), ("pcm_alaw", 8_000))
        if any(codec == each for each, _ in chosen.values())
    }
    with ExitStack() as stack:
        played = {
            name: stack.enter_context(SpeakingCamera(films[codec], habits)) for name, (codec, habits) in chosen.items()
        }
        setups = tuple(
            CameraSetup(name, camera.url, "" if name == _SILENT else "audio = true") for name, camera in played.items()
        )
        agent = AgentUnderTest(folder / "agent", cameras=setups, vision=False, segment_s=_SEGMENT_S)
        lines = [*_recorded(agent, played, seconds), *_heard(agent, tuple(chosen), folder)]
        if kills:
            lines.append(_killed(agent, tuple(chosen), kills))
        lines.append(_accounted(agent, tuple(chosen), ffmpeg))
    return lines


def _recorded(agent: AgentUnderTest, played: Mapping[str, SpeakingCamera], seconds: float) -> list[str]:
    names = tuple(played)
    listened_to = [each for name, each in played.items() if name != _SILENT and each.habits.has_sound]
    waits = _Waits(agent, names, {})
    stop = threading.Event()
    with agent:
        began_s = time.monotonic()
        for name in names:
            agent.wait_for_footage(name, 25)
        looking = threading.Thread(target=waits.look, args=(stop,), name="waits")
        looking.start()
        before_s, asked_s = _cpu_s(agent, names), time.monotonic()
        threading.Event().wait(max(seconds - (time.monotonic() - began_s), 5.0))
        wait_until(lambda: all(each.heard_s > _HEARD_S for each in listened_to), "sound is not asked for", limit_s=30.0)
        past_s = time.monotonic() - asked_s
        cpu = {name: 100 * (spent - before_s[name]) / past_s for name, spent in _cpu_s(agent, names).items()}
        stop.set()
        looking.join()
        agent.stop()
    for name in names:
        (run,) = agent.runs(name)
        assert run.missing == 0, (name, run)
    usual_s = waits.worst_s[_SILENT]
    longest_s = round(max(max(waits.worst_s[name] - usual_s, 0.0) for name in names), 2)
    assert longest_s <= WAIT_S, waits.worst_s
    frames = sum(agent.runs(name)[0].frames for name in names)
    told = ", ".join(f"{name} {waits.worst_s[name]:.2f}" for name in names)
    costs = ", ".join(f"{name} {cpu[name] - cpu[_SILENT]:+.2f}" for name in names if name != _SILENT)
    return [
        f"sound: {len(names)} cameras for {seconds:.0f} s, {frames} pictures, 0 missing; longest wait of video for"
        f" sound {longest_s} s (newest picture not on disk, worst in s: {told})",
        f"sound: a camera process without it takes {cpu[_SILENT]:.2f} % of a core; with it, in points: {costs}",
    ]


def _cpu_s(agent: AgentUnderTest, names: Sequence[str]) -> dict[str, float]:
    """User and system time of each camera's process so far."""
    pids = agent.pids()
    spent = {name: psutil.Process(pids[f"camera-{name}"]).cpu_times() for name in names}
    return {name: each.user + each.system for name, each in spent.items()}


def _heard(agent: AgentUnderTest, names: Sequence[str], folder: Path) -> list[str]:
    lines: list[str] = []
    for name in names:
        segments = [each for each, _ in agent.scans(name)]
        syncs = [measure(agent.data_dir / each.path()) for each in segments]
        in_segments = [each for sync in syncs for each in sync.offsets_ms]
        clip_ms, files = _clip(agent, name, folder / f"{name}.mp4")
        worst_ms = max((abs(each) for each in (*in_segments, *clip_ms)), default=0.0)
        flashes = sum(len(sync.flashes_s) for sync in syncs)
        lines.append(
            f"sound {name}: {len(in_segments)} of {flashes} flashes with their beep in {len(segments)} segments,"
            f" {len(clip_ms)} in a clip of {files} files; lip sync worst {worst_ms:.1f} ms"
        )
        if name in ("off", "mute", _SILENT):
            assert not in_segments, name
        elif name != "unreported":
            assert in_segments, name
            assert clip_ms, name
            assert worst_ms <= LIP_SYNC_MS, lines[-1]
    return lines


def _clip(agent: AgentUnderTest, camera: str, out: Path) -> tuple[list[float], int]:
    """A clip of all but the first and last seconds: its offsets, and how many files it takes."""
    found = [each for name, _ in agent.scans(camera) if (each := read_segment(agent.data_dir, name)) is not None]
    spans = [each.scan.span for each in found if each.scan.span is not None]
    asked = WallSpan(spans[0].start_ns + 2 * NS_PER_S, spans[-1].end_ns - 2 * NS_PER_S)
    plan = plan_clip(camera, found, asked)
    assert not plan.is_partial, plan.gaps
    made = export_clip(plan, agent.data_dir, out)
    for each in made:
        verify_clip(each.path, each.sha256)
    return [offset for each in made for offset in measure(Path(each.path)).offsets_ms], len(made)


def _killed(agent: AgentUnderTest, names: Sequence[str], kills: int) -> str:
    lost_s: dict[str, float] = {}
    for number in range(kills):
        before = {name: len(agent.runs(name)) for name in names}
        agent.start()
        for name in names:
            runs = before[name]
            wait_until(lambda name=name, runs=runs: len(agent.runs(name)) > runs, f"no {name}", limit_s=40.0)
        threading.Event().wait(1.3 + 0.73 * number % 4)
        killed_ns = agent.kill_all()
        for name in names:
            lost = seconds_between(agent.runs(name)[-1].end_wall_ns, killed_ns)
            lost_s[name] = max(lost, lost_s.get(name, 0.0))
    with_sound = {name: lost for name, lost in lost_s.items() if name != _SILENT}
    # Against the camera without: a machine that does much else is late with both.
    assert max(with_sound.values()) <= lost_s[_SILENT] + WAIT_S, lost_s
    return (
        f"sound: kill -9 of everything x {kills}: at most {max(with_sound.values())} s lost with sound,"
        f" {lost_s[_SILENT]} s without"
    )


def _accounted(agent: AgentUnderTest, names: Sequence[str], ffmpeg: str) -> str:
    """Torn ends are repaired, the index equals the disk, everything plays, and every second of the day has a name."""
    assert agent.index_differences() == []
    files = 0
    for name in names:
        for segment, _ in agent.scans(name):
            argv = [ffmpeg, "-v", "error", "-i", str(agent.data_dir / segment.path()), "-f", "null", "-"]
            told = subprocess.run(argv, capture_output=True, check=True)
            assert not told.stderr, f"{segment}: {told.stderr.decode()}"
            files += 1
    conn = open_store(agent.data_dir, readonly=True)
    try:
        day = account.civil_day(conn, datetime.now(ZoneInfo("Asia/Bangkok")).date())
        told_all = account.account(conn, agent.data_dir, list(names), day, time.time_ns())
    finally:
        conn.close()
    reasons: dict[str, set[str]] = {}
    for told in told_all:
        seconds = told.recorded_s + sum(gap.span.duration_ns for gap in told.gaps) / NS_PER_S
        assert abs(seconds - 86_400) < 0.001, (told.camera, seconds)
        reasons[told.camera] = {str(gap.reason) for gap in told.gaps}
    assert all(each == reasons[_SILENT] for each in reasons.values()), reasons
    return (
        f"sound: {files} segments all play, index equals disk; each camera's day sums to 86400 s, and its gaps have the"
        f" reasons of the camera without sound ({', '.join(sorted(reasons[_SILENT]))})"
    )
