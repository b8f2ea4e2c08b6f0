"""A node's command side on a real ring, and the desk that asks it. Answers are collected, nothing is sent."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from agent.commands.dispatch import Dispatcher, Inbound
from agent.commands.trust import Trust
from agent.commands.work import LiveShown, NodeFacts, NodeHands, Papers, Snapshot, Standing, TendingHands
from agent.contract.commands import Actor, Answer, AnswerState, CommandPayload, encode_unsigned
from agent.contract.events import AuditData, ClipData, EventData, Lane, SecurityData
from agent.contract.states import TrafficState
from agent.contract.topics import NodeAddress
from agent.errors import CommandFailed, LiveError
from agent.identity import new_uuid7
from agent.messaging.lanes import Moment, Origin
from agent.messaging.outbox import EventDraft, append
from agent.notices import SheetWanted, SnapshotTaken
from agent.processes.sheets import Masks, SheetDesk
from agent.recording.records import AgentStarted, Configured
from agent.store import open_store
from agent.units import NS_PER_S, format_rfc3339
from agent.vision.detector import BgrImage
from tests.broker import wait_until
from tests.clip.footage import START_NS
from tests.recording.ring import Ring

ADDRESS = NodeAddress("test-org", "test-site", "test-node")
JPEG = b"\xff\xd8 a picture \xff\xd9"
CAMERAS = ("c01", "c02")


def at(seconds: float) -> str:
    """RFC 3339 of so long after the film's start."""
    return format_rfc3339(START_NS + int(seconds * NS_PER_S))


class Unmasked:
    """A camera whose scene hides nothing."""

    def unmasked(self, bgr: BgrImage) -> BgrImage:
        return bgr


@dataclass
class Tended:
    """The processes around the node's own, each with the number of its life; the office's words, in order."""

    lives: dict[tuple[str, str], int] = field(default_factory=lambda: {("camera", "c01"): 1, ("vision", ""): 1})
    deaf: set[str] = field(default_factory=set)
    node_life: int = 1
    office: list[Papers | float] = field(default_factory=list)
    opened_by: list[str] = field(default_factory=list)

    def hands(self, node: Node) -> TendingHands:
        life = self.node_life

        def session(process: str, camera: str) -> str:
            number = life if process == "node" else self.lives.get((process, camera), 0)
            return f"{process}-{number}" if number else ""

        def end(process: str, camera: str) -> None:
            if process == "node":
                self.node_life += 1
                node.stop.set()
            elif process not in self.deaf:
                self.lives[process, camera] += 1

        def open_setup(actors: str) -> tuple[str, float | None]:
            self.opened_by.append(actors)
            return "knocked", 1800.0

        standing = Standing(config_sha256="ab" * 32, faults=("a key is unknown",), revision=4, is_edited=True)
        return TendingHands(session, end, lambda: standing, lambda: self.office.pop(0), open_setup)


