"""`wayside centre desired`: a node's configuration from afar, signed, sent and waited for."""

from __future__ import annotations

import sys
import time
import tomllib
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from agent.centre.desired import (
    add_signatures,
    is_in_force,
    newest_report,
    next_revision,
    read_document,
    send_document,
    sign_document,
)
from agent.cli.asking import find_node
from agent.cli.desk import Desk, at_desk
from agent.cli.faults import EXIT_FAILED
from agent.cli.settings import JsonOption
from agent.contract.commands import Jws
from agent.contract.pinned import PinnedKey, PinnedKeys
from agent.contract.states import Desired, Reported
from agent.contract.topics import NodeAddress
from agent.contract.wire import decode, encode
from agent.errors import UsageError, WireError

NodeOption = Annotated[str, typer.Option("--node", help="org/site/node, or the node's id where it is unique")]


@at_desk
def desired(
    desk: Desk,
    file: Annotated[
        Path, typer.Argument(help="TOML as in wayside.toml, only what shall change; or a .jws to sign too")
    ],
    node: NodeOption,
    *,
    revision: Annotated[int, typer.Option(help="0: the next one after what the node has reported", min=0)] = 0,
    upload_host: Annotated[list[str] | None, typer.Option(help="where clips may go; all of them, each time")] = None,
    keys: Annotated[Path | None, typer.Option(help="the new list of keys to obey; left out, as before")] = None,
    confirm_within_s: Annotated[int, typer.Option("--confirm-within", min=20, max=900)] = 180,
    to: Annotated[
        Path | None, typer.Option(help="write the signed document there for a second person's --sign")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Change a node's configuration. It is tried, kept when the node is well under it, and taken back when not.

    Exit 1 when the node refuses it or takes it back.
    """
    with desk.connected("state") as client:
        address = find_node(client, node)
    with desk.connected("reported") as client:
        before = newest_report(client, address)
        if file.suffix == ".jws":
            jws, document = _other_persons(file, address)
            jws = add_signatures(jws, desk.keys)
        else:
            document = _document(
                desk,
                address,
                file,
                revision=revision or next_revision(before),
                upload_hosts=tuple(upload_host or ()),
                keys=keys,
                confirm_within_s=confirm_within_s,
            )
            jws = sign_document(document, desk.keys)
        if to is not None:
            _write(to, jws)
            print(
                f"revision {document.revision} written to {to}; a second person: wayside centre desired {to} --sign …"
            )
            return
        # A trial may last as long as the document says, and the node's connection comes back within that.
        limit_s = document.confirm_within_s + 60.0
        step = None if as_json else _print_step
        report = send_document(client, address, jws, timeout_s=limit_s, before=before, on_report=step)
    print(encode(report).decode() if as_json else _end(report, document.revision))
    raise typer.Exit(0 if is_in_force(report, document.revision) else EXIT_FAILED)


def _document(
    desk: Desk,
    address: NodeAddress,
    file: Path,
    *,
    revision: int,
    upload_hosts: tuple[str, ...],
    keys: Path | None,
    confirm_within_s: int,
) -> Desired:
    return Desired(
        v=1,
        aud=address.urn,
        iss=desk.actor,
        revision=revision,
        iat=int(time.time()),
        config=msgspec.Raw(msgspec.json.encode(_read_toml(file))),
        upload_hosts=upload_hosts,
        keys=_read_keys(keys) if keys else None,
        confirm_within_s=confirm_within_s,
    )


def _read_toml(path: Path) -> dict[str, object]:
    """Raises UsageError. What it means is judged by the node, which knows its own file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise UsageError(file=str(path), remedy=f"it cannot be read as TOML: {exc}") from exc


def _read_keys(path: Path) -> tuple[PinnedKey, ...]:
    try:
        return decode(path.read_bytes(), PinnedKeys).keys
    except (OSError, WireError) as exc:
        raise UsageError(keys=str(path), remedy="it is no list of keys as the node's command_keys") from exc


def _other_persons(path: Path, address: NodeAddress) -> tuple[Jws, Desired]:
    """Shown before it is signed: a signature is given to what was read."""
    try:
        jws, document = read_document(path.read_bytes())
    except (OSError, WireError) as exc:
        raise UsageError(file=str(path), remedy="it is no signed document") from exc
    if document.aud != address.urn:
        raise UsageError(file=str(path), remedy=f"it is for {document.aud}")
    print(
        f"you sign for {document.aud}, revision {document.revision}: {bytes(document.config).decode()}", file=sys.stderr
    )
    print(f"upload hosts: {', '.join(document.upload_hosts) or 'none'}", file=sys.stderr)
    if document.keys is not None:
        print(f"obeys from then on: {', '.join(each.actor for each in document.keys)}", file=sys.stderr)
    return jws, document


def _write(path: Path, jws: Jws) -> None:
    try:
        path.write_bytes(encode(jws) + b"\n")
    except OSError as exc:
        raise UsageError(to=str(path), remedy=f"it cannot be written ({exc.strerror})") from exc


def _print_step(report: Reported) -> None:
    if report.trying is not None:
        print(f"revision {report.trying} is tried", file=sys.stderr)


def _end(report: Reported, revision: int) -> str:
    if is_in_force(report, revision):
        return f"revision {revision} is in force since {report.at}"
    head = f"revision {revision} is not in force; {report.revision or 'the local file'} is"
    return "\n  ".join([head, *report.errors])
