"""Who may say and hear what at the broker, as lines of mosquitto's acl_file. Pure.

Everything is forbidden that is not named, and nothing is named by `deny` or `pattern`: a line that is lost or misread
takes away and never gives. A certificate's common name does not bind organisation and site, so each node has lines of
its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from agent.contract.topics import FleetFilter, NodeAddress, check_identifier
from agent.errors import RegisterError, WireError

# Contract, the table of topics: what a node says, and what it hears.
_NODE_SAYS: Final = (
    "state",
    "info",
    "health",
    "reported",
    "cam/+/state",
    "cam/+/live",
    "cam/+/traffic",
    "alert/+",
    "evt/+/+",
    "rsp/+",
)
_NODE_HEARS: Final = ("cmd/+", "desired", "ack")
# Contract, engines at the other end: what a partner organisation's reader gets of its own sites.
_PARTNER_HEARS: Final = ("state", "info", "health", "cam/#", "alert/+", "evt/+/+")


class Role(StrEnum):
    """RECEIVER stores events and alone may say `ack`; DESK asks nodes; PARTNER hears one organisation's sites."""

    RECEIVER = "receiver"
    DESK = "desk"
    PARTNER = "partner"


@dataclass(frozen=True, slots=True)
class Member:
    """A client of the broker that is no node. `name` is its certificate's common name. `org` and `sites` bound a
    PARTNER; without sites it hears all of its organisation's."""

    name: str
    role: Role
    org: str = ""
    sites: tuple[str, ...] = ()


class NodeRow(Protocol):
    """A node of the register (agent.authority.records.AclNode)."""

    @property
    def org(self) -> str: ...

    @property
    def site(self) -> str: ...

    @property
    def node(self) -> str: ...

    @property
    def is_revoked(self) -> bool: ...


def access_list(nodes: Iterable[NodeRow], members: Sequence[Member]) -> str:
    """The whole file; the same for the same register, whatever its order. A revoked node has no line left.

    Raises RegisterError for a name that two clients bear or that cannot stand in the file.
    """
    try:
        blocks = {member.name: _member_lines(member) for member in members}
        if len(blocks) != len(members):
            raise RegisterError(reason="same_name", remedy="each client of the broker needs a name of its own")
        for row in sorted(nodes, key=lambda row: row.node):
            address = NodeAddress(row.org, row.site, row.node)
            if row.node in blocks:
                raise RegisterError(reason="same_name", node=row.node, remedy="two clients bear this name")
            if not row.is_revoked:
                blocks[row.node] = _node_lines(address)
    except WireError as exc:
        raise RegisterError(reason="bad_name", detail=str(exc), remedy="ids are 1 to 32 of a-z, 0-9 and -") from exc
    return "".join(f"user {name}\n{''.join(lines)}\n" for name, lines in blocks.items())


def door_access_list() -> str:
    """Of the door by which sessions are ended: whoever comes in by it may say of a node that it is lost."""
    state = FleetFilter().of("state")
    return f"topic readwrite {state}\n"


def users_of(access: str) -> frozenset[str]:
    """Whom an access list knows."""
    return frozenset(line.removeprefix("user ") for line in access.splitlines() if line.startswith("user "))


def _node_lines(address: NodeAddress) -> list[str]:
    says = [f"topic write {address.root}/{tail}\n" for tail in _NODE_SAYS]
    return [*says, *(f"topic read {address.root}/{tail}\n" for tail in _NODE_HEARS)]


def _member_lines(member: Member) -> list[str]:
    check_identifier(member.name, what="name")
    every = FleetFilter()
    match member.role:
        case Role.RECEIVER:
            return [f"topic read {every.of('#')}\n", f"topic write {every.of('ack')}\n"]
        case Role.DESK:
            said = [f"topic write {every.of(tail)}\n" for tail in ("cmd/+", "desired")]
            return [f"topic read {every.of('#')}\n", *said]
        case Role.PARTNER:
            check_identifier(member.org, what="org")
            filters = [FleetFilter(org=member.org, site=site) for site in member.sites or ("",)]
            return [f"topic read {each.of(tail)}\n" for each in filters for tail in _PARTNER_HEARS]
