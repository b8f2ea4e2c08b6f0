"""`wayside run` and the three processes it or systemd starts: `camera`, `vision`, `node`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.faults import explained
from agent.cli.settings import ConfigOption

if TYPE_CHECKING:
    from agent.config import Config
    from agent.processes.supervise import ChildCommand

# 2 s of silence is a hang for those that must be back within 5 s (product: findings again within 5 s); a camera's disk
# may take a little longer.
_WATCHDOG_S = 2.0
_CAMERA_WATCHDOG_S = 3.0


@explained
def run(config: ConfigOption) -> None:
    """Run the whole agent under a small supervisor, for a desk, a test or a machine without systemd."""
    from agent import log
    from agent.processes.entry import load_config, stop_on_signals
    from agent.processes.supervise import supervise

    settings = load_config(config)
    log.setup()
    raise typer.Exit(supervise(_children(settings, config), Path(settings.runtime_dir), stop_on_signals()))


def _children(settings: Config, config: Path) -> list[ChildCommand]:
    from agent.processes.supervise import ChildCommand

    base = (sys.executable, "-m", "agent.processes")
    tail = ("--config", str(config))
    cameras = [
        ChildCommand(f"camera-{camera.id}", (*base, "camera", camera.id, *tail), _CAMERA_WATCHDOG_S)
        for camera in settings.cameras
    ]
    others = [ChildCommand(name, (*base, name, *tail), _WATCHDOG_S) for name in ("node", "vision")]
    return [*cameras, *others]


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
