"""The node's side of the processes that look on (agent.processes.onlooker): begun when wanted, ended when not."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from agent import log
from agent.commands.work import Snapshot
from agent.errors import CommandFailed, LinkError
from agent.identity import new_uuid7
from agent.link_frame import READ_BYTES, Frame, FrameReader, encode_frame
from agent.mailbox import Mailbox
from agent.notices import LeaseTold, LiveWanted, Notice, SnapshotTaken, SnapshotWanted
from agent.processes.onlooker import OnlookerKind
from agent.stage import Stage

# Without an order for so long it is let go of: 23 MB of memory (push) or 54 (eye), and a start of a second (ADR 40).
_IDLE_S: Final = 60.0
_END_S: Final = 2.0

_log = log.get("onlooking")

Told = LeaseTold | SnapshotTaken
OnTold = Callable[[Told, bytes], None]


class Onlooker:
    """One such process and the thread that hears it. `is_alive` is False once it ended, for whatever reason."""

    def __init__(self, kind: OnlookerKind, camera: str, config: Path, on_told: OnTold) -> None:
        command = (sys.executable, "-m", "agent.processes", kind.value, camera, "--config", str(config))
        self._name = f"{kind.value}-{camera}"
        self._on_told = on_told
        self._lock = threading.Lock()
        self._used_s = time.monotonic()
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        except OSError as exc:
            raise CommandFailed(reason="no_process", camera=camera, remedy="the node is out of memory") from exc
        self._stop = threading.Event()
        self._stage = Stage(self._name, self._hear, stop=self._stop)
        self._stage.start()
        _log.info("onlooker begun", onlooker=self._name, pid=self._process.pid)

    @property
    def is_alive(self) -> bool:
        return not self._stop.is_set()

    @property
    def idle_s(self) -> float:
        return time.monotonic() - self._used_s

    def order(self, notice: Notice) -> None:
        """Raises CommandFailed when it is gone."""
        self._used_s = time.monotonic()
        pipe = self._process.stdin
        try:
            with self._lock:
                if pipe is None or pipe.closed:
                    raise CommandFailed(reason="ended", remedy="ask again")
                pipe.write(encode_frame(notice))
        except OSError as exc:
            raise CommandFailed(reason="ended", remedy="ask again") from exc

    def end(self) -> None:
        """Let go of it, and kill it when it does not go."""
        with self._lock:
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stage.join()

    def _hear(self) -> None:
        reader, pipe = FrameReader(), self._process.stdout
        try:
            while pipe is not None and (data := pipe.read(READ_BYTES)):
                for frame in reader.feed(data):
                    if isinstance(frame, Frame) and isinstance(frame.notice, LeaseTold | SnapshotTaken):
                        self._used_s = time.monotonic()
                        self._on_told(frame.notice, frame.payload)
        except LinkError as exc:
            _log.warning("onlooker sent what is not ours", onlooker=self._name, problem=str(exc))
            self._process.kill()
        finally:
            self._stop.set()
            _log.info("onlooker ended", onlooker=self._name)


class Onlookers:
    """One a camera and kind, begun by the first order. Safe from any thread."""

    def __init__(self, config: Path, on_told: OnTold, on_gone: Callable[[OnlookerKind, str], None]) -> None:
        self._config = config
        self._on_told = on_told
        self._on_gone = on_gone
        self._lock = threading.Lock()
        self._known: dict[tuple[OnlookerKind, str], Onlooker] = {}
        self._waiting: dict[str, Mailbox[tuple[Told, bytes]]] = {}

    def begin_lease(self, kind: OnlookerKind, camera: str, order: LiveWanted, limit_s: float) -> LeaseTold | None:
        """Whether it is shown now, or why not; None when nothing is said in time. Raises CommandFailed."""
        answer = self._ask(kind, camera, order, order.lease_id, limit_s)
        return answer[0] if answer is not None and isinstance(answer[0], LeaseTold) else None

    def picture(self, camera: str, limit_s: float) -> Snapshot:
        """The eye's newest picture. Raises CommandFailed."""
        wanted = SnapshotWanted(new_uuid7(), camera)
        answer = self._ask(OnlookerKind.EYE, camera, wanted, f"picture {wanted.request_id}", limit_s)
        if answer is None or not isinstance(answer[0], SnapshotTaken) or not answer[1]:
            remedy = answer[0].error if answer and isinstance(answer[0], SnapshotTaken) else "ask again"
            raise CommandFailed(reason="no_picture", camera=camera, remedy=remedy)
        return Snapshot(camera, answer[1], answer[0].wall_ns)

    def _ask(
        self, kind: OnlookerKind, camera: str, order: Notice, key: str, limit_s: float
    ) -> tuple[Told, bytes] | None:
        answer: Mailbox[tuple[Told, bytes]] = Mailbox(1)
        with self._lock:
            self._waiting[key] = answer
        try:
            self.order(kind, camera, order)
            return answer.take(limit_s)
        finally:
            with self._lock:
                self._waiting.pop(key, None)

    def order(self, kind: OnlookerKind, camera: str, order: Notice) -> None:
        """Raises CommandFailed."""
        with self._lock:
            onlooker = self._known.get((kind, camera))
            if onlooker is None or not onlooker.is_alive:
                onlooker = self._known[kind, camera] = Onlooker(kind, camera, self._config, self._hear)
        onlooker.order(order)

    def end_lease(self, kind: OnlookerKind, camera: str, lease_id: str) -> None:
        """Where it still runs; none is begun to be told to end."""
        with self._lock:
            onlooker = self._known.get((kind, camera))
        if onlooker is not None and onlooker.is_alive:
            with suppress(CommandFailed):
                onlooker.order(LiveWanted(lease_id, 0.0))

    def tidy(self, busy: Callable[[OnlookerKind, str], bool]) -> None:
        """End those that nobody wants any more, and tell of those that ended by themselves."""
        with self._lock:
            gone = [key for key, one in self._known.items() if not one.is_alive]
            idle = [key for key, one in self._known.items() if one.idle_s > _IDLE_S and not busy(*key)]
            ended = [self._known.pop(key) for key in {*gone, *idle}]
        for onlooker in ended:
            onlooker.end()
        for key in gone:
            self._on_gone(*key)

    def close(self) -> None:
        with self._lock:
            ended, self._known = list(self._known.values()), {}
        for onlooker in ended:
            onlooker.end()

    def _hear(self, told: Told, payload: bytes) -> None:
        # The pictures of a lease carry its id as well, and are no answer to whoever asked for it.
        key = told.lease_id if isinstance(told, LeaseTold) else f"picture {told.request_id}"
        with self._lock:
            waiting = self._waiting.get(key)
        if waiting is not None:
            waiting.put((told, payload))
        self._on_told(told, payload)
