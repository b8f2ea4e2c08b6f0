"""One connected process as the listening end of a link sees it, and the count of its notices across connections."""

from __future__ import annotations

import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from agent.errors import LinkError
from agent.link_frame import READ_BYTES, Frame, FrameReader, Tally, encode_frame, encode_tally
from agent.notices import Hello, Notice

# A peer that leaves this much unread is hung; it reconnects when it lives again.
_MAX_UNREAD_BYTES: Final = 16 * 1024 * 1024


class Session:
    """How far the notices of one started process came, whatever becomes of its connections. Safe from any thread.

    While this process lives it hands each notice on once. One that was handed on and not kept when it died comes again.
    """

    def __init__(self, name: str, wake: Callable[[], None]) -> None:
        self.name = name
        self._wake = wake
        self._lock = threading.Lock()
        self._handled = 0
        # A dict for its order: the first key is the oldest notice that is not kept yet.
        self._deferred: dict[int, None] = {}

    @property
    def kept(self) -> int:
        """Up to which number all are kept for good."""
        with self._lock:
            return next(iter(self._deferred), self._handled + 1) - 1

    def resume(self, done: int) -> None:
        """The process connected and is done with all up to `done`."""
        with self._lock:
            self._handled = max(self._handled, done)
            self._deferred = {number: None for number in self._deferred if number > done}

    def is_handled(self, number: int) -> bool:
        return number <= self._handled

    def handle(self, number: int) -> None:
        with self._lock:
            self._handled = max(self._handled, number)

    def defer(self, number: int) -> None:
        with self._lock:
            self._deferred[number] = None

    def settle(self, number: int) -> None:
        with self._lock:
            self._deferred.pop(number, None)
        self._wake()


class Receipt:
    """Says that a deferred notice is kept for good, or refused for good. Safe from any thread.

    `number` counts the notices of a session (`hello.session`): one that comes again has the number it had.
    """

    def __init__(self, session: Session, number: int) -> None:
        self._session = session
        self.number = number

    def confirm(self) -> None:
        self._session.settle(self.number)


class Peer:
    """A connected process. `hello` is its first frame. `send`, `pause` and `resume` may be called from any thread."""

    def __init__(self, sock: socket.socket, wake: Callable[[], None], find_session: Callable[[Hello], Session]) -> None:
        self._sock = sock
        self._wake = wake
        self._find_session = find_session
        self._out: deque[bytes] = deque()
        self._out_bytes = 0
        self._sent_of_head = 0
        self._lock = threading.Lock()
        self._reader = FrameReader()
        self._is_paused = False
        self._is_deaf = False
        self._session: Session | None = None
        self._number = 0
        self._is_counted = False
        self._told = 0
        self.hello: Hello | None = None

    # --- for those who talk to the process

    def send(self, notice: Notice, payload: bytes = b"") -> None:
        """Queue a notice; a peer that does not read is closed rather than waited for, one that is gone misses it."""
        self._enqueue(encode_frame(notice, payload))
        self._wake()

    def pause(self) -> None:
        """Read no more from this peer: its socket fills, and it feels that its packets are not taken.

        What was read already is still handed on, READ_BYTES at most.
        """
        self._is_paused = True
        self._wake()

    def resume(self) -> None:
        self._is_paused = False
        self._wake()

    def defer(self) -> Receipt:
        """Only within `on_notice`: its client keeps the notice at hand until the receipt is confirmed.

        Without this the notice counts as kept when `on_notice` returns. A receipt must be confirmed in the end, also
        for a notice that is refused: what is not confirmed is sent again after a restart.
        """
        if self._session is None:
            raise LinkError(problem="a receipt outside of a session")
        self._session.defer(self._number)
        return Receipt(self._session, self._number)

    # --- for the server's thread

    @property
    def is_stuck(self) -> bool:
        return self._out_bytes > _MAX_UNREAD_BYTES

    def interest(self) -> int:
        """What the selector shall wait for; 0 while paused with nothing to write."""
        reading = 0 if self._is_paused else selectors.EVENT_READ
        return reading | (selectors.EVENT_WRITE if self._out else 0)

    def tell_tally(self) -> None:
        """Queue how many notices are kept, where that changed and the peer counts them."""
        if self._session is None or not self._is_counted:
            return
        kept = self._session.kept
        if kept > self._told:
            self._told = kept
            self._enqueue(encode_tally(kept))

    def write(self) -> None:
        with self._lock:
            while self._out:
                head = self._out[0]
                try:
                    self._sent_of_head += self._sock.send(memoryview(head)[self._sent_of_head :])
                except BlockingIOError:
                    return
                except OSError:
                    # It hung up, but its last words may still lie unread: reading finds the end.
                    self._become_deaf()
                    return
                if self._sent_of_head < len(head):
                    return
                self._out.popleft()
                self._out_bytes -= len(head)
                self._sent_of_head = 0

    def read(self, on_notice: Callable[[Peer, Notice, bytes], None], on_hello: Callable[[Peer], None]) -> bool:
        """Take in what came; False when the peer hung up. Raises LinkError for a frame that is not ours."""
        try:
            data = self._sock.recv(READ_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        for frame in self._reader.feed(data):
            if isinstance(frame, Tally):
                self._start_count(frame.number)
            elif self.hello is not None:
                self._hand_on(frame, on_notice)
            elif isinstance(frame.notice, Hello):
                self.hello = frame.notice
                self._session = self._find_session(frame.notice)
                on_hello(self)
            else:
                raise LinkError(problem="the first frame is no hello")
        return bool(data)

    def leave(self) -> None:
        """The connection is closed: what is still to be said to it goes nowhere."""
        with self._lock:
            self._become_deaf()

    def _start_count(self, done: int) -> None:
        if self._is_counted or self._session is None:
            raise LinkError(problem="a tally out of place")
        self._is_counted = True
        self._number = self._told = done
        self._session.resume(done)

    def _hand_on(self, frame: Frame, on_notice: Callable[[Peer, Notice, bytes], None]) -> None:
        if self._session is None or not self._is_counted:
            on_notice(self, frame.notice, frame.payload)
            return
        self._number += 1
        if not self._session.is_handled(self._number):
            on_notice(self, frame.notice, frame.payload)
            self._session.handle(self._number)

    def _enqueue(self, frame: bytes) -> None:
        with self._lock:
            if not self._is_deaf:
                self._out.append(frame)
                self._out_bytes += len(frame)

    def _become_deaf(self) -> None:
        self._is_deaf = True
        self._out.clear()
        self._out_bytes = self._sent_of_head = 0
