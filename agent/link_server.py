"""The listening end of a runtime socket: one thread, many peers, each of which may be paused by itself."""

from __future__ import annotations

import os
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from agent import log
from agent.errors import LinkError
from agent.link import FrameReader, encode_frame
from agent.notices import Hello, Notice

_READ_BYTES: Final = 256 * 1024
# A peer that leaves this much unread is hung; it reconnects when it lives again.
_MAX_UNREAD_BYTES: Final = 16 * 1024 * 1024

_log = log.get("link")


class Peer:
    """A connected process. `hello` is its first frame. `send`, `pause` and `resume` may be called from any thread."""

    def __init__(self, sock: socket.socket, wake: Callable[[], None]) -> None:
        self._sock = sock
        self._wake = wake
        self._out: deque[bytes] = deque()
        self._out_bytes = 0
        self._sent_of_head = 0
        self._lock = threading.Lock()
        self._reader = FrameReader()
        self._is_paused = False
        self.hello: Hello | None = None

    def send(self, notice: Notice, payload: bytes = b"") -> None:
        """Queue a notice; a peer that does not read is closed rather than waited for."""
        frame = encode_frame(notice, payload)
        with self._lock:
            self._out.append(frame)
            self._out_bytes += len(frame)
        self._wake()

    def pause(self) -> None:
        """Read no more from this peer: its socket fills, and it feels that its packets are not taken."""
        self._is_paused = True
        self._wake()

    def resume(self) -> None:
        self._is_paused = False
        self._wake()

    @property
    def is_stuck(self) -> bool:
        return self._out_bytes > _MAX_UNREAD_BYTES

    def interest(self) -> int:
        """What the selector shall wait for; 0 while paused with nothing to write."""
        reading = 0 if self._is_paused else selectors.EVENT_READ
        return reading | (selectors.EVENT_WRITE if self._out else 0)

    def write(self) -> None:
        with self._lock:
            while self._out:
                head = self._out[0]
                try:
                    self._sent_of_head += self._sock.send(memoryview(head)[self._sent_of_head :])
                except BlockingIOError:
                    return
                if self._sent_of_head < len(head):
                    return
                self._out.popleft()
                self._out_bytes -= len(head)
                self._sent_of_head = 0

    def read(self, on_notice: Callable[[Peer, Notice, bytes], None], on_hello: Callable[[Peer], None]) -> bool:
        """Take in what came; False when the peer hung up. Raises LinkError for a frame that is not ours."""
        data = self._sock.recv(_READ_BYTES)
        for frame in self._reader.feed(data):
            if self.hello is not None:
                on_notice(self, frame.notice, frame.payload)
            elif isinstance(frame.notice, Hello):
                self.hello = frame.notice
                on_hello(self)
            else:
                raise LinkError(problem="the first frame is no hello")
        return bool(data)


class LinkServer:
    """Listens on `path` from construction to `close`. All callbacks run on the server's one thread."""

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
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake_fd, selectors.EVENT_READ)
        self._peers: dict[int, tuple[socket.socket, Peer]] = {}
        self._listener = _listen(path)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name=f"serve-{path.stem}")
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._wake()
        self._thread.join()
        for sock, _ in self._peers.values():
            sock.close()
        self._listener.close()
        self._selector.close()
        os.close(self._wake_fd)
        self._path.unlink(missing_ok=True)

    def _wake(self) -> None:
        os.eventfd_write(self._wake_fd, 1)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._adjust_interest()
            for key, events in self._selector.select():
                if key.fd == self._wake_fd:
                    self._clear_wake()
                elif key.fileobj is self._listener:
                    self._accept()
                else:
                    self._serve(key.fd, events)

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.setblocking(False)
        self._peers[sock.fileno()] = (sock, Peer(sock, self._wake))

    def _adjust_interest(self) -> None:
        registered = self._selector.get_map()
        for fd, (_, peer) in list(self._peers.items()):
            if peer.is_stuck:
                self._drop(fd, "it does not read")
                continue
            interest = peer.interest()
            known = registered.get(fd)
            if known is None and interest:
                self._selector.register(fd, interest)
            elif known is not None and not interest:
                self._selector.unregister(fd)
            elif known is not None and known.events != interest:
                self._selector.modify(fd, interest)

    def _serve(self, fd: int, events: int) -> None:
        if fd not in self._peers:
            return
        _, peer = self._peers[fd]
        try:
            if events & selectors.EVENT_WRITE:
                peer.write()
            if events & selectors.EVENT_READ and not peer.read(self._on_notice, self._on_connect):
                self._drop(fd, "it hung up")
        except LinkError as exc:
            _log.warning("peer sent what is not ours", path=self._path.name, problem=str(exc))
            self._drop(fd, "bad frame")
        except OSError as exc:
            self._drop(fd, str(exc))

    def _drop(self, fd: int, why: str) -> None:
        sock, peer = self._peers.pop(fd)
        if fd in self._selector.get_map():
            self._selector.unregister(fd)
        sock.close()
        if peer.hello is not None:
            _log.info("peer gone", path=self._path.name, process=peer.hello.process, camera=peer.hello.camera, why=why)
            self._on_disconnect(peer)

    def _clear_wake(self) -> None:
        try:
            os.eventfd_read(self._wake_fd)
        except BlockingIOError:
            return


def _listen(path: Path) -> socket.socket:
    """A listening socket that only the agent's own group may open. Raises LinkError when another process serves it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        if path.exists() and probe.connect_ex(str(path)) == 0:
            raise LinkError(path=str(path), remedy="another process of this kind runs already; stop it first")
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    previous = os.umask(0o117)
    try:
        listener.bind(str(path))
    finally:
        os.umask(previous)
    listener.listen(64)
    return listener
