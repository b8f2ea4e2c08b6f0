"""`wayside bench`: the measurements of the README, against the peers named there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.faults import explained
from agent.cli.settings import JsonOption, json_line

if TYPE_CHECKING:
    from agent.bench.rows import Row

app = typer.Typer(name="bench", help="Measure this machine against the peers.", no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Measure this machine against the peers. Stop other work first."""


@app.command()
@explained
def record(
    *,
    streams: Annotated[list[int] | None, typer.Option(min=1, help="cameras at once; may be repeated")] = None,
    seconds: Annotated[float, typer.Option(min=5, help="length of a run after both sides have settled")] = 60.0,
    runs: Annotated[int, typer.Option(min=1, help="paired runs; the medians are reported")] = 3,
    as_json: JsonOption = False,
) -> None:
    """CPU of recording 1080p25 cameras, against `ffmpeg -c copy` of the same files at the same time."""
    from agent.bench.record import run

    show(run(streams or [1, 2], seconds, runs, _say), as_json=as_json)


@app.command()
@explained
def recover(
    *,
    segments: Annotated[int, typer.Option(min=1, help="of a minute, by four cameras; 172800 are 30 days")] = 172_800,
    runs: Annotated[int, typer.Option(min=1, help="the medians are reported")] = 3,
    folder: Annotated[Path | None, typer.Option(help="where the ring is made: 7 GB for 30 days")] = None,
    as_json: JsonOption = False,
) -> None:
    """A ring without a database found again, and the start of a node that has one; the page cache is warm."""
    from agent.bench.recover import run

    show(run(segments, runs, folder, _say), as_json=as_json)


@app.command()
@explained
def clip(
    *,
    runs: Annotated[int, typer.Option(min=1, help="paired runs; the medians are reported")] = 9,
    folder: Annotated[Path | None, typer.Option(help="where ring and files are made: 2 GB")] = None,
    as_json: JsonOption = False,
) -> None:
    """A clip of 60 s out of a ring of 30 days and four cameras, against cp and ffmpeg; look-ups up to 180 days."""
    from agent.bench.clip import run

    show(run(runs, folder, _say), as_json=as_json)


@app.command()
@explained
def outbox(
    *,
    count: Annotated[int, typer.Option("--events", min=100, help="events of a run")] = 5000,
    runs: Annotated[int, typer.Option(min=1, help="paired runs; the medians are reported")] = 3,
    as_json: JsonOption = False,
) -> None:
    """Events that survive the power, against raw paho; how late an incident comes behind 10 000 others."""
    from agent.bench.outbox import run

    show(run(count, runs, _say), as_json=as_json)


@app.command()
@explained
def watch(
    *,
    seconds: Annotated[float, typer.Option(min=5, help="length of a run after both sides have settled")] = 40.0,
    runs: Annotated[int, typer.Option(min=1, help="paired runs; the medians are reported")] = 1,
    as_json: JsonOption = False,
) -> None:
    """CPU of recording and seeing one camera, against the motion daemon on the same video at the same time."""
    from agent.bench.watch import run

    show(run(seconds, runs, _say), as_json=as_json)


@app.command()
@explained
def snapshot(
    *,
    count: Annotated[int, typer.Option("--questions", min=5, help="of each kind")] = 40,
    as_json: JsonOption = False,
) -> None:
    """From a question at a desk to the picture in hand: with a vision that is well, and with one that hangs."""
    from agent.bench.snapshot import run

    show(run(count, _say), as_json=as_json)


@app.command()
@explained
def soak(
    *,
    hours: Annotated[float, typer.Option(min=0.1, help="of footage")] = 8.0,
    as_json: JsonOption = False,
) -> None:
    """Hours of looped footage through one camera's watch at many times real speed: memory, track ids, counters."""
    from agent.bench.soak import run

    show(run(hours, _say), as_json=as_json)


@app.command()
@explained
def motion(
    folders: Annotated[list[Path], typer.Argument(help="of CDnet's form (input/, groundtruth/), or labelled footage")],
    *,
    fps: Annotated[float, typer.Option(min=0.5, help="rate that the frames of a CDnet folder are taken to have")] = 5.0,
    runs: Annotated[int, typer.Option(min=1, help="the medians are reported")] = 1,
    models_dir: Annotated[Path | None, typer.Option("--models", help="folder of the models")] = None,
    as_json: JsonOption = False,
) -> None:
    """Precision, recall, F and ms a frame, against MOG2 and KNN; from labelled footage scenes are composited."""
    from agent.bench.motion import run
    from agent.vision.model import ModelStore, find_models_dir

    models = ModelStore(find_models_dir(str(models_dir or "")), threads=1)
    show(run(folders, models, fps=fps, runs=runs, say=_say), as_json=as_json)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def show(rows: list[Row], *, as_json: bool) -> None:
    """The rows as one object for programs, or as a table."""
    if as_json:
        print(json_line({"rows": rows}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("measure", "ours", "peer", "ratio", "unit", "runs")
    for row in rows:
        peer = "" if row.peer is None else f"{row.peer:g} ({row.peer_name})"
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        table.add_row(row.measure, f"{row.ours:g}", peer, ratio, row.unit, str(row.runs))
    Console().print(table)
