"""PyPI's ipycam as an ONVIF camera in a network namespace of its own, with another one beside it for the node.

ipycam answers WS-Discovery and ONVIF (WS-Security login) and serves H.264 of a film over RTSP, which it encodes with
ffmpeg; its RTSP asks nobody for a password. It binds every address, so it must not run in the machine's own namespace.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.broker import wait_until

VERSION = "1.3.0"
FOLDER = Path.home() / ".cache" / "wayside-tools" / f"ipycam-{VERSION}"
ADDRESS, NODE_ADDRESS = "10.79.64.64", "10.79.64.1"
USERNAME, PASSWORD = "operator", "Kor-Hong-7"
_TOOLS = ("ip", "ffmpeg")
_HOLD_S = 600


@dataclass(frozen=True, slots=True)
class OnvifCamera:
    """`inside`: put before a command, it runs where the node is; `log`: what the camera said."""

    inside: tuple[str, ...]
    log: Path


def missing() -> str:
    """Why there can be no such camera here; empty when there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    lacking = [tool for tool in _TOOLS if shutil.which(tool) is None]
    return f"not installed: {', '.join(lacking)}" if lacking else ""


@contextmanager
def onvif_camera(film: Path, folder: Path) -> Iterator[OnvifCamera]:
    """Plays `film`. Its namespaces and processes are gone with the block."""
    if missing():
        pytest.skip(missing())
    _install()
    names = [f"wayside-{side}-{os.getpid()}" for side in ("camera", "node")]
    camera, node = names
    process: subprocess.Popen[bytes] | None = None
    try:
        _join(camera, node)
        log = folder / "ipycam.log"
        process = _start(camera, film, folder, log)
        wait_until(lambda: "IP Camera is running" in log.read_text(), "ipycam did not start", limit_s=60)
        yield OnvifCamera(("ip", "netns", "exec", node), log)
    finally:
        if process is not None:
            # Its own session: ipycam's ffmpeg goes with it.
            os.killpg(process.pid, 9)
            process.wait()
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def _install() -> None:
    """numpy and OpenCV, which it needs as well, are the checkout's own: it would bring a second cv2."""
    if (FOLDER / "ipycam").is_dir():
        return
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(FOLDER),
        f"ipycam=={VERSION}",
    ]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"ipycam cannot be installed: {done.stderr[-500:]}")


def _join(camera: str, node: str) -> None:
    for name in (camera, node):
        _ip("netns", "add", name)
        _ip("-n", name, "link", "set", "lo", "up")
    _ip("link", "add", "eth0", "netns", camera, "type", "veth", "peer", "name", "eth0", "netns", node)
    for name, address in ((camera, ADDRESS), (node, NODE_ADDRESS)):
        _ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def _start(namespace: str, film: Path, folder: Path, log: Path) -> subprocess.Popen[bytes]:
    settings = folder / "ipycam.json"
    wanted: dict[str, object] = {"name": "Gate", "username": USERNAME, "password": PASSWORD, "local_ip": ADDRESS}
    # Its own hop from ffmpeg to the viewer is UDP: an IDR of 130 kB (720p) overran it and came damaged, also to ffmpeg.
    wanted |= {"main_width": 640, "main_height": 360, "main_fps": 10, "main_bitrate": "800K", "hw_accel": "cpu"}
    wanted |= {"sub_width": 320, "sub_height": 180, "sub_fps": 10, "sub_bitrate": "200K"}
    settings.write_text(json.dumps(wanted), encoding="utf-8")
    argv = [sys.executable, "-m", "ipycam", "--config", str(settings), "--source", str(film)]
    environment = {**os.environ, "PYTHONPATH": str(FOLDER), "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as file:
        return subprocess.Popen(
            ["ip", "netns", "exec", namespace, "timeout", str(_HOLD_S), *argv],
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
