"""What an update touches of the machine: its units, its clock, its node's facts. Needs systemd and Python 3.11."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from release_bundle import ReleaseError
from release_slots import Slots, run, write_durably
from release_trial import MAX_FAILED_STARTS, STATE, Facts, decode_facts

CONFIG: Final = Path("/etc/wayside/wayside.toml")
MARKER: Final = Path("/run/wayside/updating.json")
UNITS: Final = Path("/etc/systemd/system")
WATCH_UNIT: Final = "wayside-update.service"
# A camera process is ready about a second after its start, on a Pi three; one that is not there by then has failed, and
# the cameras that were not restarted yet still record.
RESTART_LIMIT_S: Final = 20.0
_ASK_LIMIT_S: Final = 15.0


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
        """Whether it runs afterwards."""
        self.systemctl("reset-failed", unit)
        try:
            return self.systemctl("restart", unit, limit_s=RESTART_LIMIT_S) == 0
        except subprocess.TimeoutExpired:
            return False

    def restart_page(self) -> None:
        """The technician's page, where it runs: only while set-up is open."""
        self.systemctl("try-restart", "--no-block", "wayside-page.service")

    def failed_starts(self, units: Sequence[str]) -> int:
        """How often systemd had to start these anew since they were last started on purpose."""
        count = 0
        for unit in units:
            argv = ["systemctl", "show", "--property=NRestarts,ActiveState", unit]
            told = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_ASK_LIMIT_S).stdout
            facts = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
            if facts.get("ActiveState") == "failed":
                return MAX_FAILED_STARTS
            count = max(count, int(facts.get("NRestarts") or 0))
        return count

    def facts(self) -> Facts | None:
        """None when the running release does not tell, whatever the reason."""
        python = self.slots.root / "current" / "bin" / "python"
        argv = [str(python), "-I", "-m", "agent.processes.vouch", "--config", str(self.config)]
        try:
            return decode_facts(run(argv, "asking the node", limit_s=_ASK_LIMIT_S))
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
        """Tells the node why its cameras stop: a gap of these minutes is `updating`."""
        told = {"v": 1, "since_wall_ns": time.time_ns(), "from": previous, "to": version}
        try:
            write_durably(self.marker, json.dumps(told).encode("ascii"))
        except OSError as exc:
            # No reason to stay on the old release: the gap is then told as a stop of the agent.
            say(f"{self.marker} cannot be written ({exc.strerror})")

    def unmark(self) -> None:
        self.marker.unlink(missing_ok=True)

    def start_watching(self) -> None:
        """Raises ReleaseError when systemd does not take the job."""
        if self.systemctl("start", "--no-block", WATCH_UNIT) != 0:
            raise ReleaseError(f"systemd cannot start {WATCH_UNIT}; is it installed?")

    @staticmethod
    def systemctl(*argv: str, limit_s: float = _ASK_LIMIT_S) -> int:
        done = subprocess.run(["systemctl", *argv], capture_output=True, text=True, check=False, timeout=limit_s)
        return done.returncode


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def boot_clock_s() -> float:
    """Runs on through a suspend, and no clock step moves it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def say(line: str) -> None:
    """To the journal, or the person."""
    print(f"wayside-update: {line}", file=sys.stderr, flush=True)
