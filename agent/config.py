"""The configuration: one TOML file, decoded strictly into frozen structs. Pure.

Every key, its unit and its default stand here and nowhere else. The centre's `desired.config` is the same structure.
"""

from __future__ import annotations

import datetime
import ipaddress
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from agent.errors import ConfigError, UnitError
from agent.toml import decode_toml
from agent.units import parse_bytes

Identifier = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{1,32}$")]
PositiveFloat = Annotated[float, msgspec.Meta(gt=0)]


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class NodeConfig(_Section, frozen=True):
    """Who this node is; the words of its topics."""

    org: Identifier
    site: Identifier
    id: Identifier


class BrokerConfig(_Section, frozen=True):
    """How to reach the centre's broker: mqtt:// or mqtts://. Without this section the node records and sees alone."""

    url: str
    ca: str = ""
    certificate: str = ""
    key: str = ""
    protocol: Literal["5", "3.1.1"] = "5"
    # Spreads 378 nodes after a broker's restart (contract: random 0-30 s). 0 for a demo or one node on a desk.
    connect_spread_s: Annotated[float, msgspec.Meta(ge=0)] = 30.0


class StorageConfig(_Section, frozen=True):
    """The ring. Sizes as text: "400GB" (powers of 1000) or "64MiB"."""

    max_bytes: str = "400GB"
    min_free: str = "5GB"
    keep_days: Annotated[int, msgspec.Meta(ge=1)] = 30
    durability_s: PositiveFloat = 1.0
    segment_s: PositiveFloat = 60.0
    # UUID that the disk's marker file must hold; empty: a marker is made at the first start.
    ring_id: str = ""
    # What the disk may be written in its life, as its maker rates it ("180TB"); or its class (agent.health.endurance).
    endurance: str = ""
    disk_class: Literal["", "sd_endurance", "sd", "emmc", "ssd", "hdd"] = ""
    # Until when the site is planned to run on this disk; an alert says when the disk will not last.
    service_until: datetime.date | None = None

    @property
    def max_ring_bytes(self) -> int:
        return parse_bytes(self.max_bytes)

    @property
    def min_free_bytes(self) -> int:
        return parse_bytes(self.min_free)


class VisionConfig(_Section, frozen=True):
    """Seeing. `detector`, `motion` and `fire` name entries of models/manifest.json; with `detector` empty motion is
    told and nothing is followed, with `fire` empty nobody looks for flames. `own_models_dir`: a folder of users'
    detectors with a manifest of its own, looked at again whenever it changes; `shadow`: a detector on trial beside the
    serving one."""

    enabled: bool = True
    models_dir: str = ""
    detector: str = "nanodet-g-416"
    motion: str = "motion-320x240"
    fire: str = "fire-416"
    own_models_dir: str = ""
    shadow: str = ""
    rate_fps: PositiveFloat = 5.0
    threads: Annotated[int, msgspec.Meta(ge=1)] = 2


class OutboxConfig(_Section, frozen=True):
    """What waits for the centre. 1 GiB holds 100 000 events many times over (contract)."""

    max_bytes: str = "1GiB"

    @property
    def max_outbox_bytes(self) -> int:
        return parse_bytes(self.max_bytes)


class UploadConfig(_Section, frozen=True):
    """How clips leave. They yield to alarms by themselves; a ceiling is for a line that others use as well, or that is
    paid by what it carries. 0: none."""

    ceiling_kbit_s: Annotated[int, msgspec.Meta(ge=0)] = 0

    @property
    def ceiling_bytes_s(self) -> int:
        return self.ceiling_kbit_s * 1000 // 8


