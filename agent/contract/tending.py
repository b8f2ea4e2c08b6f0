"""Arguments and results of the commands that tend the node itself: its processes, its settings, its papers. Pure."""

from __future__ import annotations

from typing import Literal

from agent.contract.wire import Count, Down, Identifier, Instant, Seconds, Up


class ConfigRefreshArgs(Down, frozen=True, kw_only=True):
    """Read the configuration and the scenes again, and ask the broker for `desired` again."""


class ConfigRefreshResult(Up, frozen=True, kw_only=True):
    """What stands at this moment; what the broker sends again is told by `reported`. `config_sha256` is of the file
    as it lies there, "" where it cannot be read; `faults` say in words what is wrong with it and with the scenes, whose
    former versions stay in force. `revision` is the desired document in force; `is_edited`: the file was changed on
    the node since."""

    config_sha256: str
    faults: tuple[str, ...]
    revision: Count | None
    is_edited: bool


class AgentRestartArgs(Down, frozen=True, kw_only=True):
    """End a process in order and let it be started again; the answer comes when it is back. `all`: the cameras one
    after the other, then vision, then the node. With `camera` and a `process` of that name: this one."""

    process: Literal["all", "node", "vision", "camera"] = "all"
    camera: Identifier | None = None

    def __post_init__(self) -> None:
        if (self.process == "camera") != (self.camera is not None):
            raise ValueError("name a camera with process camera, and only then")


class RestartedProcess(Up, frozen=True, kw_only=True):
    """`camera` is "" for vision and the node. `away_s`: from the asking until it was connected again."""

    process: str
    camera: str
    away_s: Seconds


class AgentRestartResult(Up, frozen=True, kw_only=True):
    processes: tuple[RestartedProcess, ...]


class CertRenewArgs(Down, frozen=True, kw_only=True):
    """Ask the office for a new certificate now, whether it is due or not; the papers that come with it (keys of people,
    broker, anchors) count from then on."""


class CertRenewResult(Up, frozen=True, kw_only=True):
    serial: str
    not_after: Instant


class SetupOpenArgs(Down, frozen=True, kw_only=True):
    """Let the technician's page listen, as if somebody had pressed the node's button: PIN and work order are still
    asked for. Two signatures by different actors are due."""


class SetupOpenResult(Up, frozen=True, kw_only=True):
    """The page listens until `until` for PIN and order; `state` is `knocked`, or `open` where it is open anyhow."""

    state: str
    until: Instant | None
