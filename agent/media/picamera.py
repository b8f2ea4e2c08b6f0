"""picamera2 itself: a CSI camera opened, set and tapped. It encodes the main stream and scales a small picture of it.

picamera2 is the distribution's (python3-picamera2); it is imported here alone, and only when such a camera is opened.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from agent import log
from agent.errors import CameraUnreachable, StreamUnsupported
from agent.media.csi import CsiSettings
from agent.media.frame import PixelLayout, SourceFrame
from agent.media.source import SourceAddress
from agent.units import NS_PER_S

if TYPE_CHECKING:
    import numpy.typing as npt

# Ticks as RTP has them (RFC 6184, 5.1), so that segments of all cameras are alike.
TIME_BASE: Final = Fraction(1, 90_000)
_TICKS_PER_US: Final = Fraction(90_000, 1_000_000)
_LAYOUTS: Final[dict[str, PixelLayout]] = {"YUV420": "yuv420p", "NV12": "nv12"}
# bcm2835-codec of a Pi up to 4, the device that picamera2 opens by this name. A Pi 5 has none, and picamera2 takes what
# it does not know for a Pi 4.
_HARDWARE_ENCODER: Final = Path("/dev/video11")
# What picamera2 and libcamera's binding raise; they have no tree of their own.
_LIBRARY_ERRORS: Final = (RuntimeError, OSError, LookupError, ValueError, TypeError, AttributeError, AssertionError)

_log = log.get("picamera")

# picamera2 has no types, and is not where types are checked.
_Library = Any


@dataclass(frozen=True, slots=True)
class EncodedUnit:
    """One access unit as the encoder gave it, in Annex B; `pts` in ticks since the encoder's first frame."""

    data: bytes
    pts: int
    is_key: bool


class Taps(Protocol):
    """Who takes what the camera gives, on picamera2's threads; neither may block."""

    def take_unit(self, unit: EncodedUnit) -> None: ...

    def take_frame(self, frame: SourceFrame) -> None: ...


def operate(address: SourceAddress, settings: CsiSettings, taps: Taps, asked_to_end: threading.Event) -> None:
    """Run the camera until asked to end. Raises the CameraError that says what to do.

    The calling thread alone talks to libcamera, and may never come back where a driver hangs.
    """
    picamera2 = _import_picamera2(address)
    try:
        _operate(picamera2, address, settings, taps, asked_to_end)
    except _LIBRARY_ERRORS as exc:
        remedy = "check its ribbon cable, and that no other program uses it"
        raise CameraUnreachable(
            camera=address.camera, source=address.shown, problem=f"{type(exc).__name__}: {exc}", remedy=remedy
        ) from exc


def _operate(
    picamera2: _Library, address: SourceAddress, settings: CsiSettings, taps: Taps, asked_to_end: threading.Event
) -> None:
    if settings.number >= len(picamera2.Picamera2.global_camera_info()):
        remedy = "no such sensor is found; reseat its ribbon cable with the power off"
        raise CameraUnreachable(camera=address.camera, source=address.shown, remedy=remedy)
    camera = picamera2.Picamera2(settings.number)
    try:
        _configure(camera, address, settings)
        encoders = picamera2.encoders
        kind = encoders.H264Encoder if _HARDWARE_ENCODER.exists() else encoders.LibavH264Encoder
        # A whole number, because PyAV takes no float; it is what the stream says, not what times the frames.
        rate = max(round(settings.fps), 1)
        encoder = kind(bitrate=settings.bitrate_bps, repeat=True, iperiod=settings.gop_frames, framerate=rate)
        if address.frames_fps:
            camera.post_callback = _frame_tap(camera, encoder, address, taps)
        camera.start_recording(encoder, _unit_tap(picamera2, taps))
        _log.info("csi camera started", camera=address.camera, encoder=type(encoder).__name__)
        asked_to_end.wait()
        camera.stop_recording()
    finally:
        camera.close()


def _configure(camera: _Library, address: SourceAddress, settings: CsiSettings) -> None:
    controls: dict[str, object] = {}
    limits = camera.camera_controls.get("FrameDurationLimits")
    if limits is not None:
        frame_us = min(max(round(1e6 / settings.fps), int(limits[0])), int(limits[1]))
        controls["FrameDurationLimits"] = (frame_us, frame_us)
    camera.configure(
        camera.create_video_configuration(
            main={"size": (settings.width, settings.height), "format": "YUV420"},
            lores={"size": (settings.lores_width, settings.lores_height), "format": "YUV420"},
            controls=controls,
        )
    )
    width, height = camera.camera_configuration()["main"]["size"]
    if (width, height) != (settings.width, settings.height):
        remedy = f"the sensor gives {width}x{height}; write that size"
        raise StreamUnsupported(camera=address.camera, source=address.shown, remedy=remedy)


