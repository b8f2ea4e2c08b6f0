"""A grant taken in: believed, written down whole, and only then in force; and the steps around it.

The grant itself is written first and everything else follows from it, so an installation that a power cut broke off is
finished by `complete` at the next start.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from agent import log
from agent.config import Config, decode_config
from agent.contract.enrolment import GRANT_TYP, OFFICE_ACTOR, OFFICE_ROLE, Anchors, Grant, WorkOrder
from agent.contract.pinned import PinnedKey, PinnedKeys
from agent.contract.wire import decode, encode
from agent.enrolment import audit
from agent.enrolment.certificate import CertificateFacts, check_issuer, read_certificate
from agent.enrolment.configuration import LocalPaths, merge, to_toml
from agent.enrolment.home import DEFAULT_DATA, DEFAULT_RUNTIME, NodeHome
from agent.enrolment.nodekey import NodeKey, load_key
from agent.enrolment.orders import MAX_ORDER_CHARS, office_keys
from agent.enrolment.standing import EnrolmentRecord, Standing
from agent.errors import ConfigError, EnrolmentError, SignatureError, WireError
from agent.signing import unverified_payload, verify_compact

_AGAIN: Final = "ask the office for a new work order"

_log = log.get("papers")


def await_grant(home: NodeHome, order_text: str, order: WorkOrder) -> None:
    """Remember the order that a grant is awaited for. A node that has papers keeps them until better ones come."""
    home.write(home.order, order_text.strip().encode("ascii") + b"\n")
    record = home.load_enrolment()
    if record.state in (Standing.NEW, Standing.WAITING):
        key = load_key(home)
        waiting = EnrolmentRecord(
            state=Standing.WAITING,
            node=key.node,
            org=order.org,
            site=order.site,
            order=order.order,
            replaces=order.replaces,
            enrol_url=order.enrol_url,
        )
        home.save_enrolment(waiting)


def read_grant(text: str, anchors: Anchors, key: NodeKey, now_s: int) -> Grant:
    """The grant in `text`, once an office key signed it for this organisation and this key.

    Raises EnrolmentError: `malformed`, `unknown_key`, `bad_signature`, `wrong_type`, `wrong_org`, `wrong_key`,
    `wrong_ca`, `bad_certificate`, `expired`.
    """
    try:
        if len(text) > MAX_ORDER_CHARS:
            raise SignatureError(reason="malformed", remedy="it is too large for a grant")
        grant = decode(verify_compact(text, office_keys(anchors), typ=GRANT_TYP), Grant)
        facts = read_certificate(grant.certificate)
        check_issuer(grant.certificate, grant.anchors.ca)
    except SignatureError as exc:
        raise EnrolmentError(reason=str(exc.facts.get("reason")), remedy=f"{exc.remedy}; {_AGAIN}") from exc
    except WireError as exc:
        raise EnrolmentError(reason="malformed", detail=exc.facts.get("detail"), remedy=_AGAIN) from exc
    if grant.org != anchors.org or grant.anchors.org != anchors.org:
        raise EnrolmentError(reason="wrong_org", org=grant.org, remedy=f"this node belongs to {anchors.org}")
    if grant.node != key.node or facts.common_name != key.node or facts.spki_sha256 != key.spki_sha256:
        raise EnrolmentError(reason="wrong_key", node=grant.node, remedy=f"this grant is another node's; {_AGAIN}")
    # A clock behind the office's signed time yields to it (provisioning, flow 4).
    if max(now_s, grant.iat) >= facts.not_after_s:
        raise EnrolmentError(reason="expired", not_after_s=facts.not_after_s, remedy=_AGAIN)
    return grant


def install_grant(home: NodeHome, grant_text: str, now_s: int) -> Grant:
    """Believe a grant and put it in force: certificate, CA bundle, anchors, configuration, and the state ENROLLED.

    A node in service stays so. Installing the same grant again changes nothing. Raises EnrolmentError as `read_grant`
    does, `old_revision` for one that is older than what is in force, `bad_config`.
    """
    key = load_key(home)
    with home.locked():
        grant = read_grant(grant_text.strip(), home.load_anchors(), key, now_s)
        record = home.load_enrolment()
        is_same_place = (record.org, record.site) == (grant.org, grant.site)
        if is_same_place and grant.revision < record.revision:
            remedy = f"revision {record.revision} is in force; {_AGAIN}"
            raise EnrolmentError(reason="old_revision", revision=grant.revision, remedy=remedy)
        # Before anything is changed: a grant whose configuration does not fit must not half be taken.
        _merged(home, grant)
        text = grant_text.strip() + "\n"
        home.write(home.grant, text.encode("ascii"))
        _apply(home, grant, text, record)
    return grant


def complete(home: NodeHome) -> bool:
    """Finish an installation that was broken off; whether there was something to finish. Raises EnrolmentError."""
    text = home.read_text(home.grant)
    if text is None:
        return False
    key = load_key(home)
    with home.locked():
        record = home.load_enrolment()
        if record.grant_sha256 == _digest(text):
            # Believed when its digest was written down; only the last step may be missing.
            return _finish(home, decode(unverified_payload(text), Grant))
        # In its own time: a grant whose certificate has ended since is completed all the same, so that it can renew.
        grant = read_grant(text.strip(), home.load_anchors(), key, 0)
        _apply(home, grant, text, record)
    return True


@dataclass(frozen=True, slots=True)
class PaperFacts:
    """What the node tells of its papers in `info`. `not_after_s` is Unix seconds."""

    key_fingerprint: str
    not_after_s: int
    replaces: str | None


def paper_facts(certificate: Path) -> PaperFacts | None:
    """Of the certificate in use and the record beside it; None where there is none that can be read."""
    home = NodeHome(certificate.parent)
    try:
        pem = home.read(certificate)
        if pem is None:
            return None
        facts = read_certificate(pem)
        return PaperFacts(facts.spki_sha256, facts.not_after_s, home.load_enrolment().replaces)
    except (EnrolmentError, SignatureError) as exc:
        _log.warning("papers cannot be read", problem=str(exc))
        return None


def enter_service(home: NodeHome, *, by: str) -> None:
    """The acceptance is signed: from here on the node listens to nobody. `by` is who accepted it."""
    with home.locked():
        record = home.load_enrolment()
        if record.state not in (Standing.ENROLLED, Standing.IN_SERVICE):
            raise EnrolmentError(reason="not_enrolled", state=record.state.value, remedy="enrol the node first")
        audit.note(home, "in_service", order=record.order, detail=by)
        home.save_enrolment(msgspec.structs.replace(record, state=Standing.IN_SERVICE))
        home.remove(home.window)


def load_config(home: NodeHome) -> Config | None:
    """wayside.toml; None where there is none. Raises ConfigError."""
    text = home.read_text(home.config)
    return None if text is None else decode_config(text, name=str(home.config))


def write_config(home: NodeHome, config: Config) -> bool:
    """Put a configuration in force; whether it differs from what stood there. Comments of the old one are lost."""
    return home.write_if_changed(home.config, to_toml(config).encode())


def _merged(home: NodeHome, grant: Grant) -> Config:
    runtime = os.environ.get("WAYSIDE_RUNTIME") or DEFAULT_RUNTIME
    paths = LocalPaths(
        data_dir=os.environ.get("WAYSIDE_DATA") or str(DEFAULT_DATA),
        runtime_dir=str(runtime),
        ca=str(home.ca),
        certificate=str(home.certificate),
        key=str(home.key),
        command_keys=str(home.command_keys),
    )
    try:
        existing = load_config(home)
    except ConfigError as exc:
        remedy = f"repair or remove {Path(home.config).name}: its cameras would be lost"
        raise EnrolmentError(reason="bad_config", detail=str(exc), remedy=remedy) from exc
    merged = merge(grant.config, existing, paths)
    if (merged.node.org, merged.node.site, merged.node.id) != (grant.org, grant.site, grant.node):
        raise EnrolmentError(reason="bad_config", detail="it is another node's", remedy=_AGAIN)
    return merged


def _apply(home: NodeHome, grant: Grant, text: str, record: EnrolmentRecord) -> None:
    """The certificate before the configuration that names it. The new anchors need not hold the key that signed this
    grant, so they follow when it need not be believed again."""
    facts = read_certificate(grant.certificate)
    home.write_if_changed(home.ca, grant.anchors.centre_ca.encode())
    home.write_if_changed(home.certificate, grant.certificate.encode())
    home.write_if_changed(home.command_keys, encode(_obeyed(grant.anchors)) + b"\n")
    write_config(home, _merged(home, grant))
    audit.note(home, "granted", order=grant.order, detail=f"serial {facts.serial}, revision {grant.revision}")
    home.save_enrolment(_record_of(grant, facts, record, _digest(text)))
    _finish(home, grant)
    _log.info("papers installed", node=grant.node, site=grant.site, serial=facts.serial, revision=grant.revision)


def _obeyed(anchors: Anchors) -> PinnedKeys:
    """The office's own command key and those of the people it named."""
    return PinnedKeys(
        v=1,
        keys=tuple(
            PinnedKey(actor=key.actor or OFFICE_ACTOR, role=key.role or OFFICE_ROLE, public_key=key.pem)
            for key in anchors.keys
            if key.use == "command"
        ),
    )


def _finish(home: NodeHome, grant: Grant) -> bool:
    """Whether something was still to do. The PIN's plain text is needed no longer: it is on the technician's paper."""
    has_label = home.label.exists()
    if has_label:
        home.remove(home.label)
    return home.write_if_changed(home.anchors, encode(grant.anchors) + b"\n") or has_label


def _record_of(grant: Grant, facts: CertificateFacts, record: EnrolmentRecord, digest: str) -> EnrolmentRecord:
    is_moved = (record.org, record.site) != (grant.org, grant.site)
    stays_in_service = record.state is Standing.IN_SERVICE and not is_moved
    return EnrolmentRecord(
        state=Standing.IN_SERVICE if stays_in_service else Standing.ENROLLED,
        node=grant.node,
        org=grant.org,
        site=grant.site,
        order=grant.order,
        replaces=grant.replaces,
        serial=facts.serial,
        not_before_s=facts.not_before_s,
        not_after_s=facts.not_after_s,
        enrol_url=grant.enrol_url,
        revision=grant.revision,
        granted_s=grant.iat,
        grant_sha256=digest,
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("ascii", "replace")).hexdigest()
