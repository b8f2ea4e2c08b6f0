"""The configuration: one TOML file, decoded strictly into frozen structs. Pure.

Every key, its unit and its default stand here and nowhere else. The centre's `desired.config` is the same structure.
"""

from __future__ import annotations

from typing import Annotated, Literal
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

    @property
    def max_ring_bytes(self) -> int:
        return parse_bytes(self.max_bytes)

    @property
    def min_free_bytes(self) -> int:
        return parse_bytes(self.min_free)


class VisionConfig(_Section, frozen=True):
    """Seeing. `detector` names an entry of models/manifest.json."""

    enabled: bool = True
    models_dir: str = ""
    detector: str = "nanodet-g-416"
    motion: str = "motion-320x240"
    rate_fps: PositiveFloat = 5.0
    threads: Annotated[int, msgspec.Meta(ge=1)] = 2


class OutboxConfig(_Section, frozen=True):
    """What waits for the centre. 1 GiB holds 100 000 events many times over (contract)."""

    max_bytes: str = "1GiB"

    @property
    def max_outbox_bytes(self) -> int:
        return parse_bytes(self.max_bytes)


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
    record: Literal["continuous"] = "continuous"
    # A file: source starts again at its end. Off, the camera ends with the file.
    loop: bool = True


class Config(_Section, frozen=True):
    data_dir: str
    runtime_dir: str
    node: NodeConfig
    timezone: str = "Asia/Bangkok"
    # "open" accepts unsigned commands: for the demo and a desk only. Without it commands need signatures (step 5).
    trust: Literal["signed", "open"] = "signed"
    broker: BrokerConfig | None = None
    storage: StorageConfig = StorageConfig()
    vision: VisionConfig = VisionConfig()
    outbox: OutboxConfig = OutboxConfig()
    cameras: list[CameraConfig] = msgspec.field(name="camera", default_factory=list)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

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
    for key, size in (
        ("storage.max_bytes", config.storage.max_bytes),
        ("storage.min_free", config.storage.min_free),
        ("outbox.max_bytes", config.outbox.max_bytes),
    ):
        try:
            parse_bytes(size)
        except UnitError as exc:
            raise ConfigError(file=name, key=key, remedy=exc.remedy) from exc
    seen: set[str] = set()
    for camera in config.cameras:
        if camera.id in seen:
            raise ConfigError(file=name, key="camera.id", remedy=f"two cameras are called {camera.id}; rename one")
        if camera.id == "node":
            raise ConfigError(file=name, key="camera.id", remedy="`node` is reserved for the node's own events")
        seen.add(camera.id)
