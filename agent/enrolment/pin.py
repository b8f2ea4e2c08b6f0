"""The PIN of the node's page: eight digits on the label's tear-off part, and how wrong tries are paid for. Pure.

Only its scrypt hash stays on the node. The lockout knows no wall clock: it counts failures, and its wait runs by the
monotonic clock of the boot. A power cycle begins the wait anew, so a clock that is wrong neither unlocks the page nor
locks it for ever.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from enum import StrEnum
from typing import Final

import msgspec

from agent.contract.commands import base64url, from_base64url
from agent.errors import WireError

PIN_DIGITS: Final = 8
# Provisioning, flow 3: five wrong tries lock for 15 minutes; each further one doubles that, up to a day.
FREE_FAILURES: Final = 5
FIRST_LOCK_S: Final = 15 * 60
MAX_LOCK_S: Final = 24 * 3600
# scrypt (RFC 7914) with N = 2^14, r = 8, p = 5: one of the equivalent minimum settings of the OWASP Password Storage
# Cheat Sheet, the one that needs 16 MiB instead of 128, which a Pi with 1 GB has. 0.2 s of CPU on the server
# core that builds this (measured; a Pi is slower). All 10^8 PINs of a stolen hash are 230 days of that core.
_SCRYPT_N: Final = 1 << 14
_SCRYPT_R: Final = 8
_SCRYPT_P: Final = 5
# OpenSSL refuses above 32 MiB unless told: 128 * N * r for the table, the same again for p blocks and slack.
_SCRYPT_MAX_BYTES: Final = 64 << 20
_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32


class SetupRecord(msgspec.Struct, frozen=True, kw_only=True):
    """setup.json. `failures` counts wrong tries in a row; `failed_boot_id` and `failed_mono_s` say when the last was.
    An attempt is written down as a failure before it is judged, so pulling the plug saves nobody a failure."""

    v: int = 1
    salt: str
    hash: str
    failures: int = 0
    failed_boot_id: str = ""
    failed_mono_s: float = 0.0


class PinVerdict(StrEnum):
    RIGHT = "right"
    WRONG = "wrong"
    LOCKED = "locked"


class PinJudgement(msgspec.Struct, frozen=True, kw_only=True):
    """`wait_s`: how long further tries are refused, 0 when none has to wait. `record` is to be kept."""

    verdict: PinVerdict
    record: SetupRecord
    wait_s: float
    tries_left: int


def new_pin() -> str:
    return f"{secrets.randbelow(10**PIN_DIGITS):0{PIN_DIGITS}d}"


def hash_pin(pin: str) -> SetupRecord:
    """A fresh record for a new PIN."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return SetupRecord(salt=base64url(salt), hash=base64url(_scrypt(pin, salt)))


def is_pin(pin: str, record: SetupRecord) -> bool:
    """Compares in constant time; a damaged record is nobody's PIN. Takes some 0.2 s of CPU on purpose."""
    try:
        salt, expected = from_base64url(record.salt), from_base64url(record.hash)
    except WireError:
        return False
    return hmac.compare_digest(_scrypt(pin, salt), expected)


def lock_s(failures: int) -> float:
    """How long the page is locked after this many wrong tries in a row."""
    if failures < FREE_FAILURES:
        return 0.0
    return float(min(FIRST_LOCK_S * 2 ** min(failures - FREE_FAILURES, 16), MAX_LOCK_S))


def wait_s(record: SetupRecord, boot_id: str, mono_s: float) -> float:
    """What is left of the lock now; 0 when a try may be made."""
    begin_s = record.failed_mono_s if record.failed_boot_id == boot_id else 0.0
    # A record from the future of this boot is damaged or forged: its wait then begins now and is never longer.
    passed_s = max(0.0, mono_s - begin_s)
    return max(0.0, lock_s(record.failures) - passed_s)


def begin_try(record: SetupRecord, boot_id: str, mono_s: float) -> SetupRecord | None:
    """The record with this try counted as a failure, to be written down before the PIN is compared; None: locked."""
    if wait_s(record, boot_id, mono_s) > 0:
        return None
    return msgspec.structs.replace(record, failures=record.failures + 1, failed_boot_id=boot_id, failed_mono_s=mono_s)


def judge_pin(record: SetupRecord, boot_id: str, mono_s: float, *, is_right: bool) -> PinJudgement:
    """What a try at this moment comes to. While locked even the right PIN is refused, and the try is not counted."""
    counted = begin_try(record, boot_id, mono_s)
    if counted is None:
        left_s = wait_s(record, boot_id, mono_s)
        return PinJudgement(verdict=PinVerdict.LOCKED, record=record, wait_s=left_s, tries_left=0)
    if is_right:
        cleared = msgspec.structs.replace(record, failures=0, failed_boot_id="", failed_mono_s=0.0)
        return PinJudgement(verdict=PinVerdict.RIGHT, record=cleared, wait_s=0.0, tries_left=FREE_FAILURES)
    return PinJudgement(
        verdict=PinVerdict.WRONG,
        record=counted,
        wait_s=lock_s(counted.failures),
        tries_left=max(0, FREE_FAILURES - counted.failures),
    )


def _scrypt(pin: str, salt: bytes) -> bytes:
    return hashlib.scrypt(
        pin.encode(), salt=salt, n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P, maxmem=_SCRYPT_MAX_BYTES, dklen=_HASH_BYTES
    )
