"""The stage "outlook": what the node foresees, as alerts, raised before a promise breaks and cleared when it holds."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from agent.clock import Clock, ClockQuality
from agent.commands.outlook import Outlook, look
from agent.messaging.alarm import Alarm, AlarmKind
from agent.recording.holdshare import size_words
from agent.units import DAY_S, NS_PER_S, format_rfc3339

_LOOK_S: Final = 300.0
# Whoever reviews a hold needs a week's notice of its end.
_DUE_NS: Final = 7 * DAY_S * NS_PER_S
_NAMED: Final = 5


def keep_outlook(
    data_dir: Path,
    connect: Callable[[], sqlite3.Connection],
    clock: Clock,
    alarm: Callable[[Alarm], None],
    stop: threading.Event,
) -> None:
    """Body of the stage: it owns its connection for as long as it lives. An unsure clock foresees nothing."""
    conn = connect()
    told: dict[AlarmKind, str] = {}
    try:
        while not stop.is_set():
            if clock.status().quality is not ClockQuality.UNSYNCED:
                now_ns = clock.wall_ns()
                seen = look(conn, data_dir, now_ns, clock.mono_ns() / NS_PER_S)
                for each in changes(told, details(seen, now_ns, was_short=AlarmKind.FOOTAGE_SHORT in told)):
                    alarm(each)
            stop.wait(_LOOK_S)
    finally:
        conn.close()


def changes(told: dict[AlarmKind, str], now: Mapping[AlarmKind, str]) -> list[Alarm]:
    """What to say; `told` holds what is raised. Other words for what is raised already are not told again."""
    found: list[Alarm] = []
    for kind, detail in now.items():
        if detail and kind not in told:
            found.append(Alarm(kind, is_active=True, detail=detail))
            told[kind] = detail
        elif not detail and told.pop(kind, ""):
            found.append(Alarm(kind, is_active=False))
    return found


def details(seen: Outlook, now_wall_ns: int, *, was_short: bool = False) -> dict[AlarmKind, str]:
    """Of each alarm what it says now; empty: nothing is wrong. What `was_short` must be kept whole to be so no more."""
    return {
        AlarmKind.FOOTAGE_SHORT: _short(seen, was_short=was_short),
        AlarmKind.DISK_WEARING: _wearing(seen),
        AlarmKind.HOLD_DUE: _due(seen, now_wall_ns),
    }


def _short(seen: Outlook, *, was_short: bool) -> str:
    short = [each for each in seen.cameras if (each.is_below_promise if was_short else each.is_short)]
    if not short:
        return ""
    names = "; ".join(f"{each.camera} {each.days:.1f} of {each.promised_days} days" for each in short[:_NAMED])
    more = f"; and {len(short) - _NAMED} more cameras" if len(short) > _NAMED else ""
    held = size_words(seen.share.held_bytes + seen.incident_held_bytes)
    return (
        f"footage will not be kept as long as promised: {names}{more}. The ring has {size_words(seen.ring_bytes)},"
        f" holds keep {held}: lower a camera's bit rate, release holds, give the ring more room, or promise less"
    )


def _wearing(seen: Outlook) -> str:
    disk = seen.endurance
    if not disk.is_short:
        return ""
    used = "unknown" if disk.used_ratio is None else f"{disk.used_ratio:.0%}"
    ends = f", at this pace used up on {disk.worn_out.isoformat()}" if disk.worn_out else ""
    until = f"; the site is planned until {disk.service_until.isoformat()}" if disk.service_until else ""
    return f"the disk's rated writes are used to {used}{ends}{until} ({disk.rating.source}): plan its exchange"


def _due(seen: Outlook, now_wall_ns: int) -> str:
    due = [each for each in seen.staff if 0 < each.expires_wall_ns <= now_wall_ns + _DUE_NS]
    if not due:
        return ""
    names = "; ".join(
        f"{each.hold_id} of {each.camera} ({each.reference or each.reason}) ends"
        f" {format_rfc3339(each.expires_wall_ns)}, to be looked at by {each.reviewer or each.actor}"
        for each in due[:_NAMED]
    )
    more = f"; and {len(due) - _NAMED} more" if len(due) > _NAMED else ""
    return f"holds end within a week: {names}{more}. Hold the same span anew to keep it"
