"""`wayside centre verify`: a bundle against what its node had published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent.cli.faults import EXIT_FAILED, explained
from agent.cli.footage_evidence import AuthorityOption
from agent.cli.settings import JsonOption, json_line
from agent.errors import UsageError


@explained
def verify(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE.zip", show_default=False)],
    store: Annotated[Path, typer.Option(help="the folder in which `centre serve` keeps events")] = Path("centre"),
    authority: AuthorityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a bundle as `footage verify` does, and against the seals that its node published while it recorded.

    Exit code 1 when anything in it is not what was signed or not what was published.
    """
    from agent.centre.seals import agree, published_seals
    from agent.contract.topics import NodeAddress
    from agent.recording.bundle_check import check_bundle

    try:
        verdict = check_bundle(bundle, authorities=authority.read_bytes() if authority else b"")
    except OSError as exc:
        raise UsageError(file=str(exc.filename or bundle), remedy=f"it cannot be read ({exc.strerror})") from exc
    wrong = [f"{each.path}: {each.detail}" for each in verdict.findings]
    found = verdict.manifest
    agreement = None
    if found is not None:
        source = NodeAddress(found.org, found.site, found.node).urn
        agreement = agree(found.camera, verdict.links, published_seals(store, source))
        wrong += agreement.contradictions
    last = max(verdict.links, default=0)
    covered = agreement.covered_to if agreement is not None else None
    if as_json:
        seals = agreement.seals if agreement is not None else 0
        print(json_line({"sound": not wrong, "findings": wrong, "seals": seals, "covered_to": covered, "links": last}))
    else:
        _print(bundle, wrong, covered, last)
    if wrong:
        raise typer.Exit(EXIT_FAILED)


def _print(bundle: Path, wrong: list[str], covered: int | None, last: int) -> None:
    for line in wrong:
        print(line)
    if wrong:
        print(f"{bundle} is not what its node recorded.")
        return
    print(f"{bundle} is what was signed, every byte of it.")
    if covered is None:
        print("No seal that the node published covers it: only its own signature vouches for it.")
    elif covered < last:
        print(f"The node had published its chain up to link {covered}.")
        print(f"{last - covered} newer links rest on the signature.")
    else:
        print("It is what the node had published while it recorded.")
