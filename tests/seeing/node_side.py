"""The two ends that vision talks to, as a test plays them: a camera that sends a clip, and a node that listens."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from agent.link_server import LinkServer, Peer
from agent.notices import Hello, Notice, SnapshotWanted, StreamRole, StreamStarted, VideoPacket
from agent.packet_sender import PacketSender
from tests.seeing.clips import Stream

ROOT = Path(__file__).resolve().parents[2]
# Generous: a loaded machine imports the models' libraries slowly. Nothing waits this long when all is well.
PATIENCE_S = 60.0
ANCHOR_WALL_NS = 1_700_000_000_000_000_000

N = TypeVar("N", bound=Notice)


class NodeSide:
    """Listens on node.sock and remembers what vision said."""

    def __init__(self, runtime_dir: Path) -> None:
        self._heard: list[tuple[Notice, bytes]] = []
        self._peers: list[Peer] = []
        self._news = threading.Condition()
        self._server = LinkServer(runtime_dir / "node.sock", on_notice=self._on_notice, on_connect=self._on_connect)

    def wait_for(self, kind: type[N], fits: Callable[[N], bool] = lambda _notice: True) -> tuple[N, bytes]:
        """The first notice of this kind that fits, with its payload; fails the test when none comes."""
        found: list[tuple[N, bytes]] = []

        def look() -> bool:
            found[:] = [(one, payload) for one, payload in self._heard if isinstance(one, kind) and fits(one)]
            return bool(found)

        with self._news:
            assert self._news.wait_for(look, PATIENCE_S), f"no such {kind.__name__}: {self._heard[-5:]}"
        return found[0]

    def ask_snapshot(self, request_id: str, camera: str) -> None:
        with self._news:
            assert self._news.wait_for(lambda: bool(self._peers), PATIENCE_S)
            self._peers[-1].send(SnapshotWanted(request_id, camera))

    def forget(self) -> None:
        with self._news:
            self._heard.clear()

    def close(self) -> None:
        self._server.close()

    def _on_notice(self, _peer: Peer, notice: Notice, payload: bytes) -> None:
        with self._news:
            self._heard.append((notice, payload))
            self._news.notify_all()

    def _on_connect(self, peer: Peer) -> None:
        with self._news:
            self._peers.append(peer)
            self._news.notify_all()


class CameraSide:
    """Sends a stream's units through the camera's own sender, each as soon as vision is there."""

    def __init__(self, runtime_dir: Path, stream: Stream, camera: str = "c01") -> None:
        hello = Hello(process="camera", pid=1, session="test", camera=camera)
        self._sender = PacketSender(runtime_dir / "vision.sock", hello)
        self._stream = stream
        self._camera = camera
        self._pause = threading.Event()

    def start(self, run: int = 1) -> None:
        self._run = run
        self._sender.start_stream(
            StreamStarted(self._camera, StreamRole.MAIN, 1, run, "h264", 320, 240, ANCHOR_WALL_NS),
            self._stream.extradata,
        )

    def send(self, first: int, last: int) -> None:
        """Units [first, last), the first of them an IDR, which is offered again until vision has taken it."""
        for number, unit in enumerate(self._stream.units[first:last]):
            packet = VideoPacket(self._camera, StreamRole.MAIN, self._run, unit.media_ns, unit.is_idr)
            for _ in range(round(PATIENCE_S / 0.1)):
                if self._sender.offer(packet, unit.data) or number:
                    break
                self._pause.wait(0.1)

    def close(self) -> None:
        self._sender.close()


@contextmanager
def vision_process(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`wayside vision`, ended with the block."""
    process = subprocess.Popen([sys.executable, "-m", "agent", "vision", "--config", str(config)], cwd=ROOT)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
