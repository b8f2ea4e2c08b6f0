"""Serves the page over HTTPS, only while set-up is open, and ends by itself when it closes.

uvicorn's event loop runs on the calling thread; a stage of its own watches whether set-up is still open.
"""

from __future__ import annotations

import socket
import ssl
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import uvicorn

from agent import log
from agent.enrolment import audit, moment, window
from agent.enrolment.nodekey import load_key
from agent.errors import SetupError
from agent.stage import Stage
from provisioning.page.app import make_app
from provisioning.page.certificate import ensure_certificate
from provisioning.page.steps.live import LivePictures

if TYPE_CHECKING:
    from agent.enrolment.home import NodeHome
    from provisioning.page.site import PageContext

_log = log.get("page")
# How soon the page ends after set-up closed.
_LOOK_S: Final = 1.0
# The accepted node's last page stays for this long, so that the report can be read and saved on the phone.
FAREWELL_S: Final = 120.0
# A phone opens six connections; more than a few phones is somebody else.
_MOST_CONNECTIONS: Final = 64
_BACKLOG: Final = 64


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the page listens: an empty host is every address, port 0 one that is free."""

    host: str
    port: int


def is_open(home: NodeHome) -> bool:
    """Whether the page may listen at this moment. Raises EnrolmentError for papers that cannot be read."""
    return window.status(home, moment.now()).may_listen


def serve(context: PageContext, listen: Listen, stop: threading.Event, *, farewell_s: float = FAREWELL_S) -> str:
    """Serve until `stop` is set or set-up closes; gives back the reason, `stopped` or `closed`.

    Raises SetupError `closed` at once when set-up is not open, `port` when the port cannot be had; EnrolmentError when
    first boot has not prepared the node.
    """
    if not window.knock(context.home, context.runtime_dir, moment.now()).may_listen:
        remedy = "this node is in service: press its button, or switch the power off and on three times"
        raise SetupError(reason="closed", remedy=remedy)
    key = load_key(context.home)
    ensure_certificate(context.home, key)
    with _bound(listen) as listener:
        server = uvicorn.Server(_settings(context))
        reason = "stopped"
        over = threading.Event()

        def watch() -> None:
            nonlocal reason
            if over.is_set():
                return
            if stop.wait(_LOOK_S):
                server.should_exit = True
                over.set()
            elif not is_open(context.home):
                reason = "closed"
                stop.wait(farewell_s)
                server.should_exit = True
                over.set()

        watcher = Stage("page-watch", watch, stop=over)
        host, port = listener.getsockname()[:2]
        _log.info("page open", node=key.node, host=host, port=port)
        audit.note(context.home, "page_opened", detail=f"{host} {port}")
        watcher.start()
        try:
            server.run(sockets=[listener])
        finally:
            over.set()
            watcher.join()
            LivePictures.close_all()
        audit.note(context.home, "page_ended", reason=reason)
        _log.info("page ended", node=key.node, reason=reason)
        return reason


def _settings(context: PageContext) -> uvicorn.Config:
    config = uvicorn.Config(
        make_app(context),
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="off",
        h11_max_incomplete_event_size=16_384,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=3,
        ssl_certfile=str(context.home.page_certificate),
        ssl_keyfile=str(context.home.page_key),
    )
    config.load()
    assert config.ssl is not None
    config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return config


def _bound(listen: Listen) -> socket.socket:
    """A listening socket, so that the port is known before anything is served. No host means every address, of both
    families where the kernel has both."""
    is_dual = not listen.host and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if is_dual or ":" in listen.host else socket.AF_INET
    try:
        return socket.create_server((listen.host, listen.port), family=family, backlog=_BACKLOG, dualstack_ipv6=is_dual)
    except OSError as exc:
        remedy = "another program has it, or it needs more rights; name another with --listen HOST:PORT"
        raise SetupError(reason="port", host=listen.host, port=listen.port, error=exc.strerror, remedy=remedy) from exc
