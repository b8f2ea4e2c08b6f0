"""`check`: the configuration and everything it names, tried as the agent would use it; each result says what to do."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.clock import ClockQuality, SystemClock
from agent.config import CameraConfig, Config
from agent.errors import CameraError, ConfigError, DiskError, ModelError, RingMissing, WaysideError
from agent.health.probes import disk_space

if TYPE_CHECKING:
    from agent.messaging.broker import BrokerOptions

_BROKER_LIMIT_S: Final = 8.0
# A camera sends a key frame at least every few seconds; the check waits for packets, not for a picture.
_CAMERA_LIMIT_S: Final = 10.0


class Verdict(StrEnum):
    """WARNING: it works and somebody should look at it. UNKNOWN: this machine does not tell."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """`about` is a camera's id or a part of the node; `message` says what is, and what to do when it is not well."""

    about: str
    verdict: Verdict
    message: str


def check_node(config: Config) -> Iterator[CheckResult]:
    """Every check, as it finishes; cameras are asked one after the other. Nothing is recorded or published."""
    yield _check_trust(config)
    yield from _check_disk(config)
    yield _check_clock()
    yield from _check_models(config)
    yield _check_broker(config)
    if not config.cameras:
        yield CheckResult("cameras", Verdict.WARNING, "no camera is configured; add a [[camera]]")
    for camera in config.cameras:
        yield from _check_camera(camera)


def _check_trust(config: Config) -> CheckResult:
    if config.trust == "open":
        message = (
            'trust = "open": anybody who reaches the broker commands this node; for a desk only, remove it on a site'
        )
        return CheckResult("trust", Verdict.WARNING, message)
    return CheckResult("trust", Verdict.OK, "only signed commands are obeyed")


def _check_disk(config: Config) -> Iterator[CheckResult]:
    from agent.recording.boot import ensure_ring, require_ring

    data_dir = Path(config.data_dir)
    try:
        if config.storage.ring_id:
            require_ring(data_dir, config.storage.ring_id)
        else:
            ensure_ring(data_dir)
        probe = data_dir / f".check-{os.getpid()}"
        probe.write_bytes(b"wayside")
        probe.unlink()
    except (DiskError, RingMissing) as exc:
        yield CheckResult("disk", Verdict.FAILED, str(exc))
        return
    except OSError as exc:
        yield CheckResult(
            "disk", Verdict.FAILED, f"{data_dir} cannot be written ({exc.strerror}); check owner and mount"
        )
        return
    space = disk_space(data_dir)
    if space is None:
        yield CheckResult("disk", Verdict.UNKNOWN, f"{data_dir} does not tell its size")
        return
    free_gb = space.free_bytes / 1e9
    if space.free_bytes < config.storage.min_free_bytes:
        message = (
            f"{free_gb:.1f} GB free, less than storage.min_free ({config.storage.min_free}); free space or lower it"
        )
        yield CheckResult("disk", Verdict.FAILED, message)
    elif space.total_bytes < config.storage.max_ring_bytes:
        message = f"storage.max_bytes ({config.storage.max_bytes}) is more than the disk holds; min_free will rule"
        yield CheckResult("disk", Verdict.WARNING, message)
    else:
        yield CheckResult("disk", Verdict.OK, f"{data_dir} can be written, {free_gb:.0f} GB free")


def _check_clock() -> CheckResult:
    status = SystemClock().status()
    if status.quality is ClockQuality.SYNCED:
        bound = f", error at most {status.error_s:.3f} s" if status.error_s is not None else ""
        return CheckResult("clock", Verdict.OK, f"synchronised{bound}")
    message = (
        "not synchronised: footage may carry wrong times; start chrony or systemd-timesyncd and give it the network"
    )
    return CheckResult("clock", Verdict.WARNING, message)


def _check_models(config: Config) -> Iterator[CheckResult]:
    if not config.vision.enabled:
        yield CheckResult("models", Verdict.WARNING, "[vision] enabled = false: nobody watches, footage is recorded")
        return
    from agent.processes.sight import DetectorPlace, place_of
    from agent.vision.model import ModelStore, find_models_dir

    vision = config.vision
    wanted = (("motion", vision.motion), ("", vision.detector), ("", vision.shadow), ("fire", vision.fire))
    for kind, model_id in wanted:
        if not model_id:
            continue
        try:
            store = ModelStore(find_models_dir(vision.models_dir), threads=vision.threads)
            place = DetectorPlace(store, store.entry(model_id, kind)) if kind else place_of(vision, store, model_id)
            facts = place.store.open(place.entry).facts
        except ModelError as exc:
            yield CheckResult(f"model {model_id}", Verdict.FAILED, str(exc))
        else:
            yield CheckResult(f"model {model_id}", Verdict.OK, f"hash proven, runs on {facts.provider}")


