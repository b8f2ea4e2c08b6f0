"""How one process is begun: configuration read, logging set, signals heard. `python -m agent.processes NAME …`.

The supervisor and systemd begin processes here rather than through the command line's framework, whose import takes
half a second that a camera's footage would be missing after a crash.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from agent import log
from agent.errors import WaysideError, exit_code
from agent.notify import die_with_supervisor
from agent.processes.configfile import load_config as load_config  # noqa: PLC0414 - asked for here by everybody
from agent.processes.configfile import load_usable

PROCESS_NAMES = ("camera", "vision", "node", "push", "eye")


def begin(name: str, config: Path, camera_id: str = "") -> int:
    """Run one process until it is asked to end; its exit code. Raises WaysideError when it cannot begin."""
    die_with_supervisor()
    log.setup()
    settings = load_usable(config)
    stop = stop_on_signals()
    if name == "camera":
        from agent.processes.camera import run_camera

        return run_camera(settings, camera_id, stop)
    if name == "vision":
        from agent.processes.vision import run_vision

        return run_vision(settings, stop, config)
    if name == "push":
        from agent.processes.push import run_push

        return run_push(settings, camera_id)
    if name == "eye":
        from agent.processes.eye import run_eye

        return run_eye(settings, camera_id)
    from agent.processes.node import run_node

    return run_node(settings, stop, config)


def stop_on_signals() -> threading.Event:
    """Set by SIGTERM and SIGINT."""
    stop = threading.Event()

    def request_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, request_stop)
    signal.signal(signal.SIGINT, request_stop)
    return stop


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m agent.processes", description="Run one process of the agent.")
    parser.add_argument("name", choices=PROCESS_NAMES)
    parser.add_argument("camera_id", nargs="?", default="")
    parser.add_argument("--config", type=Path, required=True)
    given = parser.parse_args(argv)
    try:
        return begin(given.name, given.config, given.camera_id)
    except WaysideError as exc:
        sys.stderr.write(f"wayside: {exc}\n")
        return exit_code(exc)
