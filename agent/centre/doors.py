"""What stands behind the centre's addresses: the office judges, the answer gets its HTTP status, people hear of it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from agent import log
from agent.authority.office import Office
from agent.centre.server import Reply
from agent.contract.enrolment import EnrolAnswer
from agent.contract.wire import Identifier, Up, decode
from agent.errors import SignatureError, WaysideError, WireError
from agent.signing import unverified_payload

_STATUSES: Final = {"granted": 200, "waiting": 202, "refused": 403}
# The word of a body that was no request at all.
_MALFORMED: Final = "malformed"

_log = log.get("server")


class ReportAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """To POST /v1/acceptance. `reason` is a machine word, `sha256` of the report's text as it came."""

    v: int = 1
    state: str
    sha256: str = ""
    reason: str = ""


class _Asker(Up, frozen=True, kw_only=True):
    node: Identifier


@dataclass(frozen=True, slots=True)
class Dealing:
    """Something that happened at the door. `node` is what a refused request says of itself, believed by nobody."""

    what: str
    state: str
    node: str
    reason: str = ""


class OfficeDoors:
    """Methods run on the server's worker threads; `on_dealing` too: hand it on and return."""

    def __init__(self, office: Office, store: Path, on_dealing: Callable[[Dealing], None]) -> None:
        self._office = office
        self._reports = store / "acceptance"
        self._on_dealing = on_dealing

    def enrol(self, text: str) -> Reply:
        return self._judge("enrol", self._office.enrol, text)

    def renew(self, text: str) -> Reply:
        return self._judge("renew", self._office.renew, text)

    def accept(self, text: str) -> Reply:
        """A report is kept as a file and in the register; the same one again changes nothing."""
        try:
            accepted = self._office.accept(text, now_s=int(time.time()))
            self._write(f"{accepted.node.site}-{accepted.node.node}-{accepted.sha256[:16]}.jws", text)
        except SignatureError as exc:
            reason = str(exc.facts.get("reason", _MALFORMED))
            self._on_dealing(Dealing("acceptance", "refused", _asker(text), reason))
            return Reply(400 if reason == _MALFORMED else 403, ReportAnswer(state="refused", reason=reason))
        except (WaysideError, OSError) as exc:
            return self._unable("acceptance", exc)
        self._on_dealing(Dealing("acceptance", "kept" if accepted.is_new else "known", accepted.node.node))
        return Reply(200, ReportAnswer(state="kept", sha256=accepted.sha256))

    def _judge(self, what: str, decide: Callable[..., EnrolAnswer], text: str) -> Reply:
        try:
            answer = decide(text, now_s=int(time.time()))
        except WaysideError as exc:
            return self._unable(what, exc)
        self._on_dealing(Dealing(what, answer.state, _asker(text), answer.reason))
        return Reply(400 if answer.reason == _MALFORMED else _STATUSES[answer.state], answer)

    def _unable(self, what: str, exc: Exception) -> Reply:
        """The fault is ours: the node asks again later, and is told nothing of our disks."""
        _log.error("request not answered", what=what, problem=str(exc))
        return Reply(503)

    def _write(self, name: str, text: str) -> None:
        """The name is made of ids and a hash; the file is whole or not there."""
        path = self._reports / name
        if path.exists():
            return
        self._reports.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        with part.open("w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        folder = os.open(self._reports, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _asker(text: str) -> str:
    with contextlib.suppress(SignatureError, WireError):
        return decode(unverified_payload(text), _Asker).node
    return ""