class HoursConfig(_Section, frozen=True):
    """One window of record = "schedule", in the site's time zone. `days` are those on which it begins; a `to` that is
    not later than `from` is of the next day."""

    start: Annotated[str, msgspec.Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = msgspec.field(name="from")
    end: Annotated[str, msgspec.Meta(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")] = msgspec.field(name="to")
    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] = msgspec.field(
        default_factory=lambda: ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    )


class AroundConfig(_Section, frozen=True):
    """Of record = "around_incidents": seconds before an incident's begin and after its end. `max_buffer` bounds the
    memory that the seconds before may take; what it cannot hold is not recorded."""

    before_s: Annotated[float, msgspec.Meta(ge=0, le=120)] = 10.0
    after_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 30.0
    max_buffer: str = "64MiB"

    @property
    def max_buffer_bytes(self) -> int:
        return parse_bytes(self.max_buffer)


class CameraConfig(_Section, frozen=True):
    """One camera. `main` and `sub`: rtsp://…, v4l2:/dev/video0, picamera:0 (`main` only) or file:street.mp4 (paced as
    a live camera)."""

    id: Identifier
    main: str
    name: str = ""
    sub: str = ""
    username: str = ""
    password_file: str = ""
    scene: str = ""
    record: Literal["continuous", "schedule", "around_incidents"] = "continuous"
    # Only with record = "schedule". Three windows a day and weekday are more than any site has asked for.
    hours: Annotated[list[HoursConfig], msgspec.Meta(max_length=21)] = msgspec.field(default_factory=list)
    around: AroundConfig = AroundConfig()
    # Instead of storage.keep_days for this camera; and how much of the ring it may take, empty: no bound of its own.
    keep_days: Annotated[int, msgspec.Meta(ge=1)] | None = None
    max_bytes: str = ""
    # A file: source starts again at its end. Off, the camera ends with the file.
    loop: bool = True
    # Sound is personal data of its own: on only where the site's purpose says so (footage).
    audio: bool = False


class Config(_Section, frozen=True):
    data_dir: str
    runtime_dir: str
    node: NodeConfig
    timezone: str = "Asia/Bangkok"
    # "open" accepts unsigned commands: for the demo and a desk only, so the broker must be on this very machine.
    trust: Literal["signed", "open"] = "signed"
    # Whom the node obeys: a JSON file of public keys (agent.commands.pinned). Without it, nobody.
    command_keys: str = ""
    # Of 127.0.0.1, for a Prometheus on this machine; 0: nobody is told.
    metrics_port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0
    broker: BrokerConfig | None = None
    storage: StorageConfig = StorageConfig()
    vision: VisionConfig = VisionConfig()
    outbox: OutboxConfig = OutboxConfig()
    upload: UploadConfig = UploadConfig()
    cameras: list[CameraConfig] = msgspec.field(name="camera", default_factory=list)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def sources(self) -> tuple[str, ...]:
        """Of all streams of all cameras."""
        return tuple(source for each in self.cameras for source in (each.main, each.sub) if source)

    def camera(self, camera_id: str) -> CameraConfig | None:
        return next((camera for camera in self.cameras if camera.id == camera_id), None)


def decode_config(text: str, *, name: str) -> Config:
    """The configuration in `text`; `name` is the file's name for messages.

    Raises ConfigError with the path of the offending key and what to do.
    """
    config = decode_toml(text, Config, name=name, sections=(Config, *_Section.__subclasses__()))
    _check_meaning(config, name)
    return config


def _check_meaning(config: Config, name: str) -> None:
    try:
        config.zone.key.strip()
    except (ZoneInfoNotFoundError, ValueError) as exc:
        raise ConfigError(file=name, key="timezone", remedy="name a zone such as Asia/Bangkok") from exc
    _check_sizes(config, name)
    _check_trust(config, name)
    seen: set[str] = set()
    for camera in config.cameras:
        if camera.id in seen:
            raise ConfigError(file=name, key="camera.id", remedy=f"two cameras are called {camera.id}; rename one")
        if camera.id == "node":
            raise ConfigError(file=name, key="camera.id", remedy="`node` is reserved for the node's own events")
        if camera.audio and not camera.main.startswith(("rtsp://", "rtsps://", "file:")):
            remedy = f"{camera.id} has no microphone that can be recorded; take `audio` out, or use an rtsp:// camera"
            raise ConfigError(file=name, key=f"camera {camera.id}.audio", remedy=remedy)
        seen.add(camera.id)
        _check_recording(config, camera, name)


def _check_trust(config: Config, name: str) -> None:
    """Who reaches the broker commands an open node, and beyond loopback that is whoever reaches the network."""
    if config.trust == "open" and config.broker is not None and _is_elsewhere(config.broker.url):
        remedy = 'trust = "open" is for a broker on 127.0.0.1 only; remove it and name the keys to obey in command_keys'
        raise ConfigError(file=name, key="trust", remedy=remedy)


def _is_elsewhere(url: str) -> bool:
    """Only a literal address is known to be here: a name, even localhost, is whatever the resolver says. What is no
    address at all leads nowhere, and whoever connects says so."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != ""


def _check_sizes(config: Config, name: str) -> None:
    storage = config.storage
    sizes = {
        "storage.max_bytes": storage.max_bytes,
        "storage.min_free": storage.min_free,
        "outbox.max_bytes": config.outbox.max_bytes,
        "storage.endurance": storage.endurance or "0",
    }
    for camera in config.cameras:
        sizes[f"camera {camera.id}.max_bytes"] = camera.max_bytes or "0"
        sizes[f"camera {camera.id}.around.max_buffer"] = camera.around.max_buffer
    for key, size in sizes.items():
        try:
            parse_bytes(size)
        except UnitError as exc:
            raise ConfigError(file=name, key=key, remedy=exc.remedy) from exc
    if storage.endurance and storage.disk_class:
        remedy = "the disk's own rating says more than its class; remove storage.disk_class"
        raise ConfigError(file=name, key="storage.endurance", remedy=remedy)


def _check_recording(config: Config, camera: CameraConfig, name: str) -> None:
    """What a camera's mode needs, and what another mode would silently ignore."""

    def wrong(key: str, remedy: str) -> ConfigError:
        return ConfigError(file=name, key=f"camera {camera.id}.{key}", remedy=remedy)

    if camera.record == "schedule" and not camera.hours:
        raise wrong("hours", 'record = "schedule" needs [[camera.hours]] with days, from and to')
    if camera.record != "schedule" and camera.hours:
        raise wrong("hours", f'record = "{camera.record}" heeds no hours; remove them or write record = "schedule"')
    for each in camera.hours:
        if not each.days:
            raise wrong("hours.days", "no day is named; remove the window or name its days")
        if each.start == each.end:
            raise wrong("hours.to", "a window that ends as it begins: write 00:00 and 24:00 for the whole day")
    if camera.record == "around_incidents" and not config.vision.enabled:
        raise wrong("record", 'record = "around_incidents" needs [vision] enabled = true: nobody else sees incidents')
    if camera.record != "around_incidents" and camera.around != AroundConfig():
        raise wrong("around", f'record = "{camera.record}" heeds no [camera.around]; remove it')
