"""The centre's `desired` document: believed, judged, put on trial, kept or taken back, and `reported`.

One stage owns it. The uplink's thread hands documents in (`offer`) and asks what to report (`reported`); commands ask
for the hosts to which clips may go (`upload_hosts`).
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from agent import log
from agent.clock import Clock
from agent.commands.pinned import check_signatures
from agent.commands.ration import Ration
from agent.commands.trust import Signatures, Trust
from agent.config import Config
from agent.contract.commands import decode_jws, from_base64url
from agent.contract.events import AUDIT, SECURITY, AuditData, EventData, SecurityData
from agent.contract.states import Desired, Reported
from agent.contract.topics import NodeAddress
from agent.contract.wire import MAX_MESSAGE_BYTES, decode
from agent.errors import ConfigError, WireError
from agent.mailbox import Mailbox
from agent.processes.desired_apply import Before, Change, confirm, put_in_force, revert
from agent.processes.desired_judge import Distrust, Novelty, Standing, digest_of, judge_desired, lacks_second
from agent.processes.desired_keys import check_keys, keys_differ
from agent.processes.desired_merge import merge_desired
from agent.processes.desired_record import DesiredRecord, RecordFile, config_digest
from agent.processes.desired_trial import Seen, Step, ailments, next_step
from agent.processes.desired_weight import check_hosts, grave_changes
from agent.store import transaction
from agent.units import NS_PER_S, format_rfc3339

_QUEUE: Final = 20
_WAIT_S: Final = 0.5
# A person's mistakes come singly; what an attacker can cause is said at a bounded rate (agent.commands.telling).
_BURST: Final = 5
_EVERY_S: Final = 60.0

_log = log.get("desired")


@dataclass(frozen=True, slots=True)
class DesiredParts:
    """What the desk stands on. `look` tells how the node is, `lately` which cameras have recorded in the last minutes,
    `changed` that `reported` should be said anew; `tell` is NodeHands.tell. All are called on the stage's thread."""

    config: Config
    path: Path
    address: NodeAddress
    boot_id: str
    clock: Clock
    connect: Callable[[], sqlite3.Connection]
    tell: Callable[[sqlite3.Connection, str, EventData, str], None]
    look: Callable[[], Seen]
    lately: Callable[[sqlite3.Connection], frozenset[str]]
    changed: Callable[[], None]
    stop: threading.Event


