"""A bookworm of its own that boots a real systemd (systemd-nspawn), without a network beyond its loopback."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.broker import wait_until

PACKAGES = "systemd,systemd-sysv,dbus,python3,openssl,mosquitto,libgomp1"
TEMPLATE = Path(tempfile.gettempdir(), "wayside-field-bookworm")
_ENVIRONMENT = ("PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8")


def require_tools() -> None:
    """Skips where a machine cannot be made."""
    for tool in ("systemd-nspawn", "mmdebstrap", "nsenter"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    if os.geteuid() != 0:
        pytest.skip("machines of their own need root")


def template() -> Path:
    """The file tree that machines are copied from; made once, some seconds."""
    if not (TEMPLATE / "whole").exists():
        shutil.rmtree(TEMPLATE, ignore_errors=True)
        argv = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(TEMPLATE)]
        subprocess.run(argv, check=True, timeout=600)
        (TEMPLATE / "whole").touch()
    return TEMPLATE


class Machine:
    """Boots at `start`; `cut_power` is a kill, `stop` an orderly end."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._process: subprocess.Popen[bytes] | None = None
        self._leader = 0
        subprocess.run(["cp", "--archive", "--reflink=auto", str(template()), str(root)], check=True)

    def start(self) -> None:
        argv = ["systemd-nspawn", "--quiet", "--directory", str(self.root), "--register=no", "--keep-unit"]
        argv += ["--private-network", "--console=pipe", "--machine", f"wayside-{os.getpid()}", "--boot"]
        log = self.root.with_suffix(".log").open("ab")
        self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        wait_until(lambda: bool(self._children()), timeout_s=20)
        self._leader = self._children()[0]
        wait_until(
            lambda: self.run("systemctl", "is-system-running", check=False).strip() in ("running", "degraded"),
            timeout_s=60,
        )

    def _children(self) -> list[int]:
        assert self._process is not None
        path = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return [int(pid) for pid in path.read_text(encoding="ascii").split()]

    def argv(self, *argv: str) -> list[str]:
        return ["nsenter", "--target", str(self._leader), "--all", "--", "/usr/bin/env", "-i", *_ENVIRONMENT, *argv]

    def run(self, *argv: str, check: bool = True, timeout_s: float = 300.0) -> str:
        """What the command prints, both streams. With `check` the test fails where it fails."""
        done = subprocess.run(
            self.argv(*argv),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=timeout_s,
        )
        if check and done.returncode:
            pytest.fail(f"{' '.join(argv)}: {done.returncode}\n{done.stdout[-4000:]}", pytrace=False)
        return done.stdout

    def status(self, *argv: str) -> tuple[int, str]:
        done = subprocess.run(
            self.argv(*argv), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=300
        )
        return done.returncode, done.stdout

    def cut_power(self) -> None:
        """Everything in it is gone at one instant. What was not synced stays in the host's cache: half a power cut."""
        assert self._process is not None
        if self._leader:
            os.kill(self._leader, signal.SIGKILL)
        self._process.wait(30)
        self._leader = 0

    def remove(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.cut_power()
        shutil.rmtree(self.root, ignore_errors=True)
