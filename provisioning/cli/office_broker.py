"""`wayside-provision office broker | member`: mosquitto's files from the register, and who may come in beside nodes."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.faults import explained
from agent.cli.settings import JsonOption, json_line
from agent.errors import RegisterError
from provisioning.cli.office_options import HERE, OfficeOption, now_s, opened

if TYPE_CHECKING:
    from provisioning.broker.sync import Synchronised

# A revocation reaches the broker in 5 minutes (provisioning, host); a look costs some 20 ms.
_WATCH_S = 60.0
_ROLES = "receiver", "desk", "partner"


def add_commands(app: typer.Typer) -> None:
    """Put this file's commands into the office's application."""
    app.command()(broker)
    app.command()(member)


@explained
def broker(
    out: Annotated[
        Path, typer.Option("--out", help="the kit's folder, where mosquitto's user can read it: not in the office")
    ] = Path("wayside-broker"),
    name: Annotated[
        list[str] | None, typer.Option("--name", help="host or address of the broker; repeat. Default: the office's")
    ] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="default: the office's")] = 0,
    address: Annotated[str, typer.Option("--listen", help="an address of this machine; default: all")] = "",
    user: Annotated[str, typer.Option("--user", help="whom mosquitto becomes when root starts it")] = "mosquitto",
    is_watching: Annotated[bool, typer.Option("--watch", help="stay, and look at the register every minute")] = False,
    office: OfficeOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Write the kit for mosquitto: settings, authorities, revocation lists, its certificate, access list.

    A broker that runs from the kit is told of what changed, and the sessions of revoked nodes are ended. Doing it again
    changes nothing. Run it with --watch, or from a timer, on the broker's machine.
    """
    from provisioning.broker.settings import Listening
    from provisioning.office.broker_kit import keep_in_step, port_of

    place = opened(office)
    listening = Listening(port or port_of(place.settings().broker_url), address, user)
    stop = threading.Event()
    if is_watching:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
    while True:
        done = keep_in_step(place, out, name or (), listening, now_s=now_s())
        _print(done, out, as_json=as_json)
        if not is_watching or stop.wait(_WATCH_S):
            return


@explained
def member(
    name: Annotated[str, typer.Argument(help="its name: certificate, user and client id", show_default=False)],
    role: Annotated[str, typer.Option("--role", help="receiver, desk or partner")] = "desk",
    org: Annotated[str, typer.Option("--org", help="of a partner: whose sites it hears")] = "",
    site: Annotated[list[str] | None, typer.Option("--site", help="of a partner: only this; repeat")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="where its papers go  [default: out/members]")] = None,
    is_dropped: Annotated[bool, typer.Option("--drop", help="take away what it may say and hear")] = False,
    office: OfficeOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Let a client that is no node come to the broker, with papers of its own; `office broker` then tells the broker.

    A receiver stores events and says `ack`; a desk asks nodes; a partner hears its own organisation's sites.
    """
    from agent.authority.records import MemberRecord, MemberRole
    from provisioning.office.broker_kit import file_member

    place, folder = opened(office), out or office / "out" / "members"
    if is_dropped:
        if not place.drop_member(name):
            raise RegisterError(member=name, reason="unknown_member", remedy="there is no such member")
        print(json_line({"dropped": name}) if as_json else f"{name} may say and hear nothing any more.")
        return
    if role not in _ROLES:
        raise RegisterError(role=role, reason="bad_role", remedy=f"write one of {', '.join(_ROLES)}")
    place.put_member(MemberRecord(name, MemberRole(role), org, tuple(site or ())))
    file_member(place, name, folder, now_s=now_s())
    if as_json:
        print(json_line({"member": name, "role": role, "org": org, "papers": str(folder)}))
    else:
        print(f"{name} is a {role}; its papers: {folder / name}.pem, .key and {folder / 'ca.pem'}")


def _print(done: Synchronised, kit: Path, *, as_json: bool) -> None:
    ended = sorted(each.node for each in done.banished)
    if as_json:
        facts = {"kit": str(kit), "written": sorted(done.files), "banished": ended}
        print(json_line({**facts, "is_running": done.is_running, "needs_restart": done.needs_restart}), flush=True)
        return
    print(f"{kit}: {', '.join(sorted(done.files))} written" if done.files else f"{kit} is up to date", flush=True)
    for each in ended:
        print(f"{each} was shut out", flush=True)
    if done.needs_restart:
        print("Its settings changed: restart the broker", flush=True)
