"""Makes the real Picamera2 work on libcamera's virtual camera. Runs in the chroot, imported by picamera2 itself.

What is changed, and why: the virtual pipeline has no raw role, its buffers are memfds behind a faked /dev/udmabuf with
rows at the end that Picamera2 does not expect, it never waits between frames, and it makes NV12 only.

The file $WAYSIDE_VIRTUAL_CAMERA may hold one word: `freeze` (no frame comes any more) or `hang` (the caller of
libcamera does not return from its next frame).
"""

from __future__ import annotations

import mmap
import os
import threading
from pathlib import Path
from typing import Any

import libcamera
from picamera2.allocators import LibcameraAllocator
from picamera2.picamera2 import Picamera2
from picamera2.request import Helpers

_FRAME_S = 1 / float(os.environ.get("WAYSIDE_VIRTUAL_FPS", "10"))
_CONTROL = Path(os.environ.get("WAYSIDE_VIRTUAL_CAMERA", "/nonexistent"))
_never = threading.Event()


class KeptSync:
    """Keeps the mappings: PyAV's frames hold on to them."""

    _kept: dict[int, mmap.mmap] = {}  # noqa: RUF012 - shared on purpose

    def __init__(self, _allocator: object, buffer: Any, _is_written: bool) -> None:  # noqa: ANN401
        self._buffer = buffer

    def __enter__(self) -> mmap.mmap:
        fd = self._buffer.planes[0].fd
        if fd not in self._kept:
            size = max(plane.offset + plane.length for plane in self._buffer.planes)
            self._kept[fd] = mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        return self._kept[fd]

    def __exit__(self, *_reason: object) -> None:
        return


class MemfdAllocator(LibcameraAllocator):  # type: ignore[misc]
    def __init__(self, camera: object) -> None:
        super().__init__(camera)
        self.sync = KeptSync


def _raw_modes(self: Any) -> list[dict[str, object]]:  # noqa: ANN401
    formats = self.camera.generate_configuration([libcamera.StreamRole.Viewfinder]).at(0).formats
    return [
        {"format": str(pixels), "size": (size.width, size.height)}
        for pixels in formats.pixel_formats
        for size in formats.sizes(pixels)
    ]


_open = Picamera2.__init__
_process = Picamera2.process_requests
_shared = Helpers._make_array_shared


def _init(self: Any, camera_num: int = 0) -> None:  # noqa: ANN401
    KeptSync._kept.clear()
    _open(self, camera_num, allocator=MemfdAllocator(libcamera.CameraManager.singleton().cameras[camera_num]))


def _paced(self: Any, display: object) -> None:  # noqa: ANN401
    _never.wait(_FRAME_S)
    word = _CONTROL.read_text().strip() if _CONTROL.exists() else ""
    if word == "freeze":
        # Finished requests are never handed on nor queued again, as with a sensor whose cable came loose.
        with self._requestslock:
            self._requests = []
    while word == "hang" and _CONTROL.exists():
        _never.wait(0.1)
    _process(self, display)


def _without_padding(self: Any, buffer: Any, config: Any) -> Any:  # noqa: ANN401
    return _shared(self, buffer[: config["stride"] * config["size"][1] * 3 // 2], config)


Picamera2._get_raw_modes = _raw_modes
Picamera2.__init__ = _init
Picamera2.process_requests = _paced
Helpers._make_array_shared = _without_padding
