"""What aim, scene and walk share: they are done camera by camera, each at `/{step}/{camera}`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.config import CameraConfig, Config
from provisioning.page.steps.site_cameras import camera_ids, load

if TYPE_CHECKING:
    from starlette.requests import Request

    from provisioning.page.site import PageContext


@dataclass(frozen=True, slots=True)
class CameraTab:
    """One of the links above a step: a camera, and whether this step is done for it."""

    id: str
    name: str
    is_done: bool
    is_here: bool


def tabs(config: Config, done: Collection[str], here: str) -> tuple[CameraTab, ...]:
    return tuple(
        CameraTab(camera.id, camera.name, camera.id in done, camera.id == here)
        for camera in config.cameras
        if camera.main
    )


def first_left(context: PageContext, done: Collection[str]) -> str:
    """The first camera for which the step is not done, else the first; empty where there is none at all."""
    ids = camera_ids(context.home)
    return next((each for each in ids if each not in done), ids[0] if ids else "")


def is_done_for_all(context: PageContext, done: Collection[str]) -> bool:
    ids = camera_ids(context.home)
    return bool(ids) and set(ids) <= set(done)


def of_request(context: PageContext, request: Request) -> tuple[Config, CameraConfig] | None:
    """The camera of the path; None for one that is not configured."""
    config = load(context.home)
    camera = config.camera(request.path_params["camera"]) if config else None
    return None if config is None or camera is None else (config, camera)
