"""Cameras in the node itself: V4L2 devices, and CSI sensors as libcamera sees them."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec

from agent import log
from provisioning.cameras.camera import LocalCamera, LocalCameras
from provisioning.cameras.markup import shown
from provisioning.cameras.v4l2 import (
    H264,
    VIDIOC_ENUM_FMT,
    VIDIOC_QUERYCAP,
    blank_capability,
    format_question,
    is_wanted,
    read_capability,
    read_format,
)

_NODE: Final = re.compile(r"video(\d{1,4})")
_MAX_FORMATS: Final = 64
# libcamera asks every sensor over I²C; a Pi with two takes 2 s.
_LIST_LIMIT_S: Final = 15.0
_LISTERS: Final = ("rpicam-hello", "libcamera-hello")
# "0 : imx708 [4608x2592 10-bit RGGB] (/base/soc/i2c0mux/i2c@1/imx708@1a)"
_LISTED: Final = re.compile(r"^(\d{1,2}) : (\S+) \[([^\]]*)\] \(([^)]*)\)$", re.MULTILINE)
# In a process of its own: libcamera aborts or hangs where a driver does.
_ASK_PICAMERA2: Final = (
    "import json, sys\n"
    "try:\n"
    "    from picamera2 import Picamera2\n"
    "except ImportError:\n"
    "    sys.exit(3)\n"
    "print(json.dumps([{'Num': c.get('Num', n), 'Model': c.get('Model', ''), 'Id': c.get('Id', '')}"
    " for n, c in enumerate(Picamera2.global_camera_info())]))\n"
)
_NO_PICAMERA2: Final = 3

_log = log.get("cameras")


class _Sensor(msgspec.Struct, frozen=True, rename="pascal"):
    """One entry of Picamera2.global_camera_info()."""

    num: int
    model: str
    id: str


def list_v4l2(folder: Path = Path("/dev")) -> LocalCameras:
    """Devices that give H.264 or pictures. `problem`: no_device, or no_access where we may open none of them."""
    nodes = sorted((path for path in folder.glob("video*") if _NODE.fullmatch(path.name)), key=_number)
    found, denied = [], 0
    for node in nodes:
        try:
            camera = _v4l2(node)
        except PermissionError:
            denied += 1
        except OSError:
            # Busy, gone, or no V4L2 device for all its name.
            continue
        else:
            found += [camera] if camera is not None else []
    problem = "" if found else "no_access" if denied else "no_device"
    return LocalCameras(tuple(found), problem)


def _number(path: Path) -> int:
    return int(path.name.removeprefix("video"))


def _v4l2(node: Path) -> LocalCamera | None:
    descriptor = os.open(node, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        capability = read_capability(fcntl.ioctl(descriptor, VIDIOC_QUERYCAP, blank_capability()))
        if not capability.buffer_type:
            return None
        formats = _formats(descriptor, capability.buffer_type)
    finally:
        os.close(descriptor)
    if not is_wanted(formats):
        return None
    name = shown(capability.card) or node.name
    return LocalCamera(f"v4l2:{node}", name, shown(capability.bus), formats, H264 in formats)


def _formats(descriptor: int, buffer_type: int) -> tuple[str, ...]:
    found: list[str] = []
    for index in range(_MAX_FORMATS):
        try:
            found.append(read_format(fcntl.ioctl(descriptor, VIDIOC_ENUM_FMT, format_question(index, buffer_type))))
        except OSError:
            # EINVAL behind the last one.
            break
    return tuple(found)


def list_csi() -> LocalCameras:
    """Sensors on the board's own connectors. `problem`: no_software without libcamera's tools and picamera2, no_sensor
    where they see none, hung where they do not return."""
    for lister in _LISTERS:
        try:
            said = _run(lister, "--list-cameras")
        except FileNotFoundError:
            continue
        except subprocess.TimeoutExpired:
            return LocalCameras((), "hung")
        cameras = read_list(said.stdout + said.stderr)
        return LocalCameras(cameras, "" if cameras else "no_sensor")
    return _ask_picamera2()


def read_list(said: str) -> tuple[LocalCamera, ...]:
    """The cameras in what `rpicam-hello --list-cameras` prints."""
    return tuple(
        _csi(int(number), model, place, tuple(mode.split())) for number, model, mode, place in _LISTED.findall(said)
    )


def _ask_picamera2() -> LocalCameras:
    try:
        said = _run(sys.executable, "-c", _ASK_PICAMERA2)
    except subprocess.TimeoutExpired:
        return LocalCameras((), "hung")
    if said.returncode == _NO_PICAMERA2:
        return LocalCameras((), "no_software")
    try:
        # libcamera prints its own lines before; ours is the last.
        lines = said.stdout.strip().splitlines()
        sensors = msgspec.json.decode(lines[-1] if lines else "", type=list[_Sensor])
    except msgspec.MsgspecError:
        _log.warning("picamera2 does not list its cameras", status=said.returncode, problem=said.stderr[-300:])
        return LocalCameras((), "no_software")
    cameras = tuple(_csi(sensor.num, sensor.model, sensor.id, ()) for sensor in sensors)
    return LocalCameras(cameras, "" if cameras else "no_sensor")


def _csi(number: int, model: str, place: str, formats: tuple[str, ...]) -> LocalCamera:
    return LocalCamera(f"picamera:{number}", shown(model), shown(place), formats, True)


def _run(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_LIST_LIMIT_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )
