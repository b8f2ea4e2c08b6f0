"""`wayside-provision office person`: who may command the nodes of an organisation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from agent.cli.faults import explained
from agent.errors import UsageError
from provisioning.cli.office_options import HERE, OfficeOption, opened


def add_commands(app: typer.Typer) -> None:
    """Put this file's command into the office's application."""
    app.command()(person)


@explained
def person(
    actor: Annotated[str, typer.Argument(help="a short id, as it will stand in nodes' audits: mali")],
    org: Annotated[str, typer.Option("--org", help="whose nodes", show_default=False)],
    role: Annotated[str, typer.Option("--role", help="as what they ask")] = "operator",
    public: Annotated[Path | None, typer.Option("--public", help="their public key, PEM, P-256")] = None,
    key: Annotated[Path | None, typer.Option("--key", help="make a key of theirs into this file instead")] = None,
    is_removed: Annotated[bool, typer.Option("--remove", help="they may command no more")] = False,
    office: OfficeOption = HERE,
) -> None:
    """Let a person command nodes with a key of their own, or no more. Erasing footage, ending a hold and opening set-up
    need the signatures of two people.

    Nodes learn of it with their next papers: an enrolment, or the renewal after two months.
    """
    if sum((public is not None, key is not None, is_removed)) != 1:
        raise UsageError(remedy="give one of --public FILE, --key FILE and --remove")
    pem = ""
    if public is not None:
        pem = _read(public)
    elif key is not None:
        pem = _make(key)
    anchors = opened(office).set_person(org, actor, role, pem)
    people = [each.actor for each in anchors.keys if each.use == "command" and each.actor]
    print(f"Besides the office itself these may command nodes of {org}: {', '.join(people) or 'nobody'}.")
    print("A node learns of it with its next papers.")


def _make(path: Path) -> str:
    """A new private key there, for its owner's eyes alone; its public key."""
    from agent.signing import key_to_pem, make_key, public_to_pem

    made = make_key()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key_to_pem(made))
    except FileExistsError as exc:
        raise UsageError(key=str(path), remedy="the file is there already; keys are never overwritten") from exc
    except OSError as exc:
        raise UsageError(key=str(path), remedy=f"it cannot be written ({exc.strerror})") from exc
    return public_to_pem(made.public_key())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")[:16_384]
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(public=str(path), remedy="this public key cannot be read") from exc
