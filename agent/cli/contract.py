"""`wayside contract`: the documents that a centre is built against, made from the types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from agent import __version__
from agent.cli.faults import explained
from agent.contract.asyncapi import asyncapi
from agent.contract.release import released
from agent.contract.schema import documents
from agent.contract.yamltext import to_yaml

SAMPLES = "samples.json"


@explained
def contract(
    docs: Annotated[Path, typer.Argument(help="the folder docs/ of the source, with samples.json in it")],
    *,
    release: Annotated[
        bool, typer.Option("--release", help="keep the contract as it stands as what later ones must fit")
    ] = False,
) -> None:
    """Write asyncapi.yaml and schemas/*.json anew. For developers, after a change of agent/contract."""
    samples = json.loads((docs / SAMPLES).read_text(encoding="utf-8"))
    made = {Path("asyncapi.yaml"): to_yaml(asyncapi(samples, __version__))}
    made |= {Path("schemas") / f"{name}.json": _json(schema) for name, schema in documents(samples).items()}
    if release:
        made[Path("released") / f"{__version__}.json"] = _json(released(__version__))
    for path, text in made.items():
        (docs / path).parent.mkdir(parents=True, exist_ok=True)
        (docs / path).write_text(text, encoding="utf-8")
    stray = set((docs / "schemas").glob("*.json")) - {docs / path for path in made}
    for path in stray:
        path.unlink()
    print(f"{len(made)} files in {docs}")


def _json(document: dict[str, object]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
