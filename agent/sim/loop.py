"""Many nodes on one thread: who is heard works, and who has been quiet for its time."""

from __future__ import annotations

import heapq
import resource
import selectors
import time
from collections.abc import Iterable
from typing import IO, Final

import msgspec

from agent.sim.node import FleetNode
from agent.sim.orders import Order, Tally
from agent.units import NS_PER_S

_TALLY_S: Final = 0.5
# Incidents are made in between, so that a burst of thousands does not keep lines from being heard.
_INCIDENTS_A_ROUND: Final = 10


class FleetLoop:
    """`run` returns when an order says so, or when whoever orders is gone."""

    def __init__(self, nodes: Iterable[FleetNode], orders: IO[bytes], tallies: IO[bytes]) -> None:
        """`orders` is unbuffered: a line that waits in a buffer would not be seen by the selector."""
        self._nodes = {node.number: node for node in nodes}
        self._orders = orders
        self._tallies = tallies
        self._selector = selectors.DefaultSelector()
        self._selector.register(orders, selectors.EVENT_READ)
        self._sockets: dict[int, int] = {}
        # One valid entry a node, the one that `_booked` names; the others are passed over.
        self._due: list[tuple[int, int]] = []
        self._booked: dict[int, int] = {}
        for node in self._nodes.values():
            # Not before: making thousands of stores takes longer than the first places are away.
            node.line.set_out()
            self._book(node)
        self._to_tell: list[int] = []
        self._made = 0
        self._told_ns = 0
        self._late_ns = 0
        self._rest = b""
        self._is_ended = False

    def run(self) -> None:
        while not self._is_ended:
            self._round()
        waiting = sum(node.waiting() for node in self._nodes.values())
        for node in self._nodes.values():
            node.close()
        self._tell(waiting)

    def _round(self) -> None:
        now_ns = time.monotonic_ns()
        wait_ns = min(self._due[0][0] - now_ns, int(_TALLY_S * NS_PER_S)) if self._due else NS_PER_S
        for key, _ in self._selector.select(0 if self._to_tell else max(0.0, wait_ns / NS_PER_S)):
            if key.data is None:
                self._read_orders()
            else:
                self._work(key.data)
        self._make_incidents()
        now_ns = time.monotonic_ns()
        while self._due and self._due[0][0] <= now_ns:
            due_ns, number = heapq.heappop(self._due)
            if self._booked[number] == due_ns:
                self._late_ns = max(self._late_ns, time.monotonic_ns() - due_ns)
                self._work(self._nodes[number])
        if now_ns - self._told_ns >= _TALLY_S * NS_PER_S:
            self._told_ns = now_ns
            self._tell()

    def _work(self, node: FleetNode) -> None:
        node.work()
        self._book(node)
        fresh, known = node.line.fileno(), self._sockets.get(node.number)
        if fresh == known:
            return
        if known is not None:
            self._selector.unregister(known)
            del self._sockets[node.number]
        if fresh is not None:
            self._selector.register(fresh, selectors.EVENT_READ, node)
            self._sockets[node.number] = fresh

    def _book(self, node: FleetNode) -> None:
        due_ns = node.due_ns
        if self._booked.get(node.number) != due_ns:
            self._booked[node.number] = due_ns
            heapq.heappush(self._due, (due_ns, node.number))

    def _read_orders(self) -> None:
        read = self._orders.read(65_536)
        *lines, self._rest = (self._rest + (read or b"")).split(b"\n")
        for line in lines:
            order = msgspec.json.decode(line, type=Order)
            self._is_ended = self._is_ended or order.is_end
            self._to_tell += list(self._nodes) * order.incidents
        self._is_ended = self._is_ended or not read

    def _make_incidents(self) -> None:
        now, self._to_tell = self._to_tell[:_INCIDENTS_A_ROUND], self._to_tell[_INCIDENTS_A_ROUND:]
        for number in now:
            node = self._nodes[number]
            node.tell_incident()
            self._made += 1
            if node.line.is_live:
                self._work(node)

    def _tell(self, waiting: int = 0) -> None:
        nodes = self._nodes.values()
        tally = Tally(
            births=tuple(birth for node in nodes for birth in node.births),
            connected=sum(node.line.is_live for node in nodes),
            made=self._made,
            alarms=sum(len(node.alarms) for node in nodes),
            waiting=waiting,
            late_s=self._late_ns / NS_PER_S,
            peak_rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        )
        self._late_ns = 0
        for node in nodes:
            node.births.clear()
        self._tallies.write(msgspec.json.encode(tally) + b"\n")
        self._tallies.flush()
