"""What vision is shown of a camera: the sub stream's packets, else the main one's, or a CSI camera's small pictures."""

from __future__ import annotations

from typing import Protocol

from agent.config import CameraConfig
from agent.errors import CameraError
from agent.media.capture import CapturedPacket, Session
from agent.media.csi import SCHEME
from agent.media.frame import CapturedFrame
from agent.media.source import Shape
from agent.notices import LoresFrame, StreamRole, StreamStarted, VideoPacket
from agent.packet_sender import PacketSender
from agent.recording.boot import BootNumber


class Runs(Protocol):
    """Who numbers the runs of the main stream (agent.recording.recorder.Recorder)."""

    @property
    def run(self) -> int: ...


def shows_pictures(camera: CameraConfig) -> bool:
    """Whether the camera scales a small picture by itself, so that nobody need decode its main stream."""
    return camera.main.startswith(SCHEME) and not camera.sub


class VisionSink:
    """Packets or pictures to vision, on the capture's thread."""

    def __init__(self, camera: CameraConfig, sender: PacketSender, boot: BootNumber, runs: Runs) -> None:
        self._camera = camera.id
        self._role = StreamRole.SUB if camera.sub else StreamRole.MAIN
        self._shows_pictures = shows_pictures(camera)
        self._sender = sender
        self._boot = boot.boot
        self._runs = runs
        self._run = 0
        self._anchor_wall_ns = 0

    @property
    def dropped(self) -> int:
        return self._sender.dropped

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
        self._sender.start_stream(started, b"" if self._shows_pictures else form.extradata)

    def take(self, captured: CapturedPacket) -> None:
        if self._shows_pictures:
            self._sender.pump()
            return
        packet = VideoPacket(self._camera, self._role, self._run, captured.media_ns, captured.is_idr)
        self._sender.offer(packet, bytes(captured.packet))

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
        self._sender.offer_picture(picture, frame.planes)

    def end(self, failure: CameraError | None = None) -> None:
        return

    def close(self) -> None:
        self._sender.close()
