"""`wayside bench snapshot`: from the question at a desk to the picture in hand, over a real broker, decoding included.

A camera of 1080p25 with an IDR each 2 s and no sub stream, which is the most there is to decode. Asked of a node whose
vision is well; whose vision hangs, stopped by SIGSTOP with nobody to end it; and whose eye must be begun first.
"""

from __future__ import annotations

import base64
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from agent.bench.films import Say, cache_folder, make_films
from agent.bench.mosquitto import Mosquitto
from agent.bench.record import pause, started
from agent.bench.rows import Pair, Row, median_row
from agent.centre.client import CentreClient, CentreOptions, Request
from agent.contract.commands import AnswerState, CommandName
from agent.contract.looking import SnapshotArgs, SnapshotResult
from agent.contract.topics import NodeAddress
from agent.contract.wire import decode
from agent.errors import BenchError, NoAnswer
from agent.units import NS_PER_S, parse_rfc3339

_NODE: Final = NodeAddress("o", "s", "n")
_CAMERA: Final = "c01"
# Models are loaded and the first pictures are analysed; a slow machine needs this, a quick one does not wait for it.
_START_LIMIT_S: Final = 90.0
_ANSWER_S: Final = 30.0
# Where in the GOP somebody asks is chance; the same chances each time.
_SEED: Final = 1


@dataclass(frozen=True, slots=True)
class _Look:
    took_s: float
    age_s: float


@dataclass(frozen=True, slots=True)
class _Node:
    client: CentreClient
    vision: psutil.Process
    node: psutil.Process

    def look(self) -> _Look:
        """Raises BenchError when there is no picture."""
        began_s = time.monotonic()
        request = Request(_NODE, CommandName.SNAPSHOT, SnapshotArgs(camera=_CAMERA), "bench")
        answer = self.client.ask(request, timeout_s=_ANSWER_S)
        took_s = time.monotonic() - began_s
        if answer.state is not AnswerState.SUCCEEDED:
            raise BenchError(problem=answer.message, reason=answer.reason)
        result = decode(answer.result, SnapshotResult)
        if not base64.b64decode(result.jpeg_base64).startswith(b"\xff\xd8"):
            raise BenchError(problem="no JPEG came")
        return _Look(took_s, (time.time_ns() - parse_rfc3339(result.taken_at)) / NS_PER_S)

    def end_eyes(self) -> None:
        for child in self.node.children():
            if "eye" in child.cmdline():
                child.kill()
                child.wait()


def run(count: int, say: Say) -> list[Row]:
    """Seconds at the 95th percentile of `count` questions each, and the pictures' age. Raises BenchError."""
    film = make_films(cache_folder(), 1, say)[0]
    rows: list[Row] = []
    with _running(film) as node:
        say(f"vision is well: {count} questions")
        rows += _rows("vision", _looks(node, count))
        node.vision.send_signal(signal.SIGSTOP)
        say(f"vision hangs: {count} questions")
        rows += _rows("vision_hangs", _looks(node, count))
        say(f"vision hangs and the eye is begun anew: {count} questions")
        rows += _rows("eye_begun", _looks(node, count, node.end_eyes))
        node.vision.send_signal(signal.SIGCONT)
    return rows


def _looks(node: _Node, count: int, before: Callable[[], None] | None = None) -> list[_Look]:
    chance = random.Random(_SEED)  # noqa: S311 - when somebody asks is no secret
    looks: list[_Look] = []
    for _ in range(count):
        if before is not None:
            before()
        pause(chance.uniform(0.05, 1.0))
        looks.append(node.look())
    return looks


def _rows(name: str, looks: list[_Look]) -> list[Row]:
    took = sorted(look.took_s for look in looks)
    ages = sorted(look.age_s for look in looks)
    at = min(round(0.95 * len(looks)), len(looks) - 1)
    measures = {"p95_s": took[at], "median_s": took[len(took) // 2], "worst_s": took[-1], "age_p95_s": ages[at]}
    return [median_row(f"{measure}/{name}", [Pair(value)], unit="s") for measure, value in measures.items()]


@contextmanager
def _running(film: Path) -> Iterator[_Node]:
    """The three processes as systemd begins them, each by itself."""
    with tempfile.TemporaryDirectory(prefix="wayside-bench-") as name, ExitStack() as running:
        folder = Path(name)
        broker = running.enter_context(Mosquitto(folder))
        config = folder / "wayside.toml"
        config.write_text(
            f'data_dir = "{folder}/data"\nruntime_dir = "{folder}/run"\ntrust = "open"\n'
            '[node]\norg = "o"\nsite = "s"\nid = "n"\n'
            f'[broker]\nurl = "{broker.url}"\nconnect_spread_s = 0\n'
            f'[[camera]]\nid = "{_CAMERA}"\nmain = "file:{film}"\nloop = true\n',
            encoding="utf-8",
        )
        (folder / "run").mkdir()
        begun = {
            words[0]: running.enter_context(
                started(
                    [sys.executable, "-m", "agent.processes", *words, "--config", str(config)],
                    folder / f"{words[0]}.log",
                )
            )
            for words in (("node",), ("vision",), ("camera", _CAMERA))
        }
        client = CentreClient(CentreOptions(url=broker.url, actor="bench"))
        client.connect()
        running.callback(client.close)
        node = _Node(client, begun["vision"], begun["node"])
        _wait(node, folder)
        yield node


def _wait(node: _Node, folder: Path) -> None:
    """Until vision has pictures: with none, each look would open an eye."""
    until_s = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < until_s:
        try:
            node.look()
            if "run under watch" in (folder / "vision.log").read_text(encoding="utf-8"):
                return
        except (BenchError, NoAnswer):
            pass
        pause(0.5)
    said = (folder / "node.log").read_text(encoding="utf-8", errors="replace")[-500:]
    raise BenchError(problem="no picture came from the node", said=said)
