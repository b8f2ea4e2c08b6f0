"""The CSI camera as a source of packets and pictures.

libcamera has one thread of ours (agent.media.picamera), so that a driver that hangs holds up neither the capture nor
the other loops of the process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Final, cast

import av

from agent import log
from agent.errors import CameraEnded, CameraError, CameraHung, CameraStalled
from agent.mailbox import Mailbox
from agent.media.csi import CsiSettings, read_csi_address
from agent.media.frame import SourceFrame
from agent.media.packet import Codec, StreamFormat
from agent.media.picamera import TIME_BASE, EncodedUnit, operate
from agent.media.source import STALL_LIMIT_S, Shape, SourceAddress, shape_of

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

# libcamera enumerates sensors over I²C and loads a tuning file: 2 s to 3 s on a Pi 4.
_OPEN_LIMIT_S: Final = 10.0
# Stopping waits for the frames in the sensor's pipeline, some tenths of a second.
_CLOSE_LIMIT_S: Final = 5.0
_TAKE_S: Final = 0.2
# Ten seconds of 30 fps, and of the highest bit rate that an address may ask for.
_MAX_UNITS: Final = 300
_MAX_UNIT_BYTES: Final = 64 * 1024 * 1024
# The capture takes pictures with each packet; a second one waiting means that it is late.
_MAX_FRAMES: Final = 2

_log = log.get("csi")


class CsiSource:
    """An open CSI camera, owned by the capture's thread."""

    def __init__(self, worker: _Worker, shape: Shape, first: EncodedUnit) -> None:
        self.shape = shape
        self._worker = worker
        self._first: EncodedUnit | None = first

    @property
    def format(self) -> StreamFormat:
        return self.shape.format

    def packets(self, stop: threading.Event) -> Iterator[Packet[VideoStream]]:
        """Access units from the first IDR on. Raises CameraStalled when none comes for 5 s."""
        first, self._first = self._first, None
        if first is not None:
            yield _packet(first)
        while not stop.is_set():
            unit = self._worker.next_unit(stop)
            if unit is not None:
                yield _packet(unit)

    def frames(self) -> Iterator[SourceFrame]:
        """The small pictures since the last call, at most two."""
        while (frame := self._worker.frames.take(0)) is not None:
            yield frame

    def close(self) -> None:
        """Raises CameraHung when libcamera does not return; only a new process can then open the camera again."""
        self._worker.end()


def open_csi(address: SourceAddress) -> CsiSource:
    """Start the camera and wait for its first IDR. Raises the CameraError that says what to do."""
    settings = read_csi_address(address.url, camera=address.camera)
    worker = _Worker(address, settings)
    worker.start()
    try:
        first = worker.first_idr()
        frame_ticks = round(1 / (Fraction(settings.fps).limit_denominator(1000) * TIME_BASE))
        before = StreamFormat(Codec.H264, settings.width, settings.height, b"", TIME_BASE, frame_ticks)
        return CsiSource(worker, shape_of(address, first.data, before), first)
    except CameraError:
        worker.end()
        raise


def _packet(unit: EncodedUnit) -> Packet[VideoStream]:
    packet = cast("Packet[VideoStream]", av.Packet(unit.data))
    packet.pts = packet.dts = unit.pts
    packet.time_base = TIME_BASE
    packet.is_keyframe = unit.is_key
    return packet


class _Worker:
    """The camera's thread, and what it gave. `take_…` run on picamera2's threads, `_run` on its own, the rest is for
    the capture's."""

    def __init__(self, address: SourceAddress, settings: CsiSettings) -> None:
        self.frames: Mailbox[SourceFrame] = Mailbox(_MAX_FRAMES)
        self._address = address
        self._settings = settings
        self._units: Mailbox[EncodedUnit] = Mailbox(_MAX_UNITS, _MAX_UNIT_BYTES)
        self._is_skipping = False
        self._failure: CameraError | None = None
        self._asked_to_end = threading.Event()
        self._unit_mono_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=f"picamera-{settings.number}")

    def start(self) -> None:
        self._thread.start()

    def first_idr(self) -> EncodedUnit:
        """Waits for it; raises what kept the camera from starting."""
        until_s = time.monotonic() + _OPEN_LIMIT_S
        while time.monotonic() < until_s:
            unit = self._units.take(_TAKE_S)
            if unit is None:
                self._raise_failure()
            elif unit.is_key:
                self._unit_mono_s = time.monotonic()
                return unit
        raise self._stalled("it did not start")

    def next_unit(self, stop: threading.Event) -> EncodedUnit | None:
        """The next one; None when none came just now. Raises when the camera ended or stalled."""
        unit = self._units.take(_TAKE_S)
        if unit is not None:
            self._unit_mono_s = time.monotonic()
            return unit
        self._raise_failure()
        if time.monotonic() - self._unit_mono_s > STALL_LIMIT_S and not stop.is_set():
            raise self._stalled("no frame came")
        return None

    def end(self) -> None:
        self._asked_to_end.set()
        self._thread.join(_CLOSE_LIMIT_S)
        if self._thread.is_alive():
            remedy = "only a new process can open it again; restart the node if this repeats"
            raise CameraHung(camera=self._address.camera, source=self._address.shown, remedy=remedy)

    def take_unit(self, unit: EncodedUnit) -> None:
        """Never blocks the encoder: what does not fit is dropped to the next IDR."""
        if self._is_skipping and not unit.is_key:
            return
        was_skipping, self._is_skipping = self._is_skipping, not self._units.put(unit, len(unit.data))
        if self._is_skipping and not was_skipping and not self._units.is_closed:
            _log.warning("capture late", camera=self._address.camera)

    def take_frame(self, frame: SourceFrame) -> None:
        """Dropped rather than waited for: there is another one soon."""
        self.frames.put(frame)

    def _raise_failure(self) -> None:
        if self._units.is_closed and not self._units.depth:
            raise self._failure or CameraEnded(camera=self._address.camera, source=self._address.shown)

    def _stalled(self, problem: str) -> CameraStalled:
        remedy = "reseat its ribbon cable with the power off; restart the node if this repeats"
        return CameraStalled(camera=self._address.camera, source=self._address.shown, problem=problem, remedy=remedy)

    def _run(self) -> None:
        try:
            operate(self._address, self._settings, self, self._asked_to_end)
        except CameraError as exc:
            self._failure = exc
        finally:
            self._units.close()