class DesiredDesk:
    """`run_once` is the body of the stage "desired"; the rest is for any thread."""

    def __init__(self, parts: DesiredParts) -> None:
        self._parts = parts
        self._files = RecordFile(parts.path, Path(parts.config.data_dir), parts.address.urn)
        self._record: DesiredRecord = self._files.load()
        self._inbox: Mailbox[bytes] = Mailbox(_QUEUE)
        self._refused = Ration(_BURST, _EVERY_S)
        self._forgeries = Ration(_BURST, _EVERY_S)
        self._runs = config_digest(parts.config)
        self._well_since_mono_ns: int | None = None
        self._last_refused = ""
        self._refusal: tuple[int | None, str] | None = None
        self._local_errors: tuple[str, ...] = ()
        self._begun_at = format_rfc3339(parts.clock.wall_ns())

    @property
    def runs(self) -> str:
        """The digest of the configuration that this process was begun with."""
        return self._runs

    def upload_hosts(self) -> tuple[str, ...]:
        return self._record.upload_hosts

    def offer(self, payload: bytes) -> None:
        """Queue a document; a full queue drops it, and the broker brings it again at the next connection."""
        if not self._inbox.put(payload[: MAX_MESSAGE_BYTES + 1]):
            _log.warning("desired queue full")

    def local_faults(self, errors: tuple[str, ...]) -> None:
        """What is wrong with the files as they lie on the disk now; the processes go on as they were begun."""
        if errors != self._local_errors:
            self._local_errors = errors
            self._parts.changed()

    def reported(self) -> Reported:
        record, refusal = self._record, self._refusal
        rejected = record.rejected_revision if refusal is None else refusal[0]
        errors = record.errors if refusal is None else (refusal[1],)
        return Reported(
            revision=record.revision,
            at=record.since or self._begun_at,
            rejected_revision=rejected,
            errors=(*errors, *self._local_errors),
            trying=record.trial.revision if record.trial else None,
            is_edited=record.revision is not None and record.trial is None and record.config != self._runs,
        )

    def run_once(self) -> None:
        """Serve until stopped. Raises StoreError, DiskError: tried again after the stage's back-off."""
        conn = self._parts.connect()
        try:
            while not self._parts.stop.is_set():
                self.settle(conn)
                payload = self._inbox.take(_WAIT_S)
                if payload is not None:
                    self.receive(conn, payload)
        finally:
            conn.close()

    def settle(self, conn: sqlite3.Connection) -> None:
        """Look after the trial, and tell of what ended. Raises StoreError, DiskError."""
        self._watch_trial()
        self._settle_told(conn)
        mono_ns = self._parts.clock.mono_ns()
        count = self._refused.settle(mono_ns) + self._forgeries.settle(mono_ns)
        if count:
            self._warn(conn, "many_desired_refused", f"{count} more were not written down one by one")

    def receive(self, conn: sqlite3.Connection, message: bytes) -> None:
        """Believe, judge and put in force one document. Nothing it contains raises out of here."""
        if len(message) > MAX_MESSAGE_BYTES:
            self._forged(conn, f"more than {MAX_MESSAGE_BYTES} bytes")
            return
        try:
            jws = decode_jws(message)
            payload = from_base64url(jws.payload)
            document = decode(payload, Desired)
        except WireError as exc:
            self._forged(conn, str(exc))
            return
        trust = Trust(self._parts.config.trust)
        keys = Path(self._parts.config.command_keys) if self._parts.config.command_keys else None
        signed = Signatures() if trust is Trust.OPEN else check_signatures(jws, keys)
        digest = digest_of(payload)
        verdict = judge_desired(document, digest, signed, self._standing(trust))
        if isinstance(verdict, Distrust):
            self._refuse(conn, document, signed, digest, verdict)
        elif verdict is Novelty.NEW:
            self._weigh(conn, document, digest, signed)

    def _standing(self, trust: Trust) -> Standing:
        clock, record = self._parts.clock, self._record
        return Standing(
            trust=trust,
            urn=self._parts.address.urn,
            floor=record.floor,
            document=record.document,
            wall_s=clock.wall_ns() // NS_PER_S,
            is_clock_synced=clock.status().quality.value == "synced",
        )

    def _weigh(self, conn: sqlite3.Connection, document: Desired, digest: str, signed: Signatures) -> None:
        present = self._parts.config
        try:
            config = merge_desired(document.config, present)
            check_hosts(document.upload_hosts)
            check_keys(document.keys, present)
        except ConfigError as exc:
            self._refuse(conn, document, signed, digest, Distrust("invalid", str(exc), is_authentic=True))
            return
        grave = list(grave_changes(present, config))
        if set(document.upload_hosts) != set(self._record.upload_hosts):
            grave.append("upload_hosts change")
        if keys_differ(document.keys, present):
            grave.append("keys change")
        if grave and lacks_second(signed, Trust(present.trust)):
            message = f"it needs the signatures of two different actors: {'; '.join(grave)}"[:500]
            self._refuse(conn, document, signed, digest, Distrust("second_signature_due", message, is_authentic=True))
            return
        seen = self._parts.look()
        before = Before(
            config=present,
            # One that is just being started anew, after the document before perhaps, was well too.
            streaming=tuple(sorted(seen.streaming | self._parts.lately(conn))),
            had_vision=seen.has_vision,
            boot_id=self._parts.boot_id,
            mono_ns=self._parts.clock.mono_ns(),
            at=format_rfc3339(self._parts.clock.wall_ns()),
        )
        actors = ", ".join(sorted({each.actor for each in signed.signers})) or document.iss
        self._refusal, self._well_since_mono_ns = None, None
        self._now(put_in_force(self._files, Change(document, digest, config, actors), before))

    def _watch_trial(self) -> None:
        trial = self._record.trial
        if trial is None:
            return
        mono_ns = self._parts.clock.mono_ns()
        wrong = ailments(trial, self._parts.config, self._parts.look())
        if wrong:
            self._well_since_mono_ns = None
        elif self._well_since_mono_ns is None:
            self._well_since_mono_ns = mono_ns
        step = next_step(trial, is_well=not wrong, well_since_mono_ns=self._well_since_mono_ns, mono_ns=mono_ns)
        at = format_rfc3339(self._parts.clock.wall_ns())
        if step is Step.CONFIRM:
            self._now(confirm(self._files, at))
        elif step is Step.REVERT:
            self._now(revert(self._files, wrong or ("it was not well for long enough",), at))

    def _refuse(
        self, conn: sqlite3.Connection, document: Desired, signed: Signatures, digest: str, why: Distrust
    ) -> None:
        """For the record, and once for each document however often the broker brings it."""
        if not why.is_authentic:
            self._forged(conn, f"{why.reason}: {why.message}")
            return
        if digest == self._last_refused:
            return
        self._last_refused = digest
        _log.warning("desired configuration refused", revision=document.revision, reason=why.reason)
        self._refusal = (document.revision, f"{why.reason}: {why.message}"[:500])
        actors = ", ".join(sorted({each.actor for each in signed.signers})) or document.iss
        if self._refused.take(self._parts.clock.mono_ns()):
            self._audit(conn, document.revision, "rejected", f"{why.reason}: {why.message}"[:500], actors)
        self._parts.changed()

    def _forged(self, conn: sqlite3.Connection, problem: str) -> None:
        """Somebody who may publish on `desired` sends what nobody signed: an operator must look at it. It changes
        nothing of what is reported."""
        if not self._forgeries.take(self._parts.clock.mono_ns()):
            return
        _log.warning("desired configuration not believed", problem=problem)
        self._warn(conn, "desired_refused", f"desired: {problem}"[:500])

    def _warn(self, conn: sqlite3.Connection, kind: str, detail: str) -> None:
        data = SecurityData(kind=kind, detail=detail, at=format_rfc3339(self._parts.clock.wall_ns()))
        with transaction(conn):
            self._parts.tell(conn, SECURITY, data, "")

    def _settle_told(self, conn: sqlite3.Connection) -> None:
        """Write the end of a document into the audit, at least once. Raises DiskError, StoreError."""
        told = self._record.untold
        if told is None:
            return
        self._audit(conn, told.revision, told.outcome, told.reason, told.actors)
        self._now(msgspec.structs.replace(self._record, untold=None))
        self._files.save(self._record)

    def _audit(self, conn: sqlite3.Connection, revision: int, outcome: str, reason: str, actors: str) -> None:
        data = AuditData(
            action="desired",
            actor=actors,
            role="",
            outcome=outcome,
            at=format_rfc3339(self._parts.clock.wall_ns()),
            purpose=f"revision {revision}",
            reason=reason,
        )
        with transaction(conn):
            self._parts.tell(conn, AUDIT, data, "")

    def _now(self, record: DesiredRecord) -> None:
        self._record = record
        self._parts.changed()
