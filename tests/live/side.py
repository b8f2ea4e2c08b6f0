"""A camera that goes on sending, and an ingest that takes one stream: ffmpeg, listening."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.notices import Hello, StreamRole, StreamStarted, VideoPacket
from agent.packet_sender import PacketFan, PacketSender
from agent.processes.onlooker import OnlookerKind, onlooker_socket
from tests.broker import wait_until
from tests.seeing.clips import FPS, Stream
from tests.seeing.node_side import ANCHOR_WALL_NS

NS_PER_FRAME = 1_000_000_000 // FPS


class Camera:
    """Sends its stream at its rate, again and again, to whoever looks on."""

    def __init__(self, runtime_dir: Path, stream: Stream, camera: str = "c01") -> None:
        hello = Hello(process="camera", pid=1, session="test", camera=camera)
        paths = [onlooker_socket(runtime_dir, kind, camera) for kind in OnlookerKind]
        self._fan = PacketFan([PacketSender(path, hello) for path in paths])
        self._stream = stream
        self._camera = camera
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, name="camera")

    def __enter__(self) -> Camera:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._fan.close()

    def _send(self) -> None:
        started = StreamStarted(self._camera, StreamRole.SUB, 1, 1, "h264", 320, 240, ANCHOR_WALL_NS)
        self._fan.start_stream(started, self._stream.extradata)
        count = len(self._stream.units)
        number = 0
        while not self._stop.wait(1 / FPS):
            unit = self._stream.units[number % count]
            packet = VideoPacket(self._camera, StreamRole.SUB, 1, number * NS_PER_FRAME, unit.is_idr)
            self._fan.offer(packet, unit.data)
            number += 1


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def ingest(
    ffmpeg: str,
    folder: Path,
    *,
    name: str = "pushed",
    at_port: int = 0,
    is_killed: bool = False,
    is_awaited: bool = False,
) -> Iterator[tuple[str, Path]]:
    """Its address, and the file in which what was pushed lies once the push has ended. `is_killed`: it ends first.
    `is_awaited`: somebody comes to it by himself as soon as it listens, for which it listens no more."""
    port, out = at_port or free_port(), folder / f"{name}.ts"
    url = f"rtsp://127.0.0.1:{port}/site/c01?token=once"
    listen = ["-rtsp_flags", "listen", "-analyzeduration", "500000", "-i", url]
    command = [ffmpeg, "-v", "error", "-y", *listen, "-c", "copy", "-flush_packets", "1", "-f", "mpegts", str(out)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        # Asked of the kernel, because a connection to try would be the one that it waits for.
        wait_until(lambda: is_awaited or is_listening(port), "the ingest does not listen")
        yield url, out
        if not is_killed:
            process.wait(60)
    finally:
        process.kill()
        process.wait()


def is_listening(port: int) -> bool:
    rows = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return any(row.split()[1].endswith(f":{port:04X}") and row.split()[3] == "0A" for row in rows)


def probe(out: Path) -> tuple[str, int, int]:
    """Codec, width and number of packets of what arrived."""
    command = ["ffprobe", "-v", "error", "-count_packets", "-show_streams", "-of", "json", str(out)]
    stream = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["streams"][0]
    return stream["codec_name"], stream["width"], int(stream["nb_read_packets"])
