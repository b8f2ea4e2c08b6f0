"""The set-up window of this node, on disk: presence noticed, the window opened and closed, all of it audited.

`python -m agent.enrolment.window may-listen` exits 0 when the page may run now and 1 when it must not;
`note-boot` belongs to every start, `settle-boot` to a minute after it.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Final

import msgspec

from agent import log
from agent.contract.enrolment import WorkOrder
from agent.enrolment import audit
from agent.enrolment.home import DEFAULT_RUNTIME, NodeHome
from agent.enrolment.moment import BootMoment, now
from agent.enrolment.setup import (
    Presence,
    PresenceRecord,
    SetupState,
    SetupStatus,
    Window,
    is_cycled,
    judge_setup,
    note_boot,
    settle_boot,
)
from agent.errors import EnrolmentError, SetupError, WaysideError

# A button's driver makes this file in the runtime folder, which a boot empties; it is used up by the knock it makes.
BUTTON_FILE: Final = "setup-button"
# As a button's: it starts the page, which uses it up. It opens nothing by itself.
CALLED_FILE: Final = "setup-called"


def status(home: NodeHome, moment: BootMoment) -> SetupStatus:
    """Whether the page may listen and do its work now. Raises EnrolmentError where a record is damaged."""
    window = home.load(home.window, Window)
    return judge_setup(home.load_enrolment().state, window, moment.boot_id, moment.mono_s)


def knock(home: NodeHome, runtime_dir: Path, moment: BootMoment) -> SetupStatus:
    """Look for somebody's presence, and let the page of a node in service listen for it: 30 minutes for PIN and order.

    Presence by power cycles knocks once a boot; a button as often as it is pressed.
    """
    with home.locked():
        (runtime_dir / CALLED_FILE).unlink(missing_ok=True)
        before = status(home, moment)
        if before.may_listen:
            return before
        presence = _presence(home, runtime_dir, moment)
        if presence is Presence.NONE:
            return before
        window = Window(boot_id=moment.boot_id, knocked_mono_s=moment.mono_s, presence=presence)
        audit.note(home, "setup_knocked", reason=presence.value)
        home.save(home.window, window)
        (runtime_dir / BUTTON_FILE).unlink(missing_ok=True)
        return status(home, moment)


def call_in(home: NodeHome, runtime_dir: Path, moment: BootMoment, *, actors: str) -> SetupStatus:
    """Two people at the centre let the page of a node in service listen, as a knock would: PIN and order are still due.

    `actors` signed it. Raises EnrolmentError.
    """
    with home.locked():
        if not status(home, moment).may_listen:
            audit.note(home, "setup_knocked", reason=Presence.CENTRE.value, detail=actors)
            home.save(
                home.window,
                Window(boot_id=moment.boot_id, knocked_mono_s=moment.mono_s, presence=Presence.CENTRE),
            )
        try:
            (runtime_dir / CALLED_FILE).touch()
        except OSError as exc:
            remedy = "look at the runtime folder of the node"
            raise EnrolmentError(reason="disk_error", file=str(runtime_dir / CALLED_FILE), remedy=remedy) from exc
        return status(home, moment)


def open_window(home: NodeHome, order: WorkOrder, moment: BootMoment, *, peer: str = "") -> SetupStatus:
    """Open a knocked window: the caller has judged the PIN as right and has read `order` with `read_order`.

    A node that was never accepted is open anyhow. Raises SetupError `closed`.
    """
    with home.locked():
        before = status(home, moment)
        window = home.load(home.window, Window)
        if before.state is SetupState.OPEN:
            return before
        if before.state is SetupState.CLOSED or window is None:
            remedy = "show that you are there: press the button, or switch the power off and on three times"
            raise SetupError(reason="closed", remedy=remedy)
        audit.note(home, "setup_opened", order=order.order, peer=peer, reason=window.presence.value)
        opened = msgspec.structs.replace(window, opened_mono_s=moment.mono_s, order=order.order)
        home.save(home.window, opened)
        return status(home, moment)


def close_window(home: NodeHome, *, reason: str) -> None:
    """End an opening early, when the technician is done."""
    with home.locked():
        if home.load(home.window, Window) is not None:
            audit.note(home, "setup_closed", reason=reason)
            home.remove(home.window)


def register_boot(home: NodeHome, moment: BootMoment, *, is_settled: bool = False) -> None:
    """Note that this boot began, or that it has lasted."""
    with home.locked():
        record = home.load(home.presence, PresenceRecord) or PresenceRecord()
        noted = note_boot(record, moment.boot_id)
        if is_settled:
            noted = settle_boot(noted, moment.boot_id)
        if noted != record:
            home.save(home.presence, noted)


def _presence(home: NodeHome, runtime_dir: Path, moment: BootMoment) -> Presence:
    if (runtime_dir / BUTTON_FILE).exists():
        return Presence.BUTTON
    window = home.load(home.window, Window)
    has_knocked = window is not None and window.boot_id == moment.boot_id
    record = home.load(home.presence, PresenceRecord) or PresenceRecord()
    return Presence.POWER_CYCLES if is_cycled(record, moment.boot_id) and not has_knocked else Presence.NONE


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="window", description=__doc__)
    parser.add_argument("what", choices=["may-listen", "note-boot", "settle-boot", "close"])
    parser.add_argument("--home", type=Path, default=None, help="the node's home (default $WAYSIDE_HOME, /etc/wayside)")
    parser.add_argument("--runtime", type=Path, default=None, help="default $WAYSIDE_RUNTIME, /run/wayside")
    arguments = parser.parse_args(argv)
    log.setup()
    home = NodeHome(arguments.home) if arguments.home else NodeHome.default()
    runtime = arguments.runtime or Path(os.environ.get("WAYSIDE_RUNTIME") or DEFAULT_RUNTIME)
    try:
        match arguments.what:
            case "may-listen":
                return 0 if knock(home, runtime, now()).may_listen else 1
            case "close":
                close_window(home, reason="closed")
            case _:
                register_boot(home, now(), is_settled=arguments.what == "settle-boot")
    except WaysideError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
