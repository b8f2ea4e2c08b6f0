"""What a node finds wrong and only people can put right: its line to the centre, its disk, its promises. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class AlarmKind(StrEnum):
    """ACK_REFUSED: an ack that cannot be true. EVENT_REFUSED: the broker takes no events, or not of this topic.
    PUBLISH_REFUSED: it refused a state, health or answer. SUBSCRIPTION_REFUSED: commands or acks cannot come.
    BROKER_REFUSED: it does not let this node in. RENEWAL_FAILED: the certificate is due and was not renewed.
    FOOTAGE_SHORT: footage will not be kept as long as promised. DISK_WEARING: the disk will not last. HOLD_DUE: a
    staff hold ends within a week. EDIT_REFUSED: the configuration or a scene was edited wrongly; the old goes on."""

    ACK_REFUSED = "ack_refused"
    EVENT_REFUSED = "event_refused"
    PUBLISH_REFUSED = "publish_refused"
    SUBSCRIPTION_REFUSED = "subscription_refused"
    BROKER_REFUSED = "broker_refused"
    RENEWAL_FAILED = "renewal_failed"
    FOOTAGE_SHORT = "footage_short"
    DISK_WEARING = "disk_wearing"
    HOLD_DUE = "hold_due"
    EDIT_REFUSED = "edit_refused"


@dataclass(frozen=True, slots=True)
class Alarm:
    """Raised, or with `is_active` false taken back. `detail` is for people."""

    kind: AlarmKind
    is_active: bool
    detail: str = ""
