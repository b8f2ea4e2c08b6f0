"""`python -m agent.sim`: a process of simulated nodes, for `wayside fleet-sim`, which orders it by stdin."""

from __future__ import annotations

import logging
import signal
import socket
import sys
from io import FileIO

import msgspec

from agent import log
from agent.sim.loop import FleetLoop
from agent.sim.node import FleetNode
from agent.sim.orders import Start
from agent.sim.store import outbox_schema


def main() -> None:
    log.setup(level=logging.ERROR)
    # Ctrl-C reaches every process of the terminal: the director ends this one in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders = FileIO(0, closefd=False)
    start = msgspec.json.decode(orders.readline(), type=Start)
    schema = outbox_schema()
    wake, other = socket.socketpair()
    nodes = [FleetNode(start, number, schema, wake) for number in range(start.first, start.first + start.count)]
    FleetLoop(nodes, orders, sys.stdout.buffer).run()
    wake.close()
    other.close()


if __name__ == "__main__":
    main()
