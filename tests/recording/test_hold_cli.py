"""`wayside footage hold`, `release` and `forecast`: alone over a folder, and beside a node that runs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent.cli.footage import app
from agent.identity import new_uuid7
from agent.processes.granting import keep_wishes
from agent.recording.custody import accesses
from agent.recording.policy import CameraPolicy, Policy
from agent.recording.records import AgentStarted, Configured
from agent.store import open_store
from agent.units import NS_PER_S, format_rfc3339
from tests.clip.footage import START_NS
from tests.recording.ring import Ring, SetClock


def at(seconds: float) -> str:
    return format_rfc3339(START_NS + int(seconds * NS_PER_S))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four seconds of footage that lie behind us, whoever looks."""
    ring = Ring(tmp_path)
    service(ring, 1 << 40)
    ring.index(ring.record(-400 * 86_400))
    ring.close()
    return tmp_path


def service(ring: Ring, max_bytes: int) -> None:
    policy = Policy(
        max_bytes=max_bytes,
        min_free_bytes=0,
        keep_days=30,
        timezone="Asia/Bangkok",
        cameras=(CameraPolicy(camera="c01", keep_days=30),),
    )
    told = Configured(cameras=("c01",), timezone="Asia/Bangkok", org="o", site="s", node="n", policy=policy)
    ring.note(AgentStarted(boot_id="b"), told)


def run(*argv: str) -> Result:
    return CliRunner().invoke(app, list(argv))


def hold(data: Path, *more: str) -> Result:
    span = ("--from", at(-400 * 86_400 + 1), "--to", at(-400 * 86_400 + 3))
    return run("hold", "--data", str(data), "--camera", "c01", *span, "--purpose", "accident", "--json", *more)


@contextmanager
def running(data: Path) -> Iterator[None]:
    """The node's own stage, holding the ledger."""
    ring = Ring(data)
    stop = threading.Event()
    args = (data, lambda: open_store(data), ring.ledger, stop, SetClock())
    stage = threading.Thread(target=keep_wishes, args=args, name="wishes")
    stage.start()
    try:
        yield
    finally:
        stop.set()
        stage.join()
        ring.close()


@contextmanager
def alone(data: Path) -> Iterator[None]:
    yield


@pytest.mark.parametrize("beside", [alone, running], ids=["no node runs", "the node runs"])
def test_a_person_holds_footage_and_releases_it(data: Path, beside) -> None:  # type: ignore[no-untyped-def]
    with beside(data):
        told = hold(data, "--days", "60", "--reviewer", "mali", "--case", "12/2569", "--actor", "somchai")
        assert told.exit_code == 0, told.output
        held = json.loads(told.stdout)
        assert (held["camera"], held["segments"]) == ("c01", 1)
        listed = json.loads(run("forecast", "--data", str(data), "--json").stdout)
        (found,) = listed["holds"]
        assert (found["hold_id"], found["reviewer"], found["case_ref"]) == (held["hold_id"], "mali", "12/2569")
        assert "mali" in run("forecast", "--data", str(data)).stdout
        about = ("--data", str(data), "--hold", held["hold_id"], "--purpose", "closed")
        assert run("release", *about).exit_code == 2, "nobody agreed"
        done = run("release", *about, "--yes", "--json")
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["freed_bytes"] == held["bytes"]
        again = run("release", *about, "--yes")
        assert (again.exit_code, "unknown_hold" in again.output, "released by" in again.output) == (1, True, True)
    acts = [(link.act, link.outcome) for link in accesses(data)]
    assert acts == [("held", "done"), ("released", "done"), ("released", "refused")]


@pytest.mark.parametrize("beside", [alone, running], ids=["no node runs", "the node runs"])
def test_a_hold_beyond_the_share_is_refused_in_words(data: Path, beside) -> None:  # type: ignore[no-untyped-def]
    ring = Ring(data)
    service(ring, 1000)
    ring.close()
    with beside(data):
        told = hold(data)
    assert told.exit_code == 1
    assert "staff holds may take 40% of the ring" in told.output


@pytest.mark.parametrize("argv", [("--purpose", " "), ("--days", "0"), ("--camera", "c09"), ("--to", "soon")])
def test_a_wrong_wish_is_refused_before_it_is_made(data: Path, argv: tuple[str, str]) -> None:
    assert hold(data, *argv).exit_code == 2
    assert not (data / "wishes").exists()


def test_a_hold_that_never_was_is_told_so(data: Path) -> None:
    told = run("release", "--data", str(data), "--hold", new_uuid7(), "--purpose", "x", "--yes")
    assert (told.exit_code, "ever made here" in told.output) == (1, True)
    assert run("release", "--data", str(data), "--hold", "../x", "--purpose", "x", "--yes").exit_code == 2
