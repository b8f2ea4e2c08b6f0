"""How far a node is on its way into service, and what is written down about it. Pure."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Standing(StrEnum):
    """NEW has a key, WAITING asked the centre, ENROLLED has a certificate, IN_SERVICE was accepted."""

    NEW = "new"
    WAITING = "waiting"
    ENROLLED = "enrolled"
    IN_SERVICE = "in_service"


class EnrolmentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """enrolment.json. `serial` is lower-case hex, times are Unix seconds; empty and 0 before enrolment."""

    v: int = 1
    state: Standing = Standing.NEW
    node: str = ""
    org: str = ""
    site: str = ""
    order: str = ""
    replaces: str | None = None
    serial: str = ""
    not_before_s: int = 0
    not_after_s: int = 0
    enrol_url: str = ""
    revision: int = 0
    granted_s: int = 0
    # Of grant.jws, so that one that was not taken in to its end is known for it.
    grant_sha256: str = ""
