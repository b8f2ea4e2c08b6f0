"""What an update touches of the machine: its units, its clock, its node's facts. Needs systemd and Python 3.11."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from release_build import run
from release_manifest import ReleaseError
from release_slots import Slots, write_durably
from release_trial import MAX_FAILED_STARTS, STATE, Facts, decode_facts

CONFIG: Final = Path("/etc/wayside/wayside.toml")
MARKER: Final = Path("/run/wayside/updating.json")
UNITS: Final = Path("/etc/systemd/system")
WATCH_UNIT: Final = "wayside-update.service"
# A camera process is ready a second after its start here (measured), slower on a Pi; one that is not there by then has
# failed, and the cameras that were not restarted yet still record.
RESTART_LIMIT_S: Final = 20.0
_ASK_LIMIT_S: Final = 15.0
_POLL_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Host:
    """Where things stand; the defaults are the installed machine's."""

    slots: Slots
    config: Path = CONFIG
    state: Path = STATE
    marker: Path = MARKER
    units: Path = UNITS

    def cameras(self) -> tuple[str, ...]:
        """As configured. Empty before the node is in service. Raises ReleaseError for a file that is no TOML."""
        try:
            told = tomllib.loads(self.config.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return ()
        except (OSError, ValueError) as exc:
            raise ReleaseError(f"{self.config} cannot be read: {exc}") from exc
        return tuple(str(camera["id"]) for camera in told.get("camera", []) if "id" in camera)

    def is_configured(self) -> bool:
        return self.config.is_file()

    def unit_names(self) -> tuple[str, ...]:
        """In the order in which they are restarted: footage first, so that its gap is the shortest."""
        cameras = tuple(f"wayside-camera@{camera}.service" for camera in self.cameras())
        return (*cameras, "wayside-vision.service", "wayside-node.service")

    def restart(self, unit: str) -> bool:
        """Whether it is ready afterwards, at the latest after RESTART_LIMIT_S or three failed starts.

        systemctl itself would wait for as long as systemd tries.
        """
        self.systemctl("reset-failed", unit)
        if self.systemctl("restart", "--no-block", unit) != 0:
            return False
        until_s = boot_clock_s() + RESTART_LIMIT_S
        # The job is queued first, and the process that is to end is active until then.
        while boot_clock_s() < until_s:
            is_busy, is_active, failed = self._state(unit)
            if failed >= MAX_FAILED_STARTS:
                return False
            if is_active and not is_busy:
                return True
            threading.Event().wait(_POLL_S)
        return False

    def kill_unready(self, units: Sequence[str]) -> None:
        """What never became ready has nothing to finish in order: it must not keep its camera for its stop's limit."""
        for unit in units:
            if not self._state(unit)[1]:
                self.systemctl("kill", "--signal=KILL", unit)

    def restart_page(self) -> None:
        """The technician's page, where it runs: only while set-up is open."""
        self.systemctl("try-restart", "--no-block", "wayside-page.service")

    def failed_starts(self, units: Sequence[str]) -> int:
        """How often systemd had to start these anew since they were last started on purpose, in all."""
        return sum(self._state(unit)[2] for unit in units)

    def _state(self, unit: str) -> tuple[bool, bool, int]:
        """Whether a job of it waits, whether it is ready, and its failed starts."""
        argv = ["systemctl", "show", "--property=Job,NRestarts,ActiveState", unit]
        told = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_ASK_LIMIT_S).stdout
        facts = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
        active = facts.get("ActiveState", "")
        failed = MAX_FAILED_STARTS if active == "failed" else int(facts.get("NRestarts") or 0)
        return facts.get("Job", "0") not in ("", "0"), active == "active", failed

    def facts(self) -> Facts | None:
        """None when the running release does not tell, whatever the reason."""
        python = self.slots.root / "current" / "bin" / "python"
        argv = [str(python), "-I", "-m", "agent.processes.vouch", "--config", str(self.config)]
        try:
            # The store is the node's word, and read with no more rights than the node has.
            return decode_facts(run(argv, "asking the node", limit_s=_ASK_LIMIT_S, as_node=True))
        except ReleaseError as exc:
            say(str(exc))
            return None

    def take_units(self, slot: str) -> None:
        """The unit files of the release in `slot` become systemd's, where they differ."""
        changed = []
        for source in sorted((self.slots.root / slot / "firmware_scripts" / "units").glob("wayside*")):
            target = self.units / source.name
            content = source.read_bytes()
            if source.is_file() and (not target.is_file() or target.read_bytes() != content):
                write_durably(target, content)
                changed.append(source.name)
        if changed:
            self.systemctl("daemon-reload")
            say(f"units changed: {', '.join(changed)}")

    def mark(self, previous: str, version: str) -> None:
        """Tells the node why its cameras stop: a gap of these minutes is `updating`. One that lasts is left alone."""
        told = self._marked()
        if told is None or told.get("until_wall_ns"):
            self._write_marker({"v": 1, "since_wall_ns": time.time_ns(), "from": previous, "to": version})

    def unmark(self) -> None:
        """The minutes are over. The marker stays: a camera's first footage comes some seconds after its process."""
        if (told := self._marked()) is not None:
            self._write_marker({**told, "until_wall_ns": time.time_ns()})

    def _marked(self) -> dict[str, object] | None:
        try:
            told = json.loads(self.marker.read_bytes())
        except (OSError, ValueError):
            return None
        return told if isinstance(told, dict) else None

    def _write_marker(self, told: dict[str, object]) -> None:
        try:
            write_durably(self.marker, json.dumps(told).encode("ascii"))
        except OSError as exc:
            # No reason to stay on the old release: the gap is then told as a stop of the agent.
            say(f"{self.marker} cannot be written ({exc.strerror})")

    def start_watching(self) -> None:
        """Raises ReleaseError when systemd does not take the job."""
        if self.systemctl("start", "--no-block", WATCH_UNIT) != 0:
            raise ReleaseError(f"systemd cannot start {WATCH_UNIT}; is it installed?")

    @staticmethod
    def systemctl(*argv: str) -> int:
        done = subprocess.run(["systemctl", *argv], capture_output=True, text=True, check=False, timeout=_ASK_LIMIT_S)
        return done.returncode


def boot_id() -> str:
    """The kernel's boot and the first process's start: a container's reboot is none of the kernel's.

    A confined unit's own /proc shows the kernel's id, not the one that the container was given (seen).
    """
    kernel = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    # proc(5): field 22 is the start in clock ticks; the name in field 2 may hold spaces.
    started = Path("/proc/1/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19]
    return f"{kernel}/{started}"


def boot_clock_s() -> float:
    """Runs on through a suspend, and no clock step moves it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def say(line: str) -> None:
    """To the journal, or the person."""
    print(f"wayside-update: {line}", file=sys.stderr, flush=True)
