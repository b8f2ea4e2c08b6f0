"""`python -m tests.faults`: the long campaigns, with their numbers. Ends by itself; talks to loopback only."""

from __future__ import annotations

import logging
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from agent import log
from tests.broker import Broker
from tests.faults import (
    attack,
    campaigns,
    clocks,
    desired,
    disks,
    forgeries,
    fuzz,
    keeping,
    machine,
    modes,
    nats,
    outage,
    sound,
    thinline,
)
from tests.recording import evidence
from tests.rigs.films import FilmSettings, make_film
from tests.rigs.rtsp import RtspCamera

_ROUNDS = 5
_POWER_CUTS = 200
_CUTS_OF_ONE_RING = 50
_OUTAGE_S = 30.0
_RTSP_S = 66.0
_MUTATIONS = 1000
_IN_1970_S = 300.0
_BEFORE_BACK_S = 60.0
_SOUND_S = 60.0
_SOUND_KILLS = 5
_FUZZ_S = 60.0
_MACHINE_CUTS = 20
_MODE_KILLS = 10
_FORGERIES = 20_000
_REPLICATED = 4_000


def main(names: list[str]) -> int:
    log.setup(level=logging.ERROR)
    ffmpeg = shutil.which("ffmpeg") or "ffmpeg"
    with tempfile.TemporaryDirectory(prefix="wayside-faults-") as folder:
        root = Path(folder)
        todo: dict[str, Callable[[], list[str]]] = {
            f"{name}-{number.name.lower()}": lambda name=name, number=number: _with_broker(
                root / f"{name}-{number.name}",
                lambda here, broker: campaigns.process_faults(here, broker, name, number, _ROUNDS),
            )
            for name in ("vision", "node")
            for number in (signal.SIGKILL, signal.SIGSTOP)
        }
        todo["evidence"] = lambda: _tamper(root / "evidence")
        todo["camera"] = lambda: campaigns.camera_fault(root / "camera")
        todo["power"] = lambda: campaigns.power_cuts(root / "power", _POWER_CUTS, ffmpeg, of_one_ring=_CUTS_OF_ONE_RING)
        todo["disk-full"] = lambda: disks.disk_fault(root / "disk-full", disks.tmpfs, disks.FULL)
        todo["disk-readonly"] = lambda: disks.disk_fault(root / "disk-readonly", disks.failing, disks.READ_ONLY)
        todo["disk-eio"] = lambda: disks.disk_fault(root / "disk-eio", disks.failing, disks.BROKEN)
        todo["disk-unplugged"] = lambda: disks.disk_fault(root / "disk-unplugged", disks.image, disks.UNPLUGGED)
        todo["broker"] = lambda: _with_broker(
            root / "broker", lambda here, broker: campaigns.broker_outage(here, broker, _OUTAGE_S)
        )
        todo["outage"] = lambda: outage.outage(root / "outage")
        todo["nats"] = lambda: nats.nats(root / "nats", _REPLICATED)
        todo["modes"] = lambda: _with_broker(
            root / "modes", lambda here, broker: modes.killed_in_an_incident(here, broker, _MODE_KILLS)
        )
        todo["holds"] = lambda: _with_broker(root / "holds", keeping.held_through_a_kill)
        todo["line"] = lambda: thinline.line(root / "line")
        todo["desired"] = lambda: _with_broker(root / "desired", desired.desired)
        todo["clock-1970"] = lambda: _with_broker(
            root / "clock-1970", lambda here, broker: clocks.boot_in_1970(here, broker, _IN_1970_S)
        )
        todo["clock-back"] = lambda: clocks.step_back(root / "clock-back", _BEFORE_BACK_S)
        todo["sound"] = lambda: sound.sound(root / "sound", _SOUND_S, _SOUND_KILLS, ffmpeg)
        todo["fuzz"] = lambda: fuzz.fuzz(root / "fuzz", _FUZZ_S)
        todo["forgeries"] = lambda: forgeries.forgeries(root / "forgeries", _FORGERIES)
        todo["attack"] = lambda: attack.attack(root / "attack", _FORGERIES)
        todo["vm"] = lambda: machine.machine_cuts(root / "vm", _MACHINE_CUTS, ffmpeg)
        todo["rtsp"] = lambda: _with_rtsp(root / "rtsp")
        for name, campaign in todo.items():
            if not names or name in names:
                for line in campaign():
                    print(line, flush=True)
    return 0


def _tamper(folder: Path) -> list[str]:
    """Random changes to a signed bundle, each of which `wayside footage verify` must find."""
    folder.mkdir(parents=True)
    made = evidence.make_sealed_bundle(folder, evidence.make_signer())
    missed, tried = evidence.campaign(made, folder, _MUTATIONS, seed=1)
    kinds = ", ".join(f"{count} {name}" for name, count in sorted(tried.items()))
    return [f"evidence: {tried.total()} mutations, {len(missed)} missed ({kinds})", *missed]


def _with_rtsp(folder: Path) -> list[str]:
    folder.mkdir(parents=True)
    film = make_film(folder, FilmSettings("film.h264", seconds=_RTSP_S + 10))
    with RtspCamera(film) as camera:
        return _with_broker(
            folder / "broker", lambda here, broker: campaigns.camera_breaks(here, broker, camera, _RTSP_S)
        )


def _with_broker(folder: Path, campaign: Callable[[Path, Broker], list[str]]) -> list[str]:
    folder.mkdir(parents=True)
    broker = Broker(folder, "allow_anonymous true")
    broker.start()
    try:
        return campaign(folder / "agent", broker)
    finally:
        broker.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
