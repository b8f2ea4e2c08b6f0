"""A bookworm with what a node's operating system has, booted by a real systemd in a container without a network.

One tree is made once and kept in ~/.cache/wayside-rigs; each machine is a copy of it. A machine has a control group of
its own, so that two at once do not meet, and so that ending it ends everything that ran in it.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

# Raise the number when the packages change.
BASE: Final = Path.home() / ".cache" / "wayside-rigs" / "bookworm-1"
PACKAGES: Final = (
    *("systemd", "systemd-sysv", "dbus", "udev", "kmod", "procps", "iproute2", "openssl"),
    *("python3", "python3-venv", "chrony", "nftables", "mosquitto"),
)
_TOOLS: Final = ("mmdebstrap", "systemd-nspawn", "nsenter")
_ENVIRONMENT: Final = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LC_ALL=C.UTF-8",
)
_CGROUPS: Final = Path("/sys/fs/cgroup")
_BOOT_LIMIT_S: Final = 90.0


def require_tools() -> None:
    """Skips the test where no machine can be made."""
    if os.geteuid() != 0:
        pytest.skip("machines of their own need root")
    for tool in _TOOLS:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


def base() -> Path:
    """The tree that machines are copied from: 290 MB, made in 20 s to 100 s when it is not there."""
    if not BASE.is_dir():
        BASE.parent.mkdir(parents=True, exist_ok=True)
        part = BASE.with_name(f"{BASE.name}.{os.getpid()}.part")
        argv = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}", "bookworm", str(part)]
        subprocess.run(argv, check=True, timeout=900)
        part.rename(BASE)
    return BASE


def wait_until(is_so: Callable[[], bool], problem: str, *, limit_s: float = 60.0) -> None:
    """Looks five times a second: a look into a machine costs some 20 ms."""
    deadline_s = time.monotonic() + limit_s
    while not is_so():
        if time.monotonic() > deadline_s:
            pytest.fail(f"within {limit_s:.0f} s: {problem}", pytrace=False)
        threading.Event().wait(0.2)


class Machine:
    """`root` is its file tree, on the host, running or not. `stop` is an orderly end, `cut_power` is none."""

    def __init__(self, root: Path) -> None:
        require_tools()
        self.root = root
        self.name = f"wayside-{os.getpid()}-{root.parent.name[-24:]}".replace("_", "-")
        self._process: subprocess.Popen[bytes] | None = None
        self._leader = 0
        subprocess.run(["cp", "--archive", "--reflink=auto", str(base()), str(root)], check=True)
        (root / "etc" / "hostname").write_text("node\n")
        (root / "etc" / "machine-id").write_text("")
        # Debian starts it by itself; a node has no broker.
        (root / "etc/systemd/system/multi-user.target.wants/mosquitto.service").unlink(missing_ok=True)

    def start(self) -> None:
        """Until systemd says that the boot is over."""
        nspawn = ["systemd-nspawn", "--quiet", "--directory", str(self.root), "--register=no", "--keep-unit"]
        nspawn += ["--private-network", "--console=pipe", "--machine", self.name[:60], "--boot"]
        # The shell moves itself into the machine's own control group, in every hierarchy that has one, and becomes
        # systemd-nspawn.
        for group in self._cgroups():
            group.mkdir(exist_ok=True)
        moves = "".join(f"echo $$ > {shlex.quote(str(group))}/cgroup.procs; " for group in self._cgroups())
        with self.console.open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "sh", "-c", f"{moves}exec {shlex.join(nspawn)}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: self._find_leader() != 0, f"no first process; see {self.console}", limit_s=20)
        self._leader = self._find_leader()
        wait_until(self._is_up, f"the machine does not come up; see {self.console}", limit_s=_BOOT_LIMIT_S)

    @property
    def console(self) -> Path:
        return self.root.with_suffix(".console")

    def argv(self, *argv: str) -> list[str]:
        """What runs `argv` inside, for a caller who wants the process itself."""
        return ["nsenter", "--target", str(self._leader), "--all", "--", "/usr/bin/env", "-i", *_ENVIRONMENT, *argv]

    def status(self, *argv: str, limit_s: float = 300.0) -> tuple[int, str]:
        """Exit code and what it printed, both streams."""
        done = subprocess.run(
            self.argv(*argv), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=limit_s
        )
        return done.returncode, done.stdout

    def run(self, *argv: str, limit_s: float = 300.0) -> str:
        """The same; the test fails where the command does."""
        code, said = self.status(*argv, limit_s=limit_s)
        if code:
            pytest.fail(f"{shlex.join(argv)}: {code}\n{said[-4000:]}", pytrace=False)
        return said

    def show(self, unit: str, fact: str) -> str:
        """One property of a unit, as `systemctl show` gives it."""
        return self.run("systemctl", "show", "--value", "--property", fact, unit).strip()

    def is_active(self, unit: str) -> bool:
        return self.status("systemctl", "is-active", "--quiet", unit)[0] == 0

    def main_pid(self, unit: str) -> int:
        """In the machine's own numbering."""
        return int(self.show(unit, "MainPID"))

    def journal(self, *options: str) -> str:
        return self.run("journalctl", "--no-pager", "--output=short-monotonic", *options)

    def give(self, source: Path, target: str) -> None:
        """Copy a file in."""
        path = self.root / target.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, path)

    def stop(self, *, limit_s: float = 60.0) -> None:
        """As `poweroff` does. The test fails when it takes longer."""
        assert self._process is not None
        self.status("systemctl", "poweroff")
        try:
            self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.cut_power()
            pytest.fail(f"the machine did not go down within {limit_s:.0f} s", pytrace=False)
        self._leader = 0

    def cut_power(self) -> None:
        """Everything in it is gone at one instant. What was not synced stays in the host's cache: half a power cut."""
        if self._process is None:
            return
        if self._leader:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._leader, signal.SIGKILL)
        else:
            self._process.kill()
        self._process.wait(30)
        self._leader = 0

    def remove(self) -> None:
        """Whatever its state."""
        if self._process is not None and self._process.poll() is None:
            self.cut_power()
        for group in self._cgroups():
            folders = (
                sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True) if group.is_dir() else []
            )
            for folder in (*folders, group):
                with contextlib.suppress(OSError):
                    folder.rmdir()
        shutil.rmtree(self.root, ignore_errors=True)

    def _is_up(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            pytest.fail(f"systemd-nspawn ended: {self.console.read_text(errors='replace')[-2000:]}", pytrace=False)
        return self.status("systemctl", "is-system-running")[1].strip() in ("running", "degraded")

    def _find_leader(self) -> int:
        assert self._process is not None
        with contextlib.suppress(FileNotFoundError):
            children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
            return int((children.split() or ["0"])[0])
        return 0

    def _cgroups(self) -> list[Path]:
        """Its group in the hierarchies that systemd uses: the one of version 2, or those of the hybrid layout."""
        tops = [_CGROUPS] if (_CGROUPS / "cgroup.procs").exists() else [_CGROUPS / "systemd", _CGROUPS / "unified"]
        return [top / self.name for top in tops if (top / "cgroup.procs").exists()]
