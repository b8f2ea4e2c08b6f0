"""The node process: keeps the store and talks to the centre. It never parses a picture or a stream."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Final

import msgspec

from agent import log
from agent.clock import SystemClock, kernel_boot_id
from agent.commands.dispatch import Dispatcher
from agent.commands.storemark import MARK_NAME as STORE_MARK
from agent.commands.trust import Trust
from agent.commands.work import NodeFacts, NodeHands, UploadFacts
from agent.config import Config
from agent.contract.commands import Answer
from agent.contract.events import EventData
from agent.contract.topics import parse_topic
from agent.contract.wire import encode
from agent.enrolment.renewer import RENEWAL_BACKOFF, Renewer, home_of
from agent.errors import DiskError, StoreError
from agent.link_server import LinkServer
from agent.mailbox import Mailbox
from agent.messaging.alarm import Alarm, AlarmKind
from agent.messaging.conversation import UplinkOptions
from agent.messaging.outbox import EventDraft, append
from agent.messaging.uplink import Uplink
from agent.notify import Notifier, Progress, watch
from agent.processes.board import Board
from agent.processes.chores import Chores
from agent.processes.clockkeeper import ClockKeeper
from agent.processes.desired_apply import settle_start
from agent.processes.desired_desk import make_desk
from agent.processes.edits import EditWatch
from agent.processes.ground import prepare_ground
from agent.processes.keeper import Keeper, KeeperFacts
from agent.processes.live_desk import LiveDesk
from agent.processes.looking import Looking
from agent.processes.metrics import MetricsPage
from agent.processes.reception import Arrived, Reception
from agent.processes.tending import Tending
from agent.processes.updating import MARKER_NAME
from agent.recording import evidence
from agent.recording.records import AgentStopped
from agent.stage import Backoff, Stage
from agent.store import transaction

_KEEPER_LIMIT_S: Final = 10.0
# Below the limit: who waits to try again lives.
_KEEPER_RETRY_S: Final = 4.0
_JOIN_S: Final = 5.0
_MAX_ARRIVED: Final = 100_000

_log = log.get("node")


def run_node(config: Config, stop: threading.Event, path: Path) -> int:
    """Keep and talk until `stop`; `path` is the configuration's file. Raises ConfigError, StoreError, DiskError,
    RingMissing, LinkError before anything is begun."""
    settled = settle_start(path, config, SystemClock(), kernel_boot_id())
    _NodeProcess(settled, stop, path).run()
    return 0


class _NodeProcess:
    """Everything the process holds, opened in order and closed backwards."""

    def __init__(self, config: Config, stop: threading.Event, path: Path) -> None:
        self._stop = stop
        self._ground = ground = prepare_ground(config)
        self._progress = Progress()
        self._inbox: Mailbox[Arrived] = Mailbox(_MAX_ARRIVED)
        self._reception = Reception(self._inbox, frozenset(ground.cameras), ground.clock)
        self._board = Board(config, ground.data_dir, self._reception, ground.clock, ground.boot)
        self._workers_stop = threading.Event()
        self._live = LiveDesk(path, ground.clock, self._show_picture)
        home = home_of(config)
        self._tending = Tending(config, path, self._reception, stop, home)
        self._dispatcher = Dispatcher(self._facts(path), self._hands(), ground.connect, self._workers_stop)
        self._board.commands = self._dispatcher.offer
        self._uplink = self._make_uplink()
        self._board.desired = desired = make_desk(
            ground, path, self._reception, self._uplink, tell=self._hands().tell, stop=self._workers_stop
        )
        self._tending.uplink, self._tending.desired = self._uplink, desired
        self._server: LinkServer | None = None
        self._stages = [
            Stage(
                "keeper",
                self._keep,
                stop=self._workers_stop,
                backoff=Backoff(max_s=_KEEPER_RETRY_S),
                on_failure=self._miss_store,
            ),
            *(Stage(name, body, stop=self._workers_stop) for name, body in self._dispatcher.bodies().items()),
            Stage("leases", lambda: self._live.keep(self._workers_stop), stop=self._workers_stop),
            Stage(
                "edits",
                EditWatch(path, tell=desired.local_faults, alarm=self._alarm, stop=self._workers_stop).run_once,
                stop=self._workers_stop,
            ),
            Stage("desired", desired.run_once, stop=self._workers_stop),
            *Chores(ground, self._hands().tell, self._alarm if self._uplink else None, self._workers_stop).stages(),
        ]
        if config.metrics_port:
            self._stages.append(Stage("metrics", self._metrics().run_once, stop=self._workers_stop))
        if home is not None:
            self._tending.renewer = renewer = Renewer(home, ground.clock, self._workers_stop, self._take_papers)
            renewal = Stage(
                "renewal",
                renewer.run_once,
                stop=self._workers_stop,
                backoff=RENEWAL_BACKOFF,
                on_failure=self._miss_renewal,
            )
            self._stages.append(renewal)

    def run(self) -> None:
        self._progress.register("keeper", _KEEPER_LIMIT_S)
        self._server = LinkServer(
            Path(self._ground.config.runtime_dir) / "node.sock",
            on_notice=self._reception.on_notice,
            on_connect=self._reception.on_connect,
            on_disconnect=self._reception.on_disconnect,
        )
        for stage in self._stages:
            stage.start()
        if self._uplink is not None:
            self._uplink.start()
        notifier = Notifier()
        notifier.ready()
        _log.info("node ready", node=self._ground.origin.address.node, boot=self._ground.boot.boot)
        watch(notifier, self._progress, self._stop)
        notifier.stopping()
        self._close()

    def _close(self) -> None:
        """Cameras stop at the same time: wait for their last words, then write down that this end was wanted."""
        self._reception.wait_for_goodbyes(_JOIN_S / 2)
        if self._server is not None:
            self._server.close()
        self._workers_stop.set()
        self._inbox.close()
        for stage in self._stages:
            if not stage.join(_JOIN_S):
                _log.warning("stage did not end", stage=stage.name)
        conn = self._ground.connect()
        with transaction(conn):
            evidence.note(conn, self._ground.ledger, AgentStopped())
        conn.close()
        if self._uplink is not None:
            self._uplink.stop(_JOIN_S / 2)
        self._ground.ledger.close()

    def _facts(self, path: Path) -> NodeFacts:
        ground = self._ground
        return NodeFacts(
            address=ground.origin.address,
            data_dir=ground.data_dir,
            cameras=ground.cameras,
            zone=ground.config.zone,
            clock=ground.clock,
            trust=Trust(ground.config.trust),
            boot_id=ground.boot.boot_id,
            started_mono_ns=ground.clock.mono_ns(),
            keep_free_bytes=ground.config.storage.min_free_bytes,
            command_keys=Path(ground.config.command_keys) if ground.config.command_keys else None,
            upload_hosts=self._board.upload_hosts,
            store_mark=path.with_name(STORE_MARK),
            uploads=UploadFacts.of(ground.config),
        )

    def _hands(self) -> NodeHands:
        def respond(topic: str, answer: Answer) -> None:
            if self._uplink is not None:
                self._uplink.respond(parse_topic(topic).name, encode(answer))

        def tell(conn: sqlite3.Connection, event_type: str, data: EventData, camera: str) -> None:
            append(conn, self._ground.origin, EventDraft(event_type, camera, data, self._ground.moment()))
            self._wake()

        return NodeHands(
            snapshot=Looking(self._reception, self._live.picture, self._ground.clock).snapshot,
            sheet=self._reception.sheet,
            traffic=self._reception.roads.states,
            respond=respond,
            tell=tell,
            republish=lambda lane, first: self._uplink is not None and self._uplink.republish(lane, first),
            ledger=self._ground.ledger,
            live_start=self._live.start,
            live_stop=self._live.stop,
            tending=self._tending.hands(),
        )

    def _make_uplink(self) -> Uplink | None:
        broker = self._ground.config.broker
        if broker is None:
            _log.warning("no broker configured: this node records and sees alone")
            return None
        home = home_of(self._ground.config)
        if home is not None and not home.in_service.exists():
            # Somebody stands before it and waits for the centre's ack; it is nodes in service that come back in crowds.
            broker = msgspec.structs.replace(broker, connect_spread_s=0.0)
        return Uplink(UplinkOptions(broker, self._ground.origin, self._ground.connect), self._board)

    def _metrics(self) -> MetricsPage:
        """With a board of its own: one is of one thread."""
        ground = self._ground
        board = Board(ground.config, ground.data_dir, self._reception, ground.clock, ground.boot)
        return MetricsPage(
            ground.config.metrics_port,
            health=board.health,
            is_connected=lambda: self._uplink is not None and self._uplink.status.is_connected,
            wall_ns=ground.clock.wall_ns,
            connect=ground.connect,
            stop=self._workers_stop,
        )

    def _show_picture(self, camera: str, jpeg: bytes) -> None:
        if self._uplink is not None:
            self._uplink.show(camera, jpeg)

    def _alarm(self, alarm: Alarm) -> None:
        if self._uplink is not None:
            self._uplink.alarm(alarm)

    def _wake(self) -> None:
        if self._uplink is not None:
            self._uplink.wake()

    def _take_papers(self) -> None:
        if self._uplink is not None:
            self._uplink.alarm(Alarm(AlarmKind.RENEWAL_FAILED, is_active=False))
            self._uplink.papers_changed()

    def _miss_renewal(self, failure: Exception) -> None:
        self._alarm(Alarm(AlarmKind.RENEWAL_FAILED, is_active=True, detail=str(failure)))

    def _keep(self) -> None:
        """Body of the stage "keeper": it owns its connection for as long as it lives."""
        ground = self._ground
        conn = ground.connect()
        facts = KeeperFacts(
            ground.data_dir,
            frozenset(ground.cameras),
            ground.origin,
            ground.boot.boot,
            updating=Path(ground.config.runtime_dir) / MARKER_NAME,
        )
        keeper = Keeper(facts, conn, ground.ledger, ground.clock, self._wake)
        clock = ClockKeeper(conn, ground.ledger, ground.clock, boot=ground.boot, origin=ground.origin)

        def tick() -> None:
            clock.look(self._wake)
            self._tick()

        try:
            self._reception.serve(keeper, self._workers_stop, tick)
        finally:
            conn.close()

    def _miss_store(self, failure: Exception) -> None:
        """A full or failing disk is no hang: another process would stand before the same disk."""
        if isinstance(failure, StoreError | DiskError):
            self._progress.beat("keeper")

    def _tick(self) -> None:
        """Each round of the keeper: say that it lives, and let the uplink look whether the cameras' states changed."""
        self._progress.beat("keeper")
        if self._uplink is not None and self._board.has_changed():
            self._uplink.facts_changed()
