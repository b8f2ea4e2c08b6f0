"""`/metrics`: by a parser that takes nothing but the format's grammar, and from a running page over a real store."""

from __future__ import annotations

import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.bench.smallnode import SmallSide
from agent.contract.states import CameraHealth, Health, Known, OutboxHealth, StreamState, VisionHealth
from agent.health.exposition import CONTENT_TYPE, exposition
from agent.messaging import outbox
from agent.processes.metrics import MetricsPage
from agent.stage import Stage
from agent.store import open_store
from tests.broker import unused_port, wait_until

# prometheus.io/docs/instrumenting/exposition_formats, text format 0.0.4.
_HELP = re.compile(r"# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) ((?:[^\\\n]|\\\\|\\n)*)")
_TYPE = re.compile(r"# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge)")
_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|NaN|[+-]Inf)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def parsed(text: str) -> Samples:
    """Every sample; fails on anything that is not the format, on a family that comes twice and on a name of no unit."""
    assert text.endswith("\n")
    samples: Samples = {}
    family, kind, families = "", "", set()
    for line in text.removesuffix("\n").split("\n"):
        if match := _HELP.fullmatch(line):
            family = match[1]
            assert family not in families, f"{family} comes twice"
            families.add(family)
            continue
        if match := _TYPE.fullmatch(line):
            assert match[1] == family, "TYPE follows HELP of the same name"
            kind = match[2]
            assert family.endswith("_total") == (kind == "counter")
            continue
        match = _SAMPLE.fullmatch(line)
        assert match is not None, line
        assert match[1] == family, "a sample stands below its own family"
        labels = _labels(match[2] or "")
        assert (family, labels) not in samples, f"{line} comes twice"
        samples[family, labels] = float(match[3])
        assert kind == "gauge" or samples[family, labels] >= 0
    return samples


def _labels(text: str) -> tuple[tuple[str, str], ...]:
    found, at = [], 0
    while at < len(text):
        match = _LABEL.match(text, at)
        assert match is not None, text
        found.append((match[1], match[2]))
        at = match.end()
    assert len({name for name, _ in found}) == len(found)
    return tuple(found)


WAITING = OutboxHealth(
    epoch="018f6b7e-0000-7000-8000-000000000000", a=3, b=20_000, bytes=1 << 40, oldest_age_s=1.5, shed=0
)


def health(**changes: object) -> Health:
    return msgspec.structs.replace(SmallSide().health(WAITING), **changes)


def camera(name: str, **changes: object) -> CameraHealth:
    made = CameraHealth(
        camera=name,
        stream=StreamState.STREAMING,
        frame_age_s=0.04,
        fps=25.0,
        bitrate_bps=4e6,
        recorded_ratio=1.0,
        frames_recorded=10**15 + 1,
        frames_lost=0,
    )
    return msgspec.structs.replace(made, **changes)


def test_what_is_known_is_told_to_the_last_digit_and_what_is_not_has_no_sample() -> None:
    down = camera("c02", stream=StreamState.OFFLINE, fps=None, frame_age_s=None)
    told = parsed(exposition(health(cameras=(camera("c01"), down)), is_connected=False))
    assert told["wayside_broker_connected", ()] == 0
    assert told["wayside_camera_frames_recorded_total", (("camera", "c01"),)] == 10**15 + 1
    assert told["wayside_camera_stream", (("camera", "c02"), ("state", "offline"))] == 1
    assert told["wayside_camera_stream", (("camera", "c02"), ("state", "streaming"))] == 0
    assert ("wayside_camera_frames_per_second", (("camera", "c02"),)) not in told
    assert told["wayside_outbox_events", (("lane", "b"),)] == 20_000
    assert told["wayside_outbox_bytes", ()] == 1 << 40
    assert ("wayside_throttled", ()) not in told and ("wayside_temperature_celsius", ()) not in told


_numbers = st.none() | st.floats(min_value=0, max_value=1e18)
_counts = st.none() | st.integers(min_value=0, max_value=2**53)


@given(
    names=st.lists(st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True), max_size=3, unique=True),
    number=_numbers,
    count=_counts,
    known=st.sampled_from(Known),
    has_vision=st.booleans(),
)
def test_any_health_is_a_page_that_a_strict_parser_takes(
    names: list[str], number: float | None, count: int | None, known: Known, has_vision: bool
) -> None:
    plain = health()
    vision = VisionHealth(
        provider="cpu", frames_decoded=count or 0, frames_analysed=1, frames_shed=0, inferences=count or 0
    )
    told = health(
        cameras=tuple(camera(name, frame_age_s=number, frames_lost=count) for name in names),
        machine=msgspec.structs.replace(plain.machine, temperature_c=number, throttled=known, uptime_s=number),
        disk=msgspec.structs.replace(plain.disk, write_p99_ms=number, free_bytes=count),
        vision=vision if has_vision else None,
    )
    samples = parsed(exposition(told, is_connected=True))
    assert all(("wayside_camera_recorded_ratio", (("camera", name),)) in samples for name in names)
    assert (("wayside_throttled", ()) in samples) == (known is not Known.UNKNOWN)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    conn = open_store(folder)
    outbox.prepare(conn)
    conn.close()
    port, stop = unused_port(), threading.Event()
    page = MetricsPage(
        port,
        health=SmallSide().health,
        is_connected=lambda: True,
        wall_ns=lambda: 0,
        connect=lambda: open_store(folder),
        stop=stop,
    )
    stage = Stage("metrics", page.run_once, stop=stop)
    stage.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        stop.set()
        stage.join()


def asked(url: str) -> tuple[int, str, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as exc:
        return exc.code, "", ""


def test_the_page_is_served_again_and_again_and_nothing_else_is(tmp_path: Path) -> None:
    with serving(tmp_path) as url:
        wait_until(lambda: _answers(url), "nobody serves")
        for _ in range(3):
            status, kind, text = asked(f"{url}/metrics")
            assert (status, kind) == (200, CONTENT_TYPE)
            assert parsed(text)["wayside_outbox_events", (("lane", "a"),)] == 0
        assert asked(f"{url}/")[0] == asked(f"{url}/metrics/../x")[0] == 404
        with pytest.raises(urllib.error.HTTPError, match="501"):
            urllib.request.urlopen(urllib.request.Request(f"{url}/metrics", data=b"x", method="POST"), timeout=5)


def _answers(url: str) -> bool:
    try:
        return asked(f"{url}/metrics")[0] == 200
    except urllib.error.URLError:
        return False
