"""An RTSP camera for tests: starts, dies, freezes and comes back on its port."""

from __future__ import annotations

import signal
import subprocess
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

# Debian's own: gi and its typelibs come from apt, not from the registry.
_PYTHON = "/usr/bin/python3"
_SERVER = Path(__file__).with_name("rtsp_server.py")
_NEEDS = (
    "import gi; gi.require_version('GstRtspServer', '1.0');"
    "from gi.repository import Gst, GstRtspServer; Gst.init(None);"
    "import sys; sys.exit(not all(Gst.ElementFactory.find(n) for n in ('multifilesrc', 'h264parse', 'rtph264pay')))"
)


@cache
def missing() -> str:
    """Why there can be no RTSP camera here; empty when there can."""
    try:
        found = subprocess.run([_PYTHON, "-c", _NEEDS], capture_output=True, timeout=60, check=False)
    except OSError:
        return f"there is no {_PYTHON}"
    return "" if found.returncode == 0 else "gst-rtsp-server with its GObject binding is not installed"


class RtspCamera:
    """Serves `video` (.h264 or .hevc byte stream, 25 fps) at `url`, from the beginning for each client, for ever.

    auth: "" for none, "basic" or "digest".
    """

    def __init__(self, video: Path, *, auth: str = "", user: str = "admin", password: str = "secret") -> None:
        if missing():
            pytest.skip(missing())
        self._video = video
        self._login = [auth, f"{user}:{password}"] if auth else []
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/cam"

    def start(self) -> None:
        """Returns when it answers; a restart takes the same port again."""
        argv = [_PYTHON, str(_SERVER), str(self.port), str(self._video), *self._login]
        self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout is not None
        words = self._process.stdout.readline().split()
        assert words and words[0] == "ready", "the RTSP camera did not start"
        self.port = int(words[1])

    def kill(self) -> None:
        """SIGKILL: the kernel closes its connections, as a camera's reboot does."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()

    def freeze(self) -> None:
        """SIGSTOP: connections stay, nothing comes."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