def _unit_tap(picamera2: _Library, taps: Taps) -> object:
    """An output of picamera2; its base class is known only where picamera2 is."""

    def outputframe(
        _self: object,
        frame: bytes,
        keyframe: bool = True,
        timestamp: int | None = None,
        packet: object = None,
        audio: bool = False,
    ) -> None:
        if not audio:
            taps.take_unit(EncodedUnit(bytes(frame), int((timestamp or 0) * _TICKS_PER_US), bool(keyframe)))

    return type("UnitTap", (picamera2.outputs.Output,), {"outputframe": outputframe})()


def _frame_tap(camera: _Library, encoder: _Library, address: SourceAddress, taps: Taps) -> Callable[[_Library], None]:
    """What picamera2 calls with each finished request, before it encodes it."""
    configuration = camera.camera_configuration()
    lores = configuration["lores"]
    layout = _LAYOUTS.get(lores["format"])
    if layout is None:
        remedy = f"its small picture is {lores['format']}, which vision does not read; update the node's software"
        raise StreamUnsupported(camera=address.camera, source=address.shown, remedy=remedy)
    (width, height), stride = lores["size"], lores["stride"]
    is_full_range = "Full" in str(getattr(configuration["colour_space"], "range", ""))
    pace = FramePace(address.frames_fps)

    def take_request(request: _Library) -> None:
        at_ns = int(request.get_metadata().get("SensorTimestamp", 0))
        # The encoder counts from the first frame it got, in whole microseconds.
        if encoder.firsttimestamp is None or not pace.is_due(at_ns):
            return
        pts = int((at_ns // 1000 - encoder.firsttimestamp) * _TICKS_PER_US)
        planes = tight_planes(request.make_buffer("lores"), width=width, height=height, stride=stride, layout=layout)
        taps.take_frame(SourceFrame(pts, width, height, layout, is_full_range, planes))

    return take_request


class FramePace:
    """Which of a camera's frames to pass on, by a grid of the wanted rate."""

    def __init__(self, fps: float) -> None:
        self._interval_ns = round(NS_PER_S / fps)
        self._due_ns: int | None = None

    def is_due(self, at_ns: int) -> bool:
        """Whether this one is; asked once for each, in their order."""
        if self._due_ns is None:
            self._due_ns = at_ns
        if at_ns < self._due_ns:
            return False
        self._due_ns += ((at_ns - self._due_ns) // self._interval_ns + 1) * self._interval_ns
        return True


def tight_planes(buffer: npt.NDArray[np.uint8], *, width: int, height: int, stride: int, layout: PixelLayout) -> bytes:
    """The planes without the padding that the hardware wants at the end of its rows.

    buffer: 1-D uint8, luma rows of `stride` bytes, then chroma; it may be longer than that.
    """
    luma = buffer[: stride * height].reshape(height, stride)[:, :width]
    chroma = buffer[stride * height : stride * height * 3 // 2]
    if layout == "nv12":
        return luma.tobytes() + chroma.reshape(height // 2, stride)[:, :width].tobytes()
    return luma.tobytes() + chroma.reshape(height, stride // 2)[:, : width // 2].tobytes()


def _import_picamera2(address: SourceAddress) -> _Library:
    try:
        import picamera2
        import picamera2.encoders
        import picamera2.outputs
    except ImportError as exc:
        remedy = "install python3-picamera2, and make the environment with --system-site-packages"
        raise CameraUnreachable(camera=address.camera, source=address.shown, problem=str(exc), remedy=remedy) from exc
    except (ValueError, AttributeError) as exc:
        # simplejpeg of bookworm was built against numpy 1.24 and says "numpy.dtype size changed" to numpy 2.
        remedy = "its libraries do not fit this numpy; on bookworm install numpy<2 (provisioning/locks/bookworm.txt)"
        raise CameraUnreachable(camera=address.camera, source=address.shown, problem=str(exc), remedy=remedy) from exc
    return picamera2
