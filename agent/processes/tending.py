"""The node process's hands for the commands that tend the node itself."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from pathlib import Path

from agent.commands.work import Papers, Standing, TendingHands
from agent.config import Config
from agent.contract.states import Reported
from agent.enrolment.home import NodeHome
from agent.enrolment.moment import now
from agent.enrolment.renewer import Renewer
from agent.enrolment.window import call_in
from agent.errors import CommandRejected, ConfigError
from agent.identity import new_uuid7
from agent.messaging.uplink import Uplink
from agent.processes.configfile import load_config
from agent.processes.desired import DesiredDesk
from agent.processes.lastgood import read_scene
from agent.processes.reception import Reception

_NOT_ENROLLED = "this node has no papers of an office: it runs on a desk"


@dataclass(slots=True)
class Tending:
    """`stop` ends this process in order. `uplink`, `desired` and `renewer` are set once they are there, before any
    command is taken. Methods are for any thread."""

    config: Config
    path: Path
    reception: Reception
    stop: threading.Event
    home: NodeHome | None = None
    uplink: Uplink | None = None
    desired: DesiredDesk | None = None
    renewer: Renewer | None = None
    life: str = field(default_factory=new_uuid7)

    def hands(self) -> TendingHands:
        return TendingHands(self.session, self.end, self.refresh, self.renew, self.open_setup)

    def session(self, process: str, camera: str) -> str:
        return self.life if process == "node" else self.reception.session_of(process, camera)

    def end(self, process: str, camera: str) -> None:
        if process == "node":
            self.stop.set()
        else:
            self.reception.end(process, camera)

    def refresh(self) -> Standing:
        if self.uplink is not None:
            self.uplink.ask_again()
        reported: Reported | None = None if self.desired is None else self.desired.reported()
        return Standing(
            config_sha256=self._digest(),
            faults=self._faults(),
            revision=None if reported is None else reported.revision,
            is_edited=reported is not None and reported.is_edited,
        )

    def renew(self) -> Papers | float:
        if self.renewer is None:
            raise CommandRejected(reason="not_enrolled", remedy=_NOT_ENROLLED)
        wait_s = self.renewer.renew_now()
        facts = self.renewer.certificate()
        return wait_s if wait_s or facts is None else Papers(str(facts.serial), facts.not_after_s)

    def open_setup(self, actors: str) -> tuple[str, float | None]:
        if self.home is None:
            raise CommandRejected(reason="not_enrolled", remedy=_NOT_ENROLLED)
        status = call_in(self.home, Path(self.config.runtime_dir), now(), actors=actors)
        return status.state.value, status.left_s

    def _digest(self) -> str:
        try:
            return hashlib.sha256(self.path.read_bytes()).hexdigest()
        except OSError:
            return ""

    def _faults(self) -> tuple[str, ...]:
        """As the stage "edits" judges them."""
        try:
            config = load_config(self.path)
        except ConfigError as exc:
            return (str(exc)[:500],)
        scenes = (read_scene(camera, self.path) for camera in config.cameras)
        return tuple(read.fault[:500] for read in scenes if read.fault)
