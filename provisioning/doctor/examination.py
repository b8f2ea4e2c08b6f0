"""Reading a node's facts where they lie: its papers, configuration, sockets, store and footage. Changes nothing."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.clock import Clock
from agent.config import Config
from agent.enrolment.home import NodeHome
from agent.errors import ConfigError, EnrolmentError, StoreError
from agent.link_frame import socket_address
from agent.messaging import outbox
from agent.processes.entry import load_config
from agent.store import open_store
from agent.units import NS_PER_S, WallSpan
from provisioning.checks.node import CheckGround, run_checks
from provisioning.checks.result import CheckResult, Verdict
from provisioning.doctor.diagnosis import AgentFacts, judge_agent, judge_outbox, judge_papers, judge_recording

# Long enough to show what fails again and again, short enough that yesterday's repair is forgotten.
_LOOK_BACK_S: Final = 3600
_SOCKET_LIMIT_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Patient:
    """`home` may be a desk's folder; `config` is its wayside.toml unless another was named."""

    home: NodeHome
    config: Path
    root: Path = Path("/")


def examine(patient: Patient, clock: Clock) -> Iterator[CheckResult]:
    """Each finding as soon as it is known; the slow ones, which ask others, come last."""
    now_s = clock.wall_ns() / NS_PER_S
    try:
        record = patient.home.load_enrolment()
        yield judge_papers(record, now_s)
        centre_url = record.enrol_url
    except EnrolmentError as exc:
        yield CheckResult("papers", Verdict.FAILED, "damaged", facts={"problem": str(exc)})
        centre_url = ""
    config: Config | None = None
    try:
        config = load_config(patient.config)
    except ConfigError as exc:
        reason = "wrong" if patient.config.exists() else "missing"
        yield CheckResult("configuration", Verdict.FAILED, reason, facts={"problem": str(exc)})
    if config is not None:
        yield _judge_configuration(config)
        yield judge_agent(_agent_facts(config))
        yield from _judge_store(config, clock)
    data_dir = Path(config.data_dir) if config is not None else Path("/var/lib/wayside")
    ca = str(patient.home.ca) if patient.home.ca.exists() else ""
    yield from run_checks(CheckGround(data_dir, config, centre_url, ca, patient.root), clock)


def _judge_configuration(config: Config) -> CheckResult:
    facts = {"cameras": len(config.cameras)}
    if not config.cameras:
        return CheckResult("configuration", Verdict.FAILED, "no_camera", facts=facts)
    if config.trust == "open":
        return CheckResult("configuration", Verdict.WARNING, "open_trust", facts=facts)
    return CheckResult("configuration", Verdict.OK, "ok", facts=facts)


def _agent_facts(config: Config) -> AgentFacts:
    runtime_dir = Path(config.runtime_dir)
    return AgentFacts(
        is_node_there=_answers(runtime_dir / "node.sock"),
        is_vision_there=_answers(runtime_dir / "vision.sock"),
        is_vision_wanted=config.vision.enabled,
    )


def _answers(path: Path) -> bool:
    """Whether somebody listens there; a file that a killed process left behind does not."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.settimeout(_SOCKET_LIMIT_S)
        try:
            caller.connect(socket_address(path))
        except OSError:
            return False
    return True


def _judge_store(config: Config, clock: Clock) -> Iterator[CheckResult]:
    from agent.recording import account

    data_dir = Path(config.data_dir)
    try:
        with closing(open_store(data_dir, readonly=True)) as conn:
            yield judge_outbox(_outbox_status(conn), clock.wall_ns())
            known = account.cameras(conn)
            for camera in config.cameras:
                if camera.id not in known:
                    facts = {"camera": camera.id}
                    yield CheckResult("recording", Verdict.FAILED, "not_provisioned", camera.id, facts)
                    continue
                now_ns = clock.wall_ns()
                span = WallSpan(now_ns - _LOOK_BACK_S * NS_PER_S, now_ns)
                yield judge_recording(account.account(conn, data_dir, [camera.id], span, now_ns)[0])
    except (StoreError, sqlite3.Error) as exc:
        yield CheckResult("store", Verdict.FAILED, "unusable", facts={"problem": str(exc)})


def _outbox_status(conn: sqlite3.Connection) -> outbox.OutboxStatus | None:
    try:
        return outbox.status(conn)
    except StoreError:
        return None
