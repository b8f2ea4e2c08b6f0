"""`wayside-provision office nodes | enrol | approve | revoke | anchors | acceptance`: nodes and their papers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.faults import EXIT_FAILED, explained
from agent.cli.settings import JsonOption, json_line
from agent.errors import RegisterError, UsageError
from provisioning.cli.office_options import HERE, OfficeOption, day, now_s, opened, show_table

if TYPE_CHECKING:
    from agent.authority.records import Applicant, NodeRecord

# A request carries an order of 64 KiB in base64 (agent.authority.requests).
_MAX_FILE_BYTES = 1 << 20


def add_commands(app: typer.Typer) -> None:
    """Put this file's commands into the office's application."""
    for command in (nodes, enrol, approve, revoke, anchors, acceptance):
        app.command()(command)


@explained
def nodes(
    office: OfficeOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Nodes with papers, and those that wait for approval with the six words to compare on the phone."""
    from agent.enrolment.words import six_words

    place = opened(office)
    waiting, known = place.waiting(), place.nodes()
    if as_json:
        rows = [_waiting_row(each) for each in waiting], [_node_row(each) for each in known]
        print(json_line({"waiting": rows[0], "nodes": rows[1]}))
        return
    if waiting:
        print("Waiting for approval: compare the words, then `wayside-provision office approve NODE`")
        table = [(each.site, each.node, " ".join(six_words(each.spki_sha256)), day(each.asked_s)) for each in waiting]
        show_table(("site", "node", "six words", "asked"), table)
    columns = ("org", "site", "node", "state", "certificate until", "accepted", "replaces")
    show_table(
        columns,
        (
            (
                each.org,
                each.site,
                each.node,
                f"revoked: {each.revoked_reason}" if each.is_revoked else "in force",
                day(each.not_after_s),
                day(each.accepted_s) if each.accepted_s else "–",
                each.replaces or "",
            )
            for each in known
        ),
    )


@explained
def enrol(
    request: Annotated[Path, typer.Argument(help="the node's request, carried here as a file", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="where the grant is written, to be carried back")],
    office: OfficeOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Answer an enrolment or a renewal that came without a line. Exit 1 when it is refused or waits for approval."""
    from provisioning.office.filing import put

    place, text = opened(office), _text(request)
    answer = place.answer(text, now_s=now_s())
    if answer.grant is not None:
        put(out, answer.grant + "\n")
    if as_json:
        facts = {"state": answer.state, "reason": answer.reason, "message": answer.message}
        print(json_line({**facts, "grant": str(out) if answer.grant else None}))
    elif answer.grant is not None:
        print(f"Granted: carry {out} to the node.")
    else:
        print(f"{answer.state.capitalize()}: {answer.message}")
    if answer.grant is None:
        raise typer.Exit(EXIT_FAILED)


@explained
def approve(
    node: Annotated[str, typer.Argument(help="a node that waits, id or scanned label", show_default=False)],
    office: OfficeOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Let a waiting node in, once its six words were compared; it gets its papers when it asks next."""
    from provisioning.office.labels import node_of

    approved = opened(office).approve(node_of(node), now_s=now_s())
    if as_json:
        print(json_line(_waiting_row(approved)))
    else:
        print(f"{approved.node} may work at {approved.site}; it gets its papers when it asks next.")


@explained
def revoke(
    name: Annotated[str, typer.Argument(help="a node or a work order", show_default=False)],
    reason: Annotated[str, typer.Option("--reason", help="why: stolen, lost, retired …", show_default=False)],
    office: OfficeOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Revoke a node, deny one that waits, or withdraw a work order. It cannot be undone.

    The centre's server tells the broker within minutes; where none runs, `office broker` does.
    """
    from provisioning.office.labels import node_of

    name = node_of(name)
    opened(office).revoke(name, reason, now_s())
    print(json_line({"revoked": name, "reason": reason}) if as_json else f"{name} is good for nothing any more.")


@explained
def anchors(
    org: Annotated[str, typer.Option("--org", help="only this organisation's")] = "",
    out: Annotated[Path | None, typer.Option("--out", help="a boot partition or folder to copy one to")] = None,
    office: OfficeOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """The public file by which a node knows its office. With --out it is copied as wayside-anchors.json, as the image's
    boot partition needs it."""
    from agent.enrolment.first_boot import ANCHORS_FILE

    place = opened(office)
    found = [each.org for each in place.organisations() if org in ("", each.org)]
    if not found or (out is not None and len(found) != 1):
        remedy = (
            f"name one organisation with --org: {', '.join(each.org for each in place.organisations()) or 'none yet'}"
        )
        raise RegisterError(org=org, reason="unknown_org", remedy=remedy)
    paths = {each: place.anchors_path(each) for each in found}
    if out is not None:
        target = out / ANCHORS_FILE
        _copy(paths[found[0]], target)
        paths = {found[0]: target}
    if as_json:
        print(json_line({each: str(path) for each, path in paths.items()}))
        return
    for each, path in paths.items():
        print(f"{each}: {path}")


@explained
def acceptance(
    report: Annotated[
        Path, typer.Argument(help="acceptance.jws, or the report's folder with its pictures", show_default=False)
    ],
    office: OfficeOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Verify an acceptance report by the certificate on record, and keep it. Exit 1 when it cannot be believed.

    Of a folder every file is verified as well: the pictures and the test clip are what was signed.
    """
    from agent.signing import public_from_pem
    from provisioning.acceptance.seal import JWS_NAME, verify_acceptance

    is_folder = report.is_dir()
    accepted = opened(office).accept(_text(report / JWS_NAME if is_folder else report), now_s=now_s())
    node = accepted.node
    if is_folder:
        verify_acceptance(report, public_from_pem(node.public_pem))
    if as_json:
        facts = {"node": node.node, "org": node.org, "site": node.site, "sha256": accepted.sha256}
        print(json_line({**facts, "is_new": accepted.is_new, "has_files": is_folder, "report": accepted.report}))
        return
    print(f"Genuine: signed by {node.node} of {node.site} ({node.org}). SHA-256 {accepted.sha256}")
    print("Every file beside it is what was signed." if is_folder else "Its pictures and clip were not looked at.")
    print("Kept in the register." if accepted.is_new else "It was in the register already.")


def _text(path: Path) -> str:
    """A small file of text. Raises UsageError."""
    try:
        with path.open("rb") as file:
            return file.read(_MAX_FILE_BYTES).decode("utf-8", errors="replace").strip()
    except OSError as exc:
        raise UsageError(
            file=str(path), error=exc.strerror or "", remedy="name the file that was carried here"
        ) from exc


def _copy(source: Path, target: Path) -> None:
    try:
        target.write_bytes(source.read_bytes())
    except OSError as exc:
        raise UsageError(
            file=str(exc.filename), error=exc.strerror or "", remedy="name a folder that is there"
        ) from exc


def _waiting_row(each: Applicant) -> Mapping[str, object]:
    from agent.enrolment.words import six_words

    return {
        "order": each.order,
        "org": each.org,
        "site": each.site,
        "node": each.node,
        "words": six_words(each.spki_sha256),
        "asked": each.asked_s,
        "hardware": each.hardware,
        "software": each.software,
    }


def _node_row(each: NodeRecord) -> Mapping[str, object]:
    return {
        "org": each.org,
        "site": each.site,
        "node": each.node,
        "spki_sha256": each.spki_sha256,
        "serial": each.serial,
        "since": each.since_s,
        "not_after": each.not_after_s,
        "replaces": each.replaces,
        "revoked": each.revoked_s,
        "reason": each.revoked_reason,
        "accepted": each.accepted_s,
    }
