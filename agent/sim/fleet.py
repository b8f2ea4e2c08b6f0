"""`wayside fleet-sim`: a fleet is born, its broker dies and returns, incidents come in bursts; what came of it.

One mosquitto with the shipped kit's bounds, the centre's own collector with its store, and the nodes in few processes.
"""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from agent.bench.mosquitto import Mosquitto
from agent.centre.collector import Collector, CollectorOptions
from agent.centre.eventstore import Kept
from agent.contract.events import type_word
from agent.errors import BenchError, UsageError
from agent.sim.crew import Crew
from agent.sim.orders import Order, Start
from agent.sim.report import Report, busiest_second, percentile
from agent.units import NS_PER_S

# The kit's bounds (provisioning.broker.settings).
_BROKER: Final = (
    "max_packet_size 69632\nmax_inflight_messages 100\nmax_queued_messages 20000\nmax_queued_bytes 268435456\n"
)
# Socket, its selector, and the store's file, log and index.
_FILES_OF_A_NODE: Final = 5
_FILES_BESIDES: Final = 200
_BORN_LIMIT_S: Final = 600.0
_BACK_LIMIT_S: Final = 300.0
# An event that a broker took from a node and nobody from it comes again after five minutes (agent.messaging.doubt).
_SETTLE_LIMIT_S: Final = 600.0
_POLL_S: Final = 0.2

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetOptions:
    """`incidents`: of each node in each of three bursts: online, without a broker, at its return."""

    nodes: int
    processes: int
    folder: Path
    spread_s: float
    outage_s: float
    incidents: int
    health_period_s: float


@dataclass(slots=True)
class _Ear:
    """What the centre stored. Written by the collector's thread alone."""

    incidents: int = 0
    copies: int = 0

    def hear(self, kept: Kept) -> None:
        self.incidents += sum(type_word(event.envelope.type) == "incident" for event in kept.events)
        self.copies += kept.copies


def run(options: FleetOptions, say: Say) -> Report:
    """Raises BenchError when the fleet is not born or does not end, UsageError when this machine is too small."""
    raise_file_limit(options.nodes, options.processes)
    ear = _Ear()
    (options.folder / "nodes").mkdir(parents=True, exist_ok=True)
    with Mosquitto(options.folder, _BROKER) as broker:
        collector = Collector(
            CollectorOptions(url=broker.url, folder=options.folder / "centre", client_id="fleet-centre"), ear.hear
        )
        collector.start()
        try:
            _wait(lambda: collector.is_connected, 30.0, "the centre does not connect")
            with Crew(_starts(options, broker.url), options.folder / "nodes.log") as crew:
                return _Trial(options, broker, crew, ear, say).run()
        finally:
            collector.close()


