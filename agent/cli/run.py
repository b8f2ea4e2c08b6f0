"""`wayside run` and the three processes it or systemd starts: `camera`, `vision`, `node`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent.cli.faults import explained
from agent.cli.settings import ConfigOption

WaitOption = Annotated[bool, typer.Option("--wait", help="wait for the configuration where there is none yet")]


@explained
def run(config: ConfigOption, *, wait: WaitOption = False) -> None:
    """Run the whole agent under a small supervisor, for a desk, a test or a machine without systemd.

    The configuration, its scenes and its secrets are followed: a change restarts the processes that it concerns.
    """
    from agent import log
    from agent.processes.children import plan_children
    from agent.processes.entry import load_config, stop_on_signals
    from agent.processes.follow import Follower, wait_for_config
    from agent.processes.supervise import supervise

    stop = stop_on_signals()
    if wait:
        log.setup()
        settings = wait_for_config(config, stop)
        if settings is None:
            return
    else:
        settings = load_config(config)
        log.setup()
    follower = Follower(config, settings)
    try:
        code = supervise(plan_children(settings, config), Path(settings.runtime_dir), stop, follower.plan)
    finally:
        follower.close()
    raise typer.Exit(code)


@explained
def camera(
    camera_id: Annotated[str, typer.Argument(metavar="ID", help="the camera's id in the configuration")],
    config: ConfigOption,
) -> None:
    """Record one camera (a process of its own)."""
    _begin("camera", config, camera_id)


@explained
def vision(config: ConfigOption) -> None:
    """See for all cameras of the node (a process of its own)."""
    _begin("vision", config)


@explained
def node(config: ConfigOption) -> None:
    """Keep the store and talk to the centre (a process of its own)."""
    _begin("node", config)


def _begin(name: str, config: Path, camera_id: str = "") -> None:
    from agent.processes.entry import begin

    raise typer.Exit(begin(name, config, camera_id))
