"""`wayside-provision page`: the technician's page of this node, while set-up is open."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated

import typer

from agent.cli.faults import explained
from agent.errors import UsageError


@explained
def page(
    home: Annotated[
        Path | None, typer.Option(envvar="WAYSIDE_HOME", help="the node's home; /etc/wayside when not given")
    ] = None,
    listen: Annotated[str, typer.Option(metavar="[HOST]:PORT", help="where to listen; no host is every address")] = (
        ":443"
    ),
    runtime: Annotated[
        Path | None, typer.Option(envvar="WAYSIDE_RUNTIME", help="the agent's sockets; /run/wayside when not given")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(envvar="WAYSIDE_DATA", help="the footage; /var/lib/wayside when not given")
    ] = None,
    boot: Annotated[Path, typer.Option(help="the boot partition")] = Path("/boot/firmware"),
) -> None:
    """Serve the technician's page over HTTPS until set-up closes or the node is accepted. Then nothing listens."""
    from agent import log
    from agent.enrolment.home import DEFAULT_DATA, DEFAULT_HOME, DEFAULT_RUNTIME, NodeHome
    from provisioning.page.serve import Listen, serve
    from provisioning.page.site import PageContext

    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65_535:
        raise UsageError(listen=listen, remedy="write it as HOST:PORT, as in :443 or 127.0.0.1:8443")
    log.setup()
    context = PageContext(NodeHome(home or DEFAULT_HOME), runtime or DEFAULT_RUNTIME, data or DEFAULT_DATA, boot)
    # uvicorn hears SIGTERM and SIGINT itself, and ends when either comes.
    serve(context, Listen(host.strip("[]"), int(port)), threading.Event())
