"""What the register holds, as records. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Settings:
    """Of the whole office: where nodes enrol (https://…), which broker they speak to, the sites' time zone."""

    enrol_url: str
    broker_url: str
    timezone: str = "Asia/Bangkok"


@dataclass(frozen=True, slots=True)
class Organisation:
    org: str
    name: str


@dataclass(frozen=True, slots=True)
class CameraRecord:
    """`retention_days` None: nobody wrote how long; the product's default then holds."""

    id: str
    name: str = ""
    purpose: str = ""
    retention_days: int | None = None


@dataclass(frozen=True, slots=True)
class SiteRecord:
    """`lat` and `lon` in degrees, WGS 84."""

    site: str
    org: str
    district: str = ""
    name: str = ""
    lat: float | None = None
    lon: float | None = None
    cameras: tuple[CameraRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportCounts:
    """What reading a register file did. Nothing is ever removed by it."""

    organisations_added: int = 0
    sites_added: int = 0
    sites_changed: int = 0
    sites_unchanged: int = 0
    cameras_added: int = 0
    cameras_changed: int = 0
    cameras_unchanged: int = 0


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """A work order as the register keeps it. `spki_sha256`: the expected key, or None."""

    id: str
    org: str
    site: str
    claim_sha256: str
    iat_s: int
    exp_s: int
    spki_sha256: str | None = None
    replaces: str | None = None
    used_by: str | None = None
    is_withdrawn: bool = False


class Approval(StrEnum):
    WAITING = "waiting"
    APPROVED = "approved"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class Applicant:
    """A key that asked with an order naming none. The office compares the six words before it approves."""

    order: str
    org: str
    site: str
    node: str
    spki_sha256: str
    asked_s: int
    hardware: str
    software: str
    approval: Approval


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """A node that was granted papers once. `not_after_s` is of its newest certificate."""

    node: str
    org: str
    site: str
    spki_sha256: str
    kid: str
    public_pem: str
    since_s: int
    serial: str
    not_after_s: int
    replaces: str | None = None
    revoked_s: int | None = None
    revoked_reason: str = ""
    accepted_s: int | None = None

    @property
    def is_revoked(self) -> bool:
        return self.revoked_s is not None


@dataclass(frozen=True, slots=True)
class AclNode:
    """What a broker's access list needs to know of one node."""

    org: str
    site: str
    node: str
    is_revoked: bool


class MemberRole(StrEnum):
    """At the broker: who stores events and says `ack`, who asks nodes, which organisation hears its own sites."""

    RECEIVER = "receiver"
    DESK = "desk"
    PARTNER = "partner"


@dataclass(frozen=True, slots=True)
class MemberRecord:
    """A client of the broker that is no node. `name` is its certificate's common name; `org` and `sites` bound a
    PARTNER; without sites it hears all of its organisation's."""

    name: str
    role: MemberRole
    org: str = ""
    sites: tuple[str, ...] = ()