class Node:
    def __init__(self, folder: Path, *, trust: Trust = Trust.OPEN, is_new: bool = True) -> None:
        """With `is_new` the ring gets its four seconds of footage; otherwise it has them."""
        self.ring = ring = Ring(folder)
        self.answers: list[tuple[str, Answer]] = []
        self.told: list[EventData] = []
        self.republished: list[tuple[Lane, int]] = []
        self.is_busy = False
        self.roads: dict[str, TrafficState] = {}
        self.sheets: list[tuple[SheetWanted, bytes]] = []
        self.watches: dict[str, Masks] = {"c01": Unmasked()}
        self.live: list[tuple[str, str, float]] = []
        self.tended = Tended()
        self.on_answer: Callable[[Answer], None] = lambda answer: None
        self._counter = 0
        self._origin = Origin(ADDRESS, "boot", 1 << 30)
        self.facts = NodeFacts(
            address=ADDRESS,
            data_dir=folder,
            cameras=CAMERAS,
            zone=ZoneInfo("Asia/Bangkok"),
            clock=ring.clock,
            trust=trust,
            boot_id="boot",
            started_mono_ns=0,
            keep_free_bytes=0,
            command_keys=folder / "command_keys.json",
        )
        service = Configured(cameras=CAMERAS, timezone="Asia/Bangkok", org="o", site="s", node="n")
        if is_new:
            ring.note(service, AgentStarted(boot_id="boot", last_alive_wall_ns=0), at_s=-10)
            ring.index(ring.record())
        ring.clock.now_wall_ns = START_NS + 10 * NS_PER_S
        self.dispatcher = self.restart()

    def close(self) -> None:
        self.ring.close()

    def restart(self) -> Dispatcher:
        """Another process over the same store."""
        hands = NodeHands(
            snapshot=self._snapshot,
            sheet=self._sheet,
            traffic=lambda: dict(self.roads),
            respond=self._respond,
            tell=self._tell,
            republish=self._republish,
            ledger=self.ring.ledger,
            live_start=self._live_start,
            live_stop=self._live_stop,
            tending=self.tended.hands(self),
        )
        self.stop = threading.Event()
        self.dispatcher = Dispatcher(self.facts, hands, lambda: open_store(self.facts.data_dir), self.stop)
        return self.dispatcher

    def command(self, name: str, args: object = None, **changes: object) -> CommandPayload:
        self._counter += 1
        now_s = self.ring.clock.now_wall_ns // NS_PER_S
        command = CommandPayload(
            v=1,
            jti=new_uuid7(),
            aud=ADDRESS.urn,
            iss="desk",
            ctr=self._counter,
            iat=now_s,
            exp=now_s + 120,
            name=name,
            actor=Actor(id="somchai", role="operator"),
            purpose="case 12",
            case_ref="12",
            reply_to=ADDRESS.response("desk-1"),
            args=msgspec.Raw(msgspec.json.encode({} if args is None else args)),
        )
        return msgspec.structs.replace(command, **changes)

    def receive(
        self, command: CommandPayload, *, is_retained: bool = False, topic: str = "", message: bytes = b""
    ) -> None:
        """`message`: the command as somebody signed it."""
        inbound = Inbound(topic or command.name, message or encode_unsigned(command), is_retained)
        self.dispatcher.receive(self.ring.conn, inbound)

    def ask(self, name: str, args: object = None) -> Answer:
        """The final answer of a quick command."""
        command = self.command(name, args)
        self.receive(command)
        return self.final(command)

    def export(self, args: object, name: str = "clip.export") -> Answer:
        """The final answer of a long one, by running threads."""
        command = self.command(name, args)
        with self.running():
            self.dispatcher.offer(Inbound(command.name, encode_unsigned(command), is_retained=False))
            wait_until(lambda: bool(self.finals(command)), "no final answer")
        return self.final(command)

    @contextmanager
    def running(self) -> Iterator[None]:
        dispatcher = self.dispatcher
        bodies = tuple(dispatcher.bodies().values())
        threads = [threading.Thread(target=body, name="dispatcher") for body in bodies]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()

    def finals(self, command: CommandPayload) -> list[Answer]:
        return [answer for _, answer in list(self.answers) if answer.jti == command.jti and answer.state.is_final]

    def final(self, command: CommandPayload) -> Answer:
        (answer,) = self.finals(command)
        return answer

    def states(self, command: CommandPayload) -> list[AnswerState]:
        return [answer.state for _, answer in self.answers if answer.jti == command.jti]

    def audits(self) -> list[AuditData]:
        return [each for each in self.told if isinstance(each, AuditData)]

    def warnings(self) -> list[SecurityData]:
        return [each for each in self.told if isinstance(each, SecurityData)]

    def clips(self) -> list[ClipData]:
        return [each for each in self.told if isinstance(each, ClipData)]

    def _republish(self, lane: Lane, first: int) -> bool:
        self.republished.append((lane, first))
        return not self.is_busy

    def _respond(self, topic: str, answer: Answer) -> None:
        self.on_answer(answer)
        self.answers.append((topic, answer))

    def _live_start(self, camera: str, url: str, lease_s: float) -> LiveShown:
        if self.is_busy:
            raise LiveError(reason="ingest_refused", camera=camera, status=404)
        self.live.append((camera, url, lease_s))
        until_ns = self.ring.clock.now_wall_ns + int(lease_s * NS_PER_S)
        return LiveShown(new_uuid7(), until_ns, "sub" if url else "main", "h264" if url else "mjpeg", 640, 360)

    def _live_stop(self, camera: str, lease_id: str) -> int:
        del lease_id
        ended = [each for each in self.live if each[0] == camera]
        self.live = [each for each in self.live if each[0] != camera]
        return len(ended)

    def _snapshot(self, camera: str) -> Snapshot:
        if camera == "c02":
            raise CommandFailed(reason="vision_away", camera=camera, remedy="ask again in a moment")
        return Snapshot(camera, JPEG, START_NS)

    def _sheet(self, wanted: SheetWanted, pictures: bytes) -> bytes:
        self.sheets.append((wanted, pictures))
        answers: list[tuple[SnapshotTaken, bytes]] = []
        desk = SheetDesk(self.watches, lambda taken, jpeg: answers.append((taken, jpeg)))
        desk.ask(wanted, pictures)
        desk.serve()
        ((taken, jpeg),) = answers
        if taken.error:
            raise CommandFailed(reason="no_picture", remedy=taken.error)
        return jpeg

    def _tell(self, conn: sqlite3.Connection, event_type: str, data: EventData, camera: str) -> None:
        append(conn, self._origin, EventDraft(event_type, camera, data, Moment(START_NS, 1, "synced")))
        self.told.append(data)
