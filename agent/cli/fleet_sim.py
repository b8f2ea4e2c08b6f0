"""`wayside fleet-sim`: thousands of nodes against a real broker."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from agent.cli.faults import EXIT_FAILED, explained
from agent.cli.settings import JsonOption

# In the field each node syncs a card of its own. On one disk thousands of syncs meet: seen, the file system stood still
# for 0.6 s, and the nodes due in it came in the next second.
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of a random name is made within
_BYTES_OF_A_NODE = 256 << 10


def _scratch(nodes: int) -> Path | None:
    """Where stores go unless told; None: where temporary files go."""
    is_roomy = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > nodes * _BYTES_OF_A_NODE
    return _MEMORY if is_roomy else None


@explained
def fleet_sim(
    *,
    nodes: Annotated[int, typer.Option(min=1, max=99_999, help="how many")] = 1000,
    processes: Annotated[int, typer.Option(min=1, help="in how many processes they live")] = 4,
    spread: Annotated[float, typer.Option(min=0, help="seconds over which nodes connect and return")] = 30.0,
    outage: Annotated[float, typer.Option(min=0, help="seconds without a broker")] = 20.0,
    incidents: Annotated[int, typer.Option(min=0, help="of each node in each of three bursts")] = 1,
    health: Annotated[float, typer.Option(min=1, help="seconds between a node's health messages")] = 60.0,
    data: Annotated[Path | None, typer.Option(help="folder for stores and logs; kept. Default: memory")] = None,
    as_json: JsonOption = False,
) -> None:
    """A fleet is born, its mosquitto is killed and returns; bursts of incidents before, meanwhile and after. Exit 1
    when one is lost, a node stays away, or the return is not spread."""
    import msgspec

    from agent.sim.fleet import FleetOptions, run

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="wayside-fleet-", dir=_scratch(nodes)) as name:
        options = FleetOptions(
            nodes=nodes,
            processes=min(processes, nodes),
            folder=(data or Path(name)).resolve(),
            spread_s=spread,
            outage_s=outage,
            incidents=incidents,
            health_period_s=health,
        )
        report = run(options, say)
    if as_json:
        print(msgspec.json.encode(report).decode())
    else:
        for field in report.__struct_fields__:
            print(f"{field.replace('_', ' '):>21}  {getattr(report, field)}")
    raise typer.Exit(0 if report.is_good else EXIT_FAILED)
