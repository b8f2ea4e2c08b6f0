"""`wayside centre refresh`, `restart`, `renew` and `open-setup`: a node tended from the centre."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from agent.cli.asking import Wish, ask
from agent.cli.centre_hold import NodeOption, PurposeOption, TimeoutOption
from agent.cli.desk import Desk, at_desk
from agent.cli.settings import JsonOption
from agent.contract.commands import CommandName
from agent.contract.tending import (
    AgentRestartArgs,
    AgentRestartResult,
    CertRenewArgs,
    CertRenewResult,
    ConfigRefreshArgs,
    ConfigRefreshResult,
    SetupOpenArgs,
    SetupOpenResult,
)
from agent.contract.wire import decode, encode
from agent.errors import UsageError


@at_desk
def refresh(
    desk: Desk,
    node: NodeOption,
    *,
    purpose: PurposeOption = "configuration read again",
    timeout_s: TimeoutOption = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Have a node read its configuration, its scenes and its desired document again. Exit 3 when a file is wrong."""
    answer = ask(desk, node, Wish(CommandName.CONFIG_REFRESH, ConfigRefreshArgs(), purpose, timeout_s))
    result = decode(answer.result, ConfigRefreshResult)
    if as_json:
        print(encode(result).decode())
    else:
        revision = "none" if result.revision is None else str(result.revision)
        print(f"configuration {result.config_sha256[:12] or 'unreadable'}, desired revision {revision}")
        if result.is_edited:
            print("  edited on the node since that revision")
        for fault in result.faults:
            print(f"  wrong: {fault}")
    raise typer.Exit(3 if result.faults else 0)


@at_desk
def restart(
    desk: Desk,
    node: NodeOption,
    purpose: PurposeOption,
    *,
    process: Annotated[str, typer.Option(help="all, node, vision or camera")] = "all",
    camera: Annotated[str, typer.Option(help="the camera's id: its process alone")] = "",
    timeout_s: TimeoutOption = 120.0,
    as_json: JsonOption = False,
) -> None:
    """End processes of a node in order and wait until they are back; a camera has a gap of some seconds."""
    wanted = {"process": "camera" if camera else process, "camera": camera or None}
    try:
        args = msgspec.convert(wanted, AgentRestartArgs)
    except msgspec.ValidationError as exc:
        remedy = "--camera c01, or --process all, node or vision"
        raise UsageError(process=process, camera=camera, remedy=remedy) from exc
    answer = ask(desk, node, Wish(CommandName.AGENT_RESTART, args, purpose, timeout_s))
    result = decode(answer.result, AgentRestartResult)
    if as_json:
        print(encode(result).decode())
        return
    for each in result.processes:
        print(f"{each.process} {each.camera}".strip() + f" is back after {each.away_s:.1f} s")


@at_desk
def renew(
    desk: Desk,
    node: NodeOption,
    *,
    purpose: PurposeOption = "new papers",
    timeout_s: TimeoutOption = 180.0,
    as_json: JsonOption = False,
) -> None:
    """Have a node ask its office for a new certificate and new papers now, whether they are due or not."""
    answer = ask(desk, node, Wish(CommandName.CERT_RENEW, CertRenewArgs(), purpose, timeout_s))
    result = decode(answer.result, CertRenewResult)
    print(encode(result).decode() if as_json else f"certificate {result.serial}, good until {result.not_after}")


@at_desk
def open_setup(
    desk: Desk,
    node: NodeOption,
    purpose: PurposeOption,
    *,
    timeout_s: TimeoutOption = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Let a technician at a node open its page without pressing the button. Two sign: --sign mine.pem,theirs.pem.

    PIN and work order are still asked for there."""
    answer = ask(desk, node, Wish(CommandName.SETUP_OPEN, SetupOpenArgs(), purpose, timeout_s))
    result = decode(answer.result, SetupOpenResult)
    if as_json:
        print(encode(result).decode())
    else:
        until = "" if result.until is None else f" until {result.until}"
        print(f"set-up is {result.state}{until}: the page asks for PIN and work order")
