"""A node configured from afar over a real broker: kept, refused, taken back, and never led back to an old document."""

from __future__ import annotations

import signal
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from agent.centre.client import CentreClient, CentreOptions
from agent.centre.desired import newest_report, next_revision, send_document, sign_document
from agent.contract.commands import Jws
from agent.contract.pinned import PinnedKeys
from agent.contract.states import Desired, Reported
from agent.contract.topics import FleetFilter
from agent.contract.wire import encode
from agent.store import STORE_NAME
from tests.broker import Broker, unused_port, wait_until
from tests.commands.attacks import MALI, SOMCHAI, Person
from tests.faults.ear import ADDRESS
from tests.faults.rig import AgentUnderTest

_WITHIN_S = 25


def desired(folder: Path, broker: Broker) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    keys = folder / "keys.json"
    keys.write_bytes(encode(PinnedKeys(v=1, keys=(SOMCHAI.pinned, MALI.pinned))))
    agent = AgentUnderTest(folder, broker=broker, vision=False, segment_s=2.0, trust=f'command_keys = "{keys}"')
    with agent, _Office(broker) as office:
        agent.wait_for_footage("c01", 60)
        lines = [_kept(agent, office), _grave(office), *_taken_back(agent, office)]
        lines.append(_edited(agent, office))
        oldest = office.sent[0]
        lines.append(_never_back(office, oldest, "replayed"))
    (folder / "data" / STORE_NAME).unlink()
    with agent, _Office(broker) as office:
        lines.append(_never_back(office, oldest, "replayed after a lost store"))
    return lines


class _Office:
    """Signs and sends; a context. The oldest document it sent is kept for a replay."""

    def __init__(self, broker: Broker) -> None:
        self.client = CentreClient(CentreOptions(broker.url, actor="somchai", hears=(FleetFilter().of("reported"),)))
        self.sent: list[Jws] = []
        self.newest: Reported | None = None
        self.took_s = 0.0

    def __enter__(self) -> _Office:
        self.client.connect()
        self.newest = newest_report(self.client, ADDRESS)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def is_edit_told(self) -> bool:
        """Whether the newest report says that the file itself is wrong; waits a moment for another one."""
        self.newest = newest_report(self.client, ADDRESS, limit_s=0.3) or self.newest
        return self.newest is not None and any("wayside.toml" in each for each in self.newest.errors)

    def send(self, config: object, *signers: Person) -> tuple[int, Reported]:
        """The revision it got, and the node's last word on it."""
        revision = next_revision(self.newest)
        document = Desired(
            v=1,
            aud=ADDRESS.urn,
            iss="somchai",
            revision=revision,
            iat=int(time.time()),
            config=msgspec.Raw(msgspec.json.encode(config)),
            confirm_within_s=_WITHIN_S,
        )
        self.sent.append(sign_document(document, [each.key for each in signers]))
        began_s = time.monotonic()
        self.newest = report = send_document(self.client, ADDRESS, self.sent[-1], timeout_s=90.0)
        self.took_s = time.monotonic() - began_s
        return revision, report


def _kept(agent: AgentUnderTest, office: _Office) -> str:
    camera = agent.pids()["camera-c01"]
    node = agent.pids()["node"]
    revision, report = office.send({"storage": {"keep_days": 40}}, SOMCHAI)
    assert (report.revision, report.errors) == (revision, ()), report
    assert _written(agent)["storage"]["keep_days"] == 40
    assert agent.pids()["camera-c01"] == camera and agent.pids()["node"] != node
    return (
        f"desired: in force and confirmed {office.took_s:.1f} s after it was sent; the camera went on without a break"
    )


def _grave(office: _Office) -> str:
    refused, report = office.send({"storage": {"keep_days": 7}}, SOMCHAI, SOMCHAI)
    assert report.rejected_revision == refused and "second_signature_due" in report.errors[0], report
    revision, report = office.send({"storage": {"keep_days": 7}}, SOMCHAI, MALI)
    assert report.revision == revision, report
    return "desired: shorter retention refused under one person's two signatures, taken under two people's"


def _taken_back(agent: AgentUnderTest, office: _Office) -> Sequence[str]:
    before = (agent.folder / "wayside.toml").read_bytes()
    lines = []
    dead = unused_port()
    for what, config in (
        ("broker", {"broker": {"url": f"mqtt://127.0.0.1:{dead}"}}),
        ("camera", {"camera": [{"id": "c01", "main": f"rtsp://127.0.0.1:{dead}/none"}]}),
        ("cable", {"camera": [{"id": "c01", "main": "v4l2:/dev/video-none"}]}),
    ):
        revision, report = office.send(config, SOMCHAI, MALI)
        assert report.rejected_revision == revision and report.errors, report
        assert (agent.folder / "wayside.toml").read_bytes() == before
        lines.append(
            f"desired: a dead {what} taken back {office.took_s:.1f} s after it was sent (stated: {_WITHIN_S} s),"
            f" because: {'; '.join(report.errors)}"
        )
    frames = sum(run.frames for run in agent.runs("c01"))
    wait_until(lambda: sum(run.frames for run in agent.runs("c01")) > frames, "it does not record again", limit_s=40.0)
    return lines


def _edited(agent: AgentUnderTest, office: _Office) -> str:
    """Half a configuration is saved, and then every process is killed."""
    path = agent.folder / "wayside.toml"
    right = path.read_text()
    path.write_text(right[: len(right) // 2])
    wait_until(office.is_edit_told, "a wrong edit was not told", limit_s=1.0)
    frames = sum(run.frames for run in agent.runs("c01"))
    for name in ("camera-c01", "node"):
        old = agent.pids()[name]
        agent.hurt(name, signal.SIGKILL)
        agent.wait_for_new(name, old)
    wait_until(lambda: sum(run.frames for run in agent.runs("c01")) > frames + 30, "it records no more", limit_s=40.0)
    office.newest = None
    wait_until(office.is_edit_told, "a wrong edit was forgotten with the process", limit_s=2.0)
    path.write_text(right)
    wait_until(lambda: not office.is_edit_told(), "that it is right again was not told", limit_s=2.0)
    return "desired: half a configuration saved and its processes killed: told, and recorded on as before"


def _never_back(office: _Office, oldest: Jws, what: str) -> str:
    """A document that was in force once, as it was signed, put on the topic again."""
    before = office.newest
    assert before is not None
    office.client.publish(ADDRESS.desired, encode(oldest), is_retained=True)
    refused: list[Reported] = []

    def is_refused() -> bool:
        report = newest_report(office.client, ADDRESS)
        refused.extend([report] if report is not None else [])
        return bool(refused) and any("replayed" in each for each in refused[-1].errors)

    wait_until(is_refused, "a replayed document was not refused")
    assert refused[-1].revision == before.revision, refused
    return f"desired: the first document {what}: refused, revision {before.revision} stays in force"


def _written(agent: AgentUnderTest) -> dict[str, dict[str, object]]:
    return tomllib.loads((agent.folder / "wayside.toml").read_text())
