"""The processes in which a simulated fleet lives."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Final

import msgspec

from agent.errors import BenchError
from agent.sim.orders import Birth, Order, Start, Tally

_END_LIMIT_S: Final = 120.0


class Crew:
    """`with` starts them, and ends them whatever happens. What they tell is read by a thread of each."""

    def __init__(self, starts: list[Start], log: Path) -> None:
        self._starts = starts
        self._log = log
        self._lock = threading.Lock()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._readers: list[threading.Thread] = []
        self._newest: dict[int, Tally] = {}
        self._births: list[Birth] = []
        self._late_s = 0.0

    def __enter__(self) -> Crew:
        for number, start in enumerate(self._starts):
            with self._log.open("ab") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", "agent.sim"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
                )
            self._processes.append(process)
            reader = threading.Thread(target=self._read, args=(number, process), name=f"fleet-{number}")
            self._readers.append(reader)
            reader.start()
            self._say(process, start)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            if kind is not None:
                process.kill()
            if process.stdin is not None:
                process.stdin.close()
        for process, reader in zip(self._processes, self._readers, strict=True):
            try:
                process.wait(_END_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            reader.join()
            if process.stdout is not None:
                process.stdout.close()

    def order(self, order: Order) -> None:
        """To all of them. Raises BenchError when one is gone."""
        for process in self._processes:
            self._say(process, order)

    def births(self, since_mono_ns: int = 0) -> dict[int, int]:
        """Each node's first connection since, by CLOCK_MONOTONIC; nodes that have none are left out."""
        first: dict[int, int] = {}
        with self._lock:
            for birth in self._births:
                if birth.mono_ns >= since_mono_ns:
                    first[birth.node] = min(birth.mono_ns, first.get(birth.node, birth.mono_ns))
        return first

    def take_late_s(self) -> float:
        """By how much a node was worked on too late since this was asked last, at worst."""
        with self._lock:
            late_s, self._late_s = self._late_s, 0.0
        return late_s

    def sums(self) -> Tally:
        """The newest word of each, added up. Raises BenchError when one ended by itself."""
        for process in self._processes:
            if process.poll() not in (None, 0):
                raise BenchError(problem="a process of nodes ended", code=process.returncode, log=str(self._log))
        with self._lock:
            newest = list(self._newest.values())
        return Tally(
            births=(),
            connected=sum(each.connected for each in newest),
            made=sum(each.made for each in newest),
            alarms=sum(each.alarms for each in newest),
            waiting=sum(each.waiting for each in newest),
            peak_rss_mb=sum(each.peak_rss_mb for each in newest),
        )

    def _read(self, number: int, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            tally = msgspec.json.decode(line, type=Tally)
            with self._lock:
                self._newest[number] = tally
                self._births.extend(tally.births)
                self._late_s = max(self._late_s, tally.late_s)

    def _say(self, process: subprocess.Popen[bytes], what: Start | Order) -> None:
        assert process.stdin is not None
        try:
            process.stdin.write(msgspec.json.encode(what) + b"\n")
            process.stdin.flush()
        except BrokenPipeError as exc:
            raise BenchError(problem="a process of nodes ended", log=str(self._log)) from exc
