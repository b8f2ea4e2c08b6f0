"""The register's truth brought to the broker: first who may come in, then who must go, then who may say what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent import log
from agent.contract.topics import NodeAddress
from provisioning.broker.acl import Member, NodeRow
from provisioning.broker.kit import Papers, banished, write_access, write_gate
from provisioning.broker.session import end_session, is_running, reload
from provisioning.broker.settings import KitPaths, Listening

_log = log.get("broker_kit")


@dataclass(frozen=True, slots=True)
class Register:
    """What the broker must know of the office."""

    nodes: Sequence[NodeRow]
    members: Sequence[Member]
    papers: Papers


@dataclass(frozen=True, slots=True)
class Synchronised:
    """`files` by name that were replaced; `banished` nodes, whose sessions were ended if the broker runs;
    `needs_restart`: the settings themselves changed, which mosquitto reads at its start only."""

    files: frozenset[str]
    banished: frozenset[NodeAddress]
    is_running: bool
    needs_restart: bool


def synchronise(paths: KitPaths, register: Register, listening: Listening, *, now_s: float) -> Synchronised:
    """Bring the kit up to date and its broker with it. Doing it again changes nothing.

    A revoked node is refused before its session is ended, so it cannot come back, and loses its lines after, so that a
    synchronisation that broke off ends the session when it is done again. Raises RegisterError, BrokerUnreachable.
    """
    files = write_gate(paths, register.papers, listening, now_s=now_s)
    gone = banished(paths, register.nodes)
    runs = is_running(paths)
    if runs and files:
        reload(paths)
    if runs:
        for address in sorted(gone):
            end_session(paths, address)
            _log.info("session ended", node=address.node, reason="revoked")
    access = write_access(paths, register.nodes, register.members)
    if runs and access:
        reload(paths)
    return Synchronised(files | access, gone, runs, runs and paths.conf.name in files)
