"""A node's health as Prometheus reads it: the text format, version 0.0.4. Pure.

What is not known has no sample. Names carry base units; what only counts up ends in `_total`.
Source: prometheus.io/docs/instrumenting/exposition_formats, and its naming practices.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from agent.contract.states import Health, Known, StreamState

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Kind(StrEnum):
    GAUGE = "gauge"
    COUNTER = "counter"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. `samples`: label names with their values, and the number; None is not known. `name` without the
    prefix `wayside_`."""

    name: str
    kind: Kind
    meaning: str
    samples: tuple[tuple[tuple[tuple[str, str], ...], float | None], ...]


def exposition(health: Health, *, is_connected: bool) -> str:
    """`is_connected`: to the broker."""
    families = (
        _one("broker_connected", "1 while there is a connection to the broker", float(is_connected)),
        *_cameras(health),
        *_disk(health),
        *_machine(health),
        *_outbox(health),
        *_vision(health),
    )
    return "".join(_text(family) for family in families)


def _one(name: str, meaning: str, value: float | None, kind: Kind = Kind.GAUGE) -> Family:
    return Family(name, kind, meaning, (((), value),))


def _cameras(health: Health) -> Iterator[Family]:
    def each(name: str, meaning: str, values: Iterable[float | None], kind: Kind = Kind.GAUGE) -> Family:
        labels = ((("camera", camera.camera),) for camera in health.cameras)
        return Family(f"camera_{name}", kind, meaning, tuple(zip(labels, values, strict=True)))

    yield Family(
        "camera_stream",
        Kind.GAUGE,
        "1 for the state that the stream is in",
        tuple(
            ((("camera", camera.camera), ("state", state.value)), float(camera.stream is state))
            for camera in health.cameras
            for state in StreamState
        ),
    )
    yield each("frame_age_seconds", "since the newest frame", (each.frame_age_s for each in health.cameras))
    yield each("frames_per_second", "as recorded", (each.fps for each in health.cameras))
    yield each("bits_per_second", "as recorded", (each.bitrate_bps for each in health.cameras))
    yield each("recorded_ratio", "of the hour before", (each.recorded_ratio for each in health.cameras))
    recorded = (each.frames_recorded for each in health.cameras)
    yield each("frames_recorded_total", "since its process started", recorded, Kind.COUNTER)
    lost = (each.frames_lost for each in health.cameras)
    yield each("frames_lost_total", "that came and were not recorded", lost, Kind.COUNTER)


def _disk(health: Health) -> Iterator[Family]:
    disk = health.disk
    p99_s = None if disk.write_p99_ms is None else disk.write_p99_ms / 1000
    forecast_s = None if disk.forecast_days is None else disk.forecast_days * 86_400
    yield _one("disk_write_p99_seconds", "how long a write takes, but for one in a hundred", p99_s)
    yield _one("disk_free_bytes", "of the ring's disk", disk.free_bytes)
    yield _one("disk_size_bytes", "of the ring's disk", disk.total_bytes)
    yield _one("footage_bytes", "that the ring holds", disk.footage_bytes)
    yield _one("footage_forecast_seconds", "that the ring will keep the camera it keeps shortest", forecast_s)
    yield _one("disk_endurance_used_ratio", "of the device's rated writes", disk.endurance_used_ratio)
    yield _one("disk_written_bytes_total", "to the whole device since boot", disk.written_bytes, Kind.COUNTER)


def _machine(health: Health) -> Iterator[Family]:
    machine, clock = health.machine, health.clock
    qualities = ("synced", "holdover", "unsynced")
    samples = tuple(((("quality", each),), float(clock.quality == each)) for each in qualities)
    yield Family("clock", Kind.GAUGE, "1 for what the wall clock is", samples)
    yield _one("clock_error_seconds", "bound of the wall clock's error", clock.error_s)
    yield _one("temperature_celsius", "of the processor", machine.temperature_c)
    yield _one("throttled", "1 while the processor is slowed down", _truth(machine.throttled))
    yield _one("under_voltage", "1 while the supply is too weak", _truth(machine.under_voltage))
    yield _one("load1", "of one minute", machine.load_1min)
    yield _one("memory_available_bytes", "for new work", machine.memory_available_bytes)
    yield _one("memory_size_bytes", "of the machine", machine.memory_total_bytes)
    yield _one("uptime_seconds", "since boot", machine.uptime_s)
    yield _one("power_watts", "that the module draws", machine.power_w)


def _outbox(health: Health) -> Iterator[Family]:
    waiting = health.outbox
    lanes = (((("lane", "a"),), float(waiting.a)), ((("lane", "b"),), float(waiting.b)))
    yield Family("outbox_events", Kind.GAUGE, "that wait for the centre", lanes)
    yield _one("outbox_bytes", "of both lanes", waiting.bytes)
    yield _one("outbox_oldest_age_seconds", "of what waits longest", waiting.oldest_age_s)
    yield _one("outbox_shed_total", "events of lane b lost to the cap in this epoch", waiting.shed, Kind.COUNTER)


def _vision(health: Health) -> Iterator[Family]:
    vision = health.vision
    if vision is None:
        return
    yield _one("vision_frames_decoded_total", "since its process started", vision.frames_decoded, Kind.COUNTER)
    yield _one("vision_frames_analysed_total", "since its process started", vision.frames_analysed, Kind.COUNTER)
    yield _one("vision_frames_shed_total", "left out because they were late", vision.frames_shed, Kind.COUNTER)
    yield _one("vision_inferences_total", "since its process started", vision.inferences, Kind.COUNTER)


def _truth(known: Known) -> float | None:
    return None if known is Known.UNKNOWN else float(known is Known.YES)


def _text(family: Family) -> str:
    lines = [
        f"wayside_{family.name}{_labels(labels)} {_number(value)}\n"
        for labels, value in family.samples
        if value is not None
    ]
    if not lines:
        return ""
    head = f"# HELP wayside_{family.name} {family.meaning}\n# TYPE wayside_{family.name} {family.kind}\n"
    return head + "".join(lines)


def _labels(labels: tuple[tuple[str, str], ...]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    """As short as it is exact: a counter of bytes must not lose its last digits."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))
