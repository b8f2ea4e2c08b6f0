"""What vision is shown of a camera: the sub stream's packets, else the main one's, or a CSI camera's small pictures."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final, Protocol, SupportsBytes

from agent import log
from agent.clock import Clock
from agent.config import CameraConfig
from agent.errors import CameraError
from agent.media.capture import CapturedPacket, Session
from agent.media.csi import SCHEME
from agent.media.frame import CapturedFrame
from agent.media.source import Shape
from agent.notices import LoresFrame, StreamRole, StreamStarted, VideoPacket
from agent.packet_sender import PacketFan, PacketSender
from agent.recording.boot import BootNumber
from agent.units import NS_PER_S

# A camera that was restarted sends again within this; then a blind camera costs more than decoding its main stream.
_SUB_SILENT_NS: Final = 10 * NS_PER_S

_log = log.get("showing")


class Runs(Protocol):
    """Who numbers the runs of the main stream (agent.recording.recorder.Recorder)."""

    @property
    def run(self) -> int: ...


def shows_pictures(camera: CameraConfig) -> bool:
    """Whether the camera scales a small picture by itself, so that nobody need decode its main stream."""
    return camera.main.startswith(SCHEME) and not camera.sub


@dataclass(frozen=True, slots=True)
class _Started:
    notice: StreamStarted
    extradata: bytes


class Showing:
    """Chooses between a camera's streams and sends the chosen one. Safe from any thread.

    The sub stream is shown while it flows. When it has been silent for ten seconds the main one takes its place, at an
    IDR, until the sub stream is back.
    """

    def __init__(self, camera: CameraConfig, sender: PacketSender | PacketFan, clock: Clock) -> None:
        self._lock = threading.Lock()
        self._camera = camera.id
        self._has_sub = bool(camera.sub)
        self._sender = sender
        self._clock = clock
        self._sub_mono_ns = clock.mono_ns()
        self._shown: StreamRole | None = None
        self._started: dict[StreamRole, _Started] = {}

    @property
    def dropped(self) -> int:
        return self._sender.dropped

    def start(self, notice: StreamStarted, extradata: bytes) -> None:
        """A run of one of the streams begins, or goes on with another shape."""
        with self._lock:
            self._started[notice.role] = _Started(notice, extradata)
            if self._shown is notice.role or (self._shown is None and notice.role is self._preferred):
                self._show(notice.role)

    def offer(self, packet: VideoPacket, data: SupportsBytes) -> None:
        with self._lock:
            if packet.role is StreamRole.SUB:
                self._sub_mono_ns = self._clock.mono_ns()
            if packet.role is not self._preferred:
                return
            if self._shown is not packet.role:
                if not packet.is_idr or packet.role not in self._started:
                    return
                _log.warning("another stream is shown to vision", camera=self._camera, stream=packet.role.value)
                self._show(packet.role)
            self._sender.offer(packet, bytes(data))

    def offer_picture(self, picture: LoresFrame, planes: bytes) -> None:
        with self._lock:
            self._sender.offer_picture(picture, planes)

    def pump(self) -> None:
        with self._lock:
            self._sender.pump()

    def close(self) -> None:
        with self._lock:
            self._sender.close()

    @property
    def _preferred(self) -> StreamRole:
        if not self._has_sub or self._clock.mono_ns() - self._sub_mono_ns > _SUB_SILENT_NS:
            return StreamRole.MAIN
        return StreamRole.SUB

    def _show(self, role: StreamRole) -> None:
        self._shown = role
        started = self._started[role]
        self._sender.start_stream(started.notice, started.extradata)


class VisionSink:
    """One of a camera's streams on its way to vision, on its capture's thread. `are_packets_wanted`: by others, who get
    packets of a CSI camera too."""

    def __init__(
        self,
        camera: CameraConfig,
        role: StreamRole,
        showing: Showing,
        boot: BootNumber,
        runs: Runs,
        *,
        are_packets_wanted: bool = False,
    ) -> None:
        self._camera = camera.id
        self._role = role
        self._shows_pictures = shows_pictures(camera) and not are_packets_wanted
        self._showing = showing
        self._boot = boot.boot
        self._runs = runs
        self._run = 0
        self._anchor_wall_ns = 0

    def begin(self, session: Session) -> None:
        self._run = self._runs.run if self._role is StreamRole.MAIN else self._run + 1
        self._start(session.anchor.wall_ns, session.shape)

    def change(self, shape: Shape) -> None:
        """Told as the same run anew, for which vision takes a new decoder and keeps its tracks."""
        self._start(self._anchor_wall_ns, shape)

    def _start(self, anchor_wall_ns: int, shape: Shape) -> None:
        self._anchor_wall_ns = anchor_wall_ns
        form = shape.format
        started = StreamStarted(
            camera=self._camera,
            role=self._role,
            boot=self._boot,
            run=self._run,
            codec="raw" if self._shows_pictures else form.codec.value,
            width=form.width,
            height=form.height,
            anchor_wall_ns=anchor_wall_ns,
        )
        self._showing.start(started, b"" if self._shows_pictures else form.extradata)

    def take(self, captured: CapturedPacket) -> None:
        if self._shows_pictures:
            self._showing.pump()
            return
        packet = VideoPacket(self._camera, self._role, self._run, captured.media_ns, captured.is_idr)
        self._showing.offer(packet, captured.packet)

    def show(self, captured: CapturedFrame) -> None:
        frame = captured.frame
        picture = LoresFrame(
            camera=self._camera,
            role=self._role,
            run=self._run,
            media_ns=captured.media_ns,
            width=frame.width,
            height=frame.height,
            layout=frame.layout,
            is_full_range=frame.is_full_range,
        )
        self._showing.offer_picture(picture, frame.planes)

    def end(self, failure: CameraError | None = None) -> None:
        return
