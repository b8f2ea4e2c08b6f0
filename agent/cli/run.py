"""`wayside run` and the three processes it or systemd starts: `camera`, `vision`, `node`."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.faults import explained
from agent.cli.settings import ConfigOption, load_config
from agent.config import Config

if TYPE_CHECKING:
    from agent.processes.supervise import ChildCommand


@explained
def run(config: ConfigOption) -> None:
    """Run the whole agent under a small supervisor, for a desk, a test or a machine without systemd."""
    from agent import log
    from agent.processes.supervise import supervise

    settings = load_config(config)
    log.setup()
    Path(settings.runtime_dir).mkdir(parents=True, exist_ok=True)
    stop = _stop_on_signals()
    raise typer.Exit(supervise(_children(settings, config), Path(settings.runtime_dir), stop))


def _children(settings: Config, config: Path) -> list[ChildCommand]:
    from agent.processes.supervise import ChildCommand

    # 2 s of silence is a hang for those that must be back within 5 s (product: findings again within 5 s).
    base = [sys.executable, "-m", "agent"]
    tail = ["--config", str(config)]
    node = ChildCommand("node", (*base, "node", *tail), watchdog_s=2.0)
    vision = ChildCommand("vision", (*base, "vision", *tail), watchdog_s=2.0)
    cameras = [
        ChildCommand(f"camera-{camera.id}", (*base, "camera", camera.id, *tail), watchdog_s=3.0)
        for camera in settings.cameras
    ]
    return [*cameras, node, vision]


@explained
def camera(
    camera_id: Annotated[str, typer.Argument(metavar="ID", help="the camera's id in the configuration")],
    config: ConfigOption,
) -> None:
    """Record one camera (a process of its own)."""
    from agent.processes.camera import run_camera

    _as_process(config, lambda settings, stop: run_camera(settings, camera_id, stop))


@explained
def vision(config: ConfigOption) -> None:
    """See for all cameras of the node (a process of its own)."""
    from agent.processes.vision import run_vision

    _as_process(config, run_vision)


@explained
def node(config: ConfigOption) -> None:
    """Keep the store and talk to the centre (a process of its own)."""
    from agent.processes.node import run_node

    _as_process(config, run_node)


def _as_process(config: Path, body: Callable[[Config, threading.Event], int]) -> None:
    from agent import log
    from agent.notify import die_with_supervisor

    die_with_supervisor()
    settings = load_config(config)
    log.setup()
    raise typer.Exit(body(settings, _stop_on_signals()))


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()

    def request_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, request_stop)
    signal.signal(signal.SIGINT, request_stop)
    return stop
