"""One command from a desk to one node, and what a person sees when the node says no."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import typer

from agent.centre.client import CentreClient, Request
from agent.cli.desk import Desk
from agent.cli.faults import EXIT_FAILED, EXIT_PARTIAL, EXIT_USAGE
from agent.contract.commands import Answer, AnswerState, CommandName
from agent.contract.topics import NodeAddress
from agent.errors import UsageError, WireError


@dataclass(frozen=True, slots=True)
class Wish:
    """A quick command for a node; `timeout_s` as in CentreClient.ask."""

    name: CommandName
    args: msgspec.Struct
    purpose: str
    timeout_s: float
    case_ref: str = ""


def ask(desk: Desk, node: str, wish: Wish) -> Answer:
    """The answer with its result. Where the node has none, says so in its words and ends the command."""
    with desk.connected("state") as client:
        request = Request(find_node(client, node), wish.name, wish.args, wish.purpose, wish.case_ref)
        answer = client.ask(request, timeout_s=wish.timeout_s)
    if answer.state not in (AnswerState.SUCCEEDED, AnswerState.PARTIAL):
        print(f"wayside: the node answered {answer.state.value} ({answer.reason}): {answer.message}", file=sys.stderr)
        raise typer.Exit(exit_of(answer.state))
    return answer


def exit_of(state: AnswerState) -> int:
    """What a node rejects was asked wrongly."""
    match state:
        case AnswerState.SUCCEEDED:
            return 0
        case AnswerState.PARTIAL:
            return EXIT_PARTIAL
        case AnswerState.REJECTED:
            return EXIT_USAGE
        case _:
            return EXIT_FAILED


def find_node(client: CentreClient, node: str) -> NodeAddress:
    """The address behind `org/site/node`, or behind a node's id that is known to the broker. Raises UsageError."""
    from agent.cli.fleet_view import settled_fleet

    words = node.split("/")
    if len(words) == 3:
        try:
            return NodeAddress(*words)
        except WireError as exc:
            raise UsageError(node=node, remedy=exc.remedy) from exc
    found = settled_fleet(client).addresses(node)
    if len(found) == 1:
        return found[0]
    if not found:
        remedy = "no such node is known here; give org/site/node, or see `wayside centre fleet`"
        raise UsageError(node=node, remedy=remedy)
    names = ", ".join(f"{each.org}/{each.site}/{each.node}" for each in found)
    raise UsageError(node=node, remedy=f"several nodes have this id: {names}")


def require_folder(out: Path) -> None:
    """Before the node is asked: a clip that cannot be put down is not worth its line. Raises UsageError."""
    if out.is_dir() or not out.parent.is_dir():
        raise UsageError(out=str(out), remedy="name a file in a folder that exists")
