"""The listening end of a runtime socket: one thread, many peers, each of which may be paused by itself."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from agent import log
from agent.errors import LinkError
from agent.link_frame import socket_address
from agent.link_peer import Peer, Receipt, Session
from agent.notices import Hello, Notice
from agent.stage import Backoff, Stage

__all__ = ["LinkServer", "Peer", "Receipt"]

# One faulty notice stops the reading of all peers for this long at most.
_BACKOFF: Final = Backoff(initial_s=0.05, max_s=0.5)
# The agent's own group may connect, as systemd's units share one.
_SOCKET_MODE: Final = 0o660
_BACKLOG: Final = 64

_log = log.get("link")


class LinkServer:
    """Listens on `path` from construction to `close`. All callbacks run on the server's one thread.

    What a callback raises costs the peer its connection; it comes back and sends again what was not confirmed.
    """

    def __init__(
        self,
        path: Path,
        *,
        on_notice: Callable[[Peer, Notice, bytes], None],
        on_connect: Callable[[Peer], None] | None = None,
        on_disconnect: Callable[[Peer], None] | None = None,
    ) -> None:
        self._path = path
        self._on_notice = on_notice
        self._on_connect = on_connect or (lambda _peer: None)
        self._on_disconnect = on_disconnect or (lambda _peer: None)
        self._stop = threading.Event()
        self._wake_lock = threading.Lock()
        self._is_closed = False
        self._peers: dict[int, tuple[socket.socket, Peer]] = {}
        # By process and camera, so that a restarted process replaces its former self.
        self._sessions: dict[tuple[str, str], Session] = {}
        self._listener = _listen(path)
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake_fd, selectors.EVENT_READ)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._stage = Stage(f"serve-{path.stem}", self._serve_all, stop=self._stop, backoff=_BACKOFF)
        self._stage.start()

    def close(self) -> None:
        """Waits for the callback that runs, if any. `on_disconnect` is not called."""
        self._stop.set()
        self._wake()
        self._stage.join()
        # Before the socket is closed: until then nobody else can listen on the path, so it is ours to remove.
        self._path.unlink(missing_ok=True)
        for sock, _ in self._peers.values():
            sock.close()
        self._listener.close()
        self._selector.close()
        with self._wake_lock:
            self._is_closed = True
            os.close(self._wake_fd)

    def _wake(self) -> None:
        with self._wake_lock:
            if not self._is_closed:
                os.eventfd_write(self._wake_fd, 1)

    def _serve_all(self) -> None:
        while not self._stop.is_set():
            self._adjust_interest()
            for key, events in self._selector.select():
                if key.fd == self._wake_fd:
                    os.eventfd_read(self._wake_fd)
                elif key.fileobj is self._listener:
                    self._accept()
                elif key.fd in self._peers:
                    self._serve(key.fd, events)

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.setblocking(False)
        self._peers[sock.fileno()] = (sock, Peer(sock, self._wake, self._find_session))

    def _find_session(self, hello: Hello) -> Session:
        key = (hello.process, hello.camera)
        known = self._sessions.get(key)
        if known is None or known.name != hello.session:
            known = self._sessions[key] = Session(hello.session, self._wake)
        return known

    def _adjust_interest(self) -> None:
        registered = self._selector.get_map()
        for fd, (_, peer) in list(self._peers.items()):
            if peer.is_stuck:
                self._drop(fd, "it does not read")
                continue
            peer.tell_tally()
            interest = peer.interest()
            known = registered.get(fd)
            if known is None and interest:
                self._selector.register(fd, interest)
            elif known is not None and not interest:
                self._selector.unregister(fd)
            elif known is not None and known.events != interest:
                self._selector.modify(fd, interest)

    def _serve(self, fd: int, events: int) -> None:
        _, peer = self._peers[fd]
        if events & selectors.EVENT_WRITE:
            peer.write()
        if not events & selectors.EVENT_READ:
            return
        # Until proved otherwise: a callback that raises leaves the rest of what was read unheard.
        why = "its notice could not be handled"
        try:
            why = "" if peer.read(self._on_notice, self._on_connect) else "it hung up"
        except LinkError as exc:
            _log.warning("peer sent what is not ours", path=self._path.name, problem=str(exc))
            why = "bad frame"
        finally:
            if why:
                self._drop(fd, why)

    def _drop(self, fd: int, why: str) -> None:
        sock, peer = self._peers.pop(fd)
        if fd in self._selector.get_map():
            self._selector.unregister(fd)
        sock.close()
        peer.leave()
        if peer.hello is not None:
            _log.info("peer gone", path=self._path.name, process=peer.hello.process, camera=peer.hello.camera, why=why)
            self._on_disconnect(peer)


def _listen(path: Path) -> socket.socket:
    """A listening socket that only the agent's own group may open. Raises LinkError when another process serves it."""
    address = socket_address(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        # EAGAIN: its queue of connections is full, so somebody has it, if only a hung one.
        if path.exists() and probe.connect_ex(address) in (0, errno.EAGAIN):
            raise LinkError(path=address, remedy="another process of this kind runs already; stop it first")
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    # Before bind, so that the file never is wider open than this; bind takes the umask off (unix(7)), chmod restores.
    os.fchmod(listener.fileno(), _SOCKET_MODE)
    listener.bind(address)
    path.chmod(_SOCKET_MODE)
    listener.listen(_BACKLOG)
    return listener
