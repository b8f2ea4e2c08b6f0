"""What a command's file is given and what it gives back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from agent.clock import Clock
from agent.commands.ingest import Network, camera_networks
from agent.commands.pace import Precedence
from agent.commands.running import Halt
from agent.commands.trust import Trust
from agent.config import Config
from agent.contract.commands import Answer, AnswerState, CommandPayload
from agent.contract.events import EventData, Lane
from agent.contract.requests import Result
from agent.contract.states import TrafficState
from agent.contract.topics import NodeAddress
from agent.errors import CommandRejected
from agent.ledger import Ledger
from agent.notices import SheetWanted


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A picture of a camera: JPEG of at most 30 kB and the wall time it shows."""

    camera: str
    jpeg: bytes
    wall_ns: int


@dataclass(frozen=True, slots=True)
class LiveShown:
    """A live picture under its lease; `stream` is main or sub, `codec` mjpeg where single pictures are sent."""

    lease_id: str
    until_wall_ns: int
    stream: str
    codec: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class UploadFacts:
    """`ceiling_bytes_s`: 0 is none; `cameras`: networks that no name may lead into; `authority`: a PEM file of whom
    receivers are believed by, beside the system's; "" is nobody; `precedence`: who goes first on the node's line."""

    ceiling_bytes_s: int = 0
    cameras: tuple[Network, ...] = ()
    authority: str = ""
    precedence: Precedence = field(default_factory=Precedence)

    @staticmethod
    def of(config: Config) -> UploadFacts:
        authority = config.broker.ca if config.broker else ""
        return UploadFacts(config.upload.ceiling_bytes_s, camera_networks(config.sources), authority)


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What commands may know of the node; constant for the life of the process. `keep_free_bytes` is what retention
    keeps free on the ring's disk; `command_keys` the list of keys that are obeyed (agent.commands.pinned);
    `upload_hosts` tells the hosts of the `desired` document in force, from any thread; `store_mark` is the file that
    names the store (agent.commands.storemark), None where nobody asks; `uploads` what the
    configuration says of clips that leave."""

    address: NodeAddress
    data_dir: Path
    cameras: tuple[str, ...]
    zone: ZoneInfo
    clock: Clock
    trust: Trust
    boot_id: str
    started_mono_ns: int
    keep_free_bytes: int
    command_keys: Path | None = None
    upload_hosts: Callable[[], tuple[str, ...]] = tuple
    store_mark: Path | None = None
    uploads: UploadFacts = UploadFacts()


@dataclass(frozen=True, slots=True)
class Standing:
    """The configuration as it lies there and what `reported` says of it (ConfigRefreshResult)."""

    config_sha256: str
    faults: tuple[str, ...]
    revision: int | None
    is_edited: bool


@dataclass(frozen=True, slots=True)
class Papers:
    """The certificate in force."""

    serial: str
    not_after_s: int


@dataclass(frozen=True, slots=True)
class TendingHands:
    """What commands may do to the node itself, from any command thread.

    `session` (process, camera or "") names the life of a process that is connected, "" when none is; `end` asks it to
    end in order and may be called twice; of the process `node` both mean this one. `refresh` reads the files again and
    asks the broker for `desired`. `renew` asks the office once: seconds to wait before asking again, or the papers that
    are in force from now on; raises EnrolmentError, CommandRejected. `open_setup` (who signed) lets the page listen:
    its state and the seconds left, None where nothing ends; raises EnrolmentError, CommandRejected.
    """

    session: Callable[[str, str], str]
    end: Callable[[str, str], None]
    refresh: Callable[[], Standing]
    renew: Callable[[], Papers | float]
    open_setup: Callable[[str], tuple[str, float | None]]


@dataclass(frozen=True, slots=True)
class NodeHands:
    """What commands may do through the rest of the node. Each may be called from any of the command threads.

    `snapshot` and `sheet` (the pictures' bytes in, a JPEG out) ask vision and raise CommandFailed; `traffic` tells the
    roads by camera; `respond` hands an answer to the uplink for a reply topic; `tell` appends an event to the outbox in
    the caller's transaction: connection, event type, data, camera or "". `republish` sends a lane again from a sequence
    on; False when too much waits already. `ledger` is the ring's one writer. `live_start` (camera, ingest or "",
    seconds) returns when the first picture is on its way and raises LiveError and CommandFailed; `live_stop` (camera,
    lease or "") tells how many leases it ended.
    """

    snapshot: Callable[[str], Snapshot]
    sheet: Callable[[SheetWanted, bytes], bytes]
    traffic: Callable[[], Mapping[str, TrafficState]]
    respond: Callable[[str, Answer], None]
    tell: Callable[[sqlite3.Connection, str, EventData, str], None]
    republish: Callable[[Lane, int], bool]
    ledger: Ledger
    live_start: Callable[[str, str, float], LiveShown]
    live_stop: Callable[[str, str], int]
    tending: TendingHands


@dataclass(frozen=True, slots=True)
class Told:
    """An event that belongs to an outcome: it is told if, and only if, that becomes the command's one final answer."""

    event_type: str
    data: EventData
    camera: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a command; `state` is a final one."""

    state: AnswerState
    result: Result | None
    reason: str = ""
    message: str = ""
    told: Told | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """One command being carried out. `conn` belongs to the thread that runs it; `report` publishes progress (0 to 1)
    with a line for people; `stop` is set when the node shuts down or the command was cancelled. `conclude` gives
    another command its final answer and stops its work; False when it had one already."""

    payload: CommandPayload
    conn: sqlite3.Connection
    facts: NodeFacts
    hands: NodeHands
    report: Callable[[float, str], None]
    stop: Halt
    conclude: Callable[[CommandPayload, Outcome], bool]

    def require_camera(self, camera: str) -> str:
        """The camera's id. Raises CommandRejected, which names those that there are."""
        if camera not in self.facts.cameras:
            there = ", ".join(self.facts.cameras) or "none"
            raise CommandRejected(
                reason="unknown_camera", camera=camera, remedy=f"the cameras of this node are: {there}"
            )
        return camera