def _check_broker(config: Config) -> CheckResult:
    broker = config.broker
    if broker is None:
        return CheckResult("broker", Verdict.WARNING, "none configured: the node records and sees, and tells nobody")
    from agent.messaging.broker import BrokerOptions, parse_url
    from agent.messaging.handshake import try_certificate

    options = BrokerOptions(
        url=broker.url,
        # Another id than the node's own: without certificates a check must not throw the running agent out.
        client_id=f"{config.node.id}-check",
        ca=broker.ca,
        certificate=broker.certificate,
        key=broker.key,
        protocol=broker.protocol,
        is_clean_start=True,
        session_expiry_s=0,
    )
    try:
        if not parse_url(broker.url).is_tls:
            return _call_broker(options)
        try_certificate(options)
    except WaysideError as exc:
        return CheckResult("broker", Verdict.FAILED, str(exc))
    # The broker calls each client by its certificate, so a second MQTT connection would end the running agent's.
    message = f"{broker.url} takes this node's certificate (tried by TLS alone; the agent's own state tells the rest)"
    return CheckResult("broker", Verdict.OK, message)


def _call_broker(options: BrokerOptions) -> CheckResult:
    """One MQTT connection and its end."""
    from agent.messaging.broker import BrokerEvent, Connected, Disconnected
    from agent.messaging.client import BrokerClient

    heard: list[Connected | Disconnected] = []
    news = threading.Event()

    def hear(event: BrokerEvent) -> None:
        if isinstance(event, Connected | Disconnected):
            heard.append(event)
            news.set()

    client = BrokerClient(options, hear, name="check-broker")
    client.start()
    news.wait(_BROKER_LIMIT_S)
    client.close(0.0)
    first = heard[0] if heard else None
    if isinstance(first, Connected):
        return CheckResult("broker", Verdict.OK, f"{options.url} answers")
    reason = first.reason if first else "no_answer"
    remedy = (first.remedy if first else "") or "check broker.url, the broker and the line to it"
    return CheckResult("broker", Verdict.FAILED, f"{options.url}: {reason}: {remedy}")


def _check_camera(camera: CameraConfig) -> Iterator[CheckResult]:
    for role, url in (("main", camera.main), ("sub", camera.sub)):
        if url:
            yield _check_stream(camera, role, url)
    if camera.scene:
        yield _check_scene(camera)


def _check_stream(camera: CameraConfig, role: str, url: str) -> CheckResult:
    from agent.media.opening import open_camera
    from agent.media.source import SourceAddress, read_password

    about = f"camera {camera.id} {role}"
    stop = threading.Event()
    timer = threading.Timer(_CAMERA_LIMIT_S, stop.set)
    timer.start()
    try:
        password = read_password(camera.password_file, camera=camera.id)
        source = open_camera(SourceAddress(camera.id, url, camera.username, password, camera.loop))
        try:
            packet = next(source.packets(stop), None)
            shape = source.format
        finally:
            source.close()
    except CameraError as exc:
        return CheckResult(about, Verdict.FAILED, str(exc))
    finally:
        timer.cancel()
    if packet is None:
        return CheckResult(about, Verdict.FAILED, "it connects and sends nothing; restart the camera")
    return CheckResult(about, Verdict.OK, f"{shape.codec.value} {shape.width} x {shape.height}")


def _check_scene(camera: CameraConfig) -> CheckResult:
    from agent.scene.file import decode_scene

    about = f"camera {camera.id} scene"
    try:
        scene = decode_scene(Path(camera.scene).read_text(encoding="utf-8"), name=camera.scene)
    except ConfigError as exc:
        return CheckResult(about, Verdict.FAILED, str(exc))
    except (OSError, UnicodeDecodeError) as exc:
        return CheckResult(about, Verdict.FAILED, f"{camera.scene} cannot be read: {exc}")
    if scene.camera not in ("", camera.id):
        return CheckResult(about, Verdict.FAILED, f"{camera.scene} is the scene of {scene.camera}; name the right file")
    return CheckResult(about, Verdict.OK, f"{len(scene.zones)} zones, {len(scene.lines)} lines")
