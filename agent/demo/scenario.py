"""The main job in one go: a camera, a broker, the agent, the centre; an incident, a clip pulled and proven."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from agent.centre.client import CentreClient, CentreOptions, Request
from agent.centre.requests import ClipRequest, Pulled, PullOptions, pull_clip
from agent.contract.commands import AnswerState, CommandName
from agent.contract.looking import SnapshotArgs, SnapshotResult
from agent.contract.topics import FleetFilter
from agent.contract.wire import decode
from agent.demo.broker import DemoBroker, running_broker
from agent.demo.centre import DemoCentre, HeardIncident
from agent.demo.settings import DEMO_ADDRESS, DEMO_CAMERA, demo_config
from agent.demo.tally import count_frames
from agent.errors import CommandFailed, NoAnswer
from agent.units import NS_PER_S, format_rfc3339, parse_rfc3339

# A clip of an incident: some seconds before it began, and after. Footage is on disk at most 2 s after it happened.
_BEFORE_S: Final = 3
_AFTER_S: Final = 3
_ON_DISK_S: Final = 2.0
# A Pi 4 loads its models in ten seconds; the clip's first person stands in a zone within five.
_FIRST_INCIDENT_S: Final = 60.0
_STOP_S: Final = 20.0


class DemoSummary(msgspec.Struct, frozen=True):
    """The last object of `wayside demo --json`; its names are fixed (product). `tracks` are those that events name."""

    frames_recorded: int
    frames_lost: int
    motion_events: int
    tracks: int
    incidents: int
    clips_requested: int
    clips_delivered: int
    clips_verified: int
    clip: str = ""
    still: str = ""
    data: str = ""

    @property
    def is_good(self) -> bool:
        return self.incidents > 0 and self.clips_verified > 0 and self.frames_lost == 0 and self.frames_recorded > 0


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """`seconds`: how long the camera is watched at least, from its first footage on. `data_dir` keeps the ring
    and, in `demo/`, the clip, the still, what the centre heard and the logs."""

    seconds: float
    data_dir: Path
    say: Callable[[str], None]
    progress: Callable[[float, str], None]


def run_demo(options: DemoOptions) -> DemoSummary:
    """Raises what the parts raise when the demo itself cannot go on: no broker, no agent, no incident, no clip."""
    data_dir = options.data_dir
    folder = data_dir / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    with running_broker(folder) as broker, _running_agent(data_dir, folder, broker) as agent:
        options.say(f"broker: {broker.name} on {broker.url}; agent: pid {agent.pid}; data: {data_dir}")
        client = CentreClient(_centre_options(broker))
        client.connect()
        try:
            with DemoCentre(client, DEMO_ADDRESS, folder, options.say) as centre:
                incident = _first_incident(centre, agent, folder)
                pulled = _pull(client, incident, centre.footage_from_ns, options)
                still = _still(client, incident, folder)
                watched_s = (time.time_ns() - centre.footage_from_ns) / NS_PER_S
                centre.wait_for(lambda: agent.poll() is not None, max(options.seconds - watched_s, 0.0))
                _end(agent)
                counts = _final_counts(centre)
        finally:
            client.close()
    return _summary(data_dir, counts, pulled, still)


def _centre_options(broker: DemoBroker) -> CentreOptions:
    words = DEMO_ADDRESS
    hears = FleetFilter(words.org, words.site, words.node)
    return CentreOptions(url=broker.url, protocol=broker.protocol, actor="demo-staff", hears=(hears.of("evt/#"),))


@contextmanager
def _running_agent(data_dir: Path, folder: Path, broker: DemoBroker) -> Iterator[subprocess.Popen[bytes]]:
    """`wayside run` in a process of its own, its log beside the ring; ended with the context, in order if it can."""
    here = Path(__file__).parent
    config = folder / "wayside.toml"
    # Unix sockets have paths of at most 107 bytes, so the runtime folder is a short one of its own.
    with _short_folder() as runtime_dir, (folder / "agent.log").open("wb") as log:
        text = demo_config(data_dir, runtime_dir, broker, here / "street.mp4", here / "street.toml")
        config.write_text(text, encoding="utf-8")
        argv = [sys.executable, "-m", "agent", "run", "--config", str(config)]
        process = subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            _end(process)


@contextmanager
def _short_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="wayside-") as name:
        yield Path(name)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _first_incident(centre: DemoCentre, agent: subprocess.Popen[bytes], folder: Path) -> HeardIncident:
    centre.wait_for(lambda: bool(centre.incidents) or agent.poll() is not None, _FIRST_INCIDENT_S)
    if not centre.incidents:
        raise NoAnswer(node=DEMO_ADDRESS.node, remedy=f"no incident was heard; see {folder / 'agent.log'}")
    return centre.incidents[0]


def _pull(client: CentreClient, incident: HeardIncident, footage_from_ns: int, options: DemoOptions) -> Pulled:
    """As staff would: a clip around the incident, once its last second is on disk."""
    begin_ns = parse_rfc3339(incident.data.begin or "")
    # The demo's camera was switched on a moment ago: before that there is nothing to ask for.
    span = (max(begin_ns - _BEFORE_S * NS_PER_S, footage_from_ns), begin_ns + _AFTER_S * NS_PER_S)
    wait_s = (span[1] - time.time_ns()) / NS_PER_S + _ON_DISK_S
    threading.Event().wait(max(wait_s, 0.0))
    options.say(f"staff asks for the clip of {incident.data.kind.value} on {incident.camera}")
    request = ClipRequest(
        DEMO_ADDRESS,
        incident.camera,
        format_rfc3339(span[0]),
        format_rfc3339(span[1]),
        purpose=f"incident {incident.incident_id}",
        case_ref="demo",
    )
    pulled = pull_clip(client, request, PullOptions(options.data_dir / "demo" / "clip.mp4"), options.progress)
    if not pulled.files:
        answer = pulled.answer
        raise CommandFailed(state=answer.state.value, reason=answer.reason, remedy=answer.message)
    for file in pulled.files:
        facts = file.facts
        options.say(f"clip: {file.path} ({facts.duration_s:.1f} s, {facts.frames} frames, SHA-256 and boxes verified)")
    return pulled


def _still(client: CentreClient, incident: HeardIncident, folder: Path) -> Path:
    request = Request(DEMO_ADDRESS, CommandName.SNAPSHOT, SnapshotArgs(incident=incident.incident_id), "demo")
    answer = client.ask(request)
    if answer.state is not AnswerState.SUCCEEDED:
        raise CommandFailed(state=answer.state.value, reason=answer.reason, remedy=answer.message)
    path = folder / "incident.jpg"
    path.write_bytes(base64.b64decode(decode(answer.result, SnapshotResult).jpeg_base64))
    return path


@dataclass(frozen=True, slots=True)
class _Counts:
    motion: int
    incidents: int
    tracks: int


def _final_counts(centre: DemoCentre) -> _Counts:
    """After the agent's end: it sent what it had before it said `offline`."""
    centre.wait_for(lambda: False, 0.5)
    return _Counts(centre.counts["motion"], len(centre.incidents), len(centre.tracks))


def _summary(data_dir: Path, counts: _Counts, pulled: Pulled, still: Path) -> DemoSummary:
    frames = count_frames(data_dir, DEMO_CAMERA)
    return DemoSummary(
        frames_recorded=frames.recorded,
        frames_lost=frames.lost,
        motion_events=counts.motion,
        tracks=counts.tracks,
        incidents=counts.incidents,
        clips_requested=1,
        clips_delivered=int(bool(pulled.files)),
        clips_verified=int(bool(pulled.files) and all(file.facts.starts_at_idr for file in pulled.files)),
        clip=str(pulled.files[0].path),
        still=str(still),
        data=os.fspath(data_dir),
    )
