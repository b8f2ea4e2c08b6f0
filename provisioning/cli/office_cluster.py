"""`wayside-provision office cluster`: the files of three NATS servers from the register."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent.cli.faults import explained
from agent.cli.settings import JsonOption, json_line
from provisioning.cli.office_options import HERE, OfficeOption, now_s, opened


def add_commands(app: typer.Typer) -> None:
    """Put this file's command into the office's application."""
    app.command()(cluster)


@explained
def cluster(
    server: Annotated[
        list[str], typer.Option("--server", help="one of the three's own address, IP or IP:PORT; repeat")
    ],
    out: Annotated[Path, typer.Option("--out", help="where the folders n1, n2 and n3 are made")] = Path("wayside-nats"),
    name: Annotated[
        list[str] | None, typer.Option("--name", help="host by which nodes reach them; repeat. Default: the office's")
    ] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="for nodes; default: the office's")] = 0,
    home: Annotated[str, typer.Option("--home", help="where each server keeps its folder")] = "/etc/wayside-nats",
    office: OfficeOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Write the kit of a replicated broker: a folder for each of three nats-servers. Doing it again changes nothing;
    after a change bring the folders to their servers and reload them (`systemctl reload`)."""
    from provisioning.office.broker_kit import port_of
    from provisioning.office.cluster_kit import file_cluster

    place = opened(office)
    told = port or port_of(place.settings().broker_url)
    done = file_cluster(place, out, server, name or (), home=home, port=told, now_s=now_s())
    if as_json:
        print(json_line({"servers": [{"folder": str(each.folder), "changed": sorted(each.changed)} for each in done]}))
        return
    for each in done:
        print(f"{each.folder}: {', '.join(sorted(each.changed)) or 'nothing changed'}")
