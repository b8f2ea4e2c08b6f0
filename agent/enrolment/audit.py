"""What was done to this node while somebody could do it: one JSON line each, never rewritten."""

from __future__ import annotations

import os

import msgspec

from agent.clock import SystemClock
from agent.contract.wire import encode
from agent.enrolment.home import GROUP_MODE, NodeHome
from agent.enrolment.moment import now
from agent.errors import EnrolmentError
from agent.units import format_rfc3339


class AuditLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`what` is a machine word. `at` is the wall clock, which may be wrong; `boot_id` and `mono_s` are not. `peer` is
    the address that asked, `order` the work order by which."""

    what: str
    at: str
    clock: str
    boot_id: str
    mono_s: float
    order: str = ""
    peer: str = ""
    reason: str = ""
    detail: str = ""


def note(home: NodeHome, what: str, *, order: str = "", peer: str = "", reason: str = "", detail: str = "") -> None:
    """Append and fsync one line. Raises EnrolmentError: what cannot be written down must not be done."""
    clock, moment = SystemClock(), now()
    line = AuditLine(
        what=what,
        at=format_rfc3339(clock.wall_ns()),
        clock=clock.status().quality.value,
        boot_id=moment.boot_id,
        mono_s=round(moment.mono_s, 3),
        order=order,
        peer=peer,
        reason=reason,
        detail=detail,
    )
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        is_new = not home.audit.exists()
        descriptor = os.open(home.audit, flags, GROUP_MODE)
        try:
            if is_new and os.geteuid() == 0:
                owner = home.root.stat()
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
            os.write(descriptor, encode(line) + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as exc:
        remedy = "check owner, mode and space of the node's home"
        raise EnrolmentError(reason="home", file=str(home.audit), error=exc.strerror or "", remedy=remedy) from exc