def raise_file_limit(nodes: int, processes: int) -> None:
    """The broker needs a file a node, a process of nodes five. Raises UsageError where the machine allows fewer."""
    needed = max(nodes, -(-nodes // processes) * _FILES_OF_A_NODE) + _FILES_BESIDES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise UsageError(nodes=nodes, needed=needed, allowed=hard, remedy="more --processes, or raise `ulimit -Hn`")
    if soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _starts(options: FleetOptions, url: str) -> list[Start]:
    bounds = [options.nodes * number // options.processes for number in range(options.processes + 1)]
    return [
        Start(
            folder=str(options.folder / "nodes"),
            url=url,
            first=first,
            count=after - first,
            spread_s=options.spread_s,
            health_period_s=options.health_period_s,
        )
        for first, after in pairwise(bounds)
        if after > first
    ]


class _Trial:
    def __init__(self, options: FleetOptions, broker: Mosquitto, crew: Crew, ear: _Ear, say: Say) -> None:
        self._options = options
        self._broker = broker
        self._crew = crew
        self._ear = ear
        self._say = say
        self._burst = Order(incidents=options.incidents)

    def run(self) -> Report:
        nodes = self._options.nodes
        began_ns = time.monotonic_ns()
        _wait(lambda: len(self._crew.births()) == nodes, _BORN_LIMIT_S, "the fleet is not born", self._check)
        born = self._crew.births()
        born_s = _seconds(began_ns, max(born.values()))
        self._say(f"{len(born)} nodes born within {born_s:.1f} s")
        self._tell_and_wait()
        self._crew.take_late_s()
        killed_ns = time.monotonic_ns()
        back_ns = self._restart()
        self._crew.order(self._burst)
        self._wait_for_return(killed_ns)
        late_s = self._crew.take_late_s()
        # The first may be connected before it is seen that the broker listens.
        returned = self._crew.births(killed_ns)
        times_s = sorted(max(0.0, _seconds(back_ns, each)) for each in returned.values())
        returns = "".join(f"{each:.3f}\n" for each in times_s)
        (self._options.folder / "returns.txt").write_text(returns, encoding="utf-8")
        self._say(f"{len(times_s)} back, the last after {times_s[-1] if times_s else 0:.1f} s")
        self._settle(3)
        settled_s = _seconds(back_ns, time.monotonic_ns())
        sums = self._crew.sums()
        self._crew.order(Order(is_end=True))
        return Report(
            nodes=nodes,
            connected=sums.connected,
            incidents_made=sums.made,
            incidents_received=self._ear.incidents,
            incidents_lost=sums.made - self._ear.incidents,
            duplicates=self._ear.copies,
            reconnect_p99_s=_rounded(percentile(times_s, 0.99)),
            busiest_second_ratio=round(busiest_second(times_s) / nodes, 4),
            born=len(born),
            born_s=round(born_s, 2),
            reconnected=len(times_s),
            reconnect_max_s=_rounded(percentile(times_s, 1.0)),
            settled_s=round(settled_s, 1),
            spread_s=self._options.spread_s,
            outage_s=self._options.outage_s,
            simulator_late_s=round(late_s, 2),
            peak_rss_mb=sums.peak_rss_mb,
        )

    def _tell_and_wait(self) -> None:
        self._crew.order(self._burst)
        self._settle(1)
        self._say(f"{self._ear.incidents} incidents stored by the centre")

    def _restart(self) -> int:
        """SIGKILL, an outage with a burst in it, and the return: when, by CLOCK_MONOTONIC."""
        self._broker.kill()
        self._crew.order(self._burst)
        threading.Event().wait(self._options.outage_s)
        self._broker.start()
        back_ns = time.monotonic_ns()
        self._say(f"broker killed, and back after {self._options.outage_s:.0f} s without what it knew")
        return back_ns

    def _wait_for_return(self, killed_ns: int) -> None:
        until_s = time.monotonic() + _BACK_LIMIT_S
        pause = threading.Event()
        while len(self._crew.births(killed_ns)) < self._options.nodes and time.monotonic() < until_s:
            self._check()
            pause.wait(_POLL_S)

    def _settle(self, bursts: int) -> None:
        """Until all that was ordered is made and stored by the centre, or the limit."""
        due = bursts * self._options.incidents * self._options.nodes
        until_s = time.monotonic() + _SETTLE_LIMIT_S
        pause = threading.Event()
        while self._ear.incidents < due and time.monotonic() < until_s:
            self._check()
            pause.wait(_POLL_S)

    def _check(self) -> None:
        self._crew.sums()


def _seconds(from_ns: int, to_ns: int) -> float:
    return (to_ns - from_ns) / NS_PER_S


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _wait(is_so: Callable[[], bool], limit_s: float, problem: str, check: Callable[[], None] | None = None) -> None:
    until_s = time.monotonic() + limit_s
    pause = threading.Event()
    while not is_so():
        if time.monotonic() > until_s:
            raise BenchError(problem=problem)
        if check is not None:
            check()
        pause.wait(_POLL_S)
