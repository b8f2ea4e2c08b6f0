"""Trying a camera that somebody chose: asked what it is, its streams picked, opened, measured. Blocks for seconds."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from agent.errors import CameraError, DiscoveryError, SetupError
from provisioning.cameras.camera import (
    CameraDescription,
    DiscoveredCamera,
    LocalCamera,
    LocalCameras,
    Login,
    ProbedStream,
)
from provisioning.cameras.suggestion import Advice, suggest

# The small stream is only looked at, and the main one took the patience.
_SUB_LIMIT_S: Final = 5.0


class CameraRoom(Protocol):
    """What provisioning.cameras does for this step."""

    def discover(self) -> Sequence[DiscoveredCamera]: ...

    def local(self) -> tuple[LocalCameras, LocalCameras]:
        """V4L2, CSI."""
        ...

    def describe(self, device_url: str, login: Login) -> CameraDescription: ...

    def probe(self, url: str, login: Login, *, longest_s: float = 10.0) -> ProbedStream: ...


class RealCameraRoom:
    """The node's own network and devices."""

    def discover(self) -> Sequence[DiscoveredCamera]:
        from provisioning.cameras.discovery import discover

        return discover()

    def local(self) -> tuple[LocalCameras, LocalCameras]:
        from provisioning.cameras.local import list_csi, list_v4l2

        return list_v4l2(), list_csi()

    def describe(self, device_url: str, login: Login) -> CameraDescription:
        from provisioning.cameras.onvif import describe

        return describe(device_url, login)

    def probe(self, url: str, login: Login, *, longest_s: float = 10.0) -> ProbedStream:
        from provisioning.cameras.probe import probe

        return probe(url, login.username, login.password, longest_s=longest_s)


@dataclass(frozen=True, slots=True)
class Found:
    """What is there to choose from. `problem` is why nothing was heard on the network, else None."""

    network: tuple[DiscoveredCamera, ...] = ()
    local: tuple[LocalCamera, ...] = ()
    problem: DiscoveryError | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """`kind`: onvif, v4l2, csi or rtsp (typed by hand); `address` as the room takes it."""

    kind: str
    address: str
    login: Login


@dataclass(frozen=True, slots=True)
class Trial:
    """A camera that answered. `sub` is empty where the main stream serves for both."""

    choice: Choice
    main: str
    sub: str
    probed: ProbedStream | None
    description: CameraDescription | None
    advice: tuple[Advice, ...]


class Finder:
    """Remembers what was found, so that a form can only choose what is there. Any thread."""

    def __init__(self, room: CameraRoom) -> None:
        self.room = room
        self._lock = threading.Lock()
        self._found = Found()

    def look(self) -> Found:
        """Blocks for some seconds."""
        problem: DiscoveryError | None = None
        network: tuple[DiscoveredCamera, ...] = ()
        try:
            network = tuple(self.room.discover())
        except DiscoveryError as exc:
            problem = exc
        local = tuple(camera for listed in self.room.local() for camera in listed.cameras if camera.is_recordable)
        found = Found(network, local, problem)
        with self._lock:
            self._found = found
        return found

    def choose(self, chosen: str, url: str, login: Login) -> Choice:
        """`chosen` is the form's word: the address of one that was found, or `hand` for `url`.

        Raises SetupError: `nothing_chosen`, or `bad_address` for a URL that is no camera's.
        """
        with self._lock:
            found = self._found
        if chosen == "hand":
            if not url.startswith(("rtsp://", "rtsps://")) or len(url) > 500 or not url.isprintable():
                raise SetupError(reason="bad_address", remedy="write it as rtsp://ADDRESS/PATH")
            return Choice("rtsp", url, login)
        for network in found.network:
            if network.device_url == chosen:
                return Choice("onvif", chosen, login)
        for local in found.local:
            if local.url == chosen:
                return Choice("csi" if chosen.startswith("picamera:") else "v4l2", chosen, Login())
        raise SetupError(reason="nothing_chosen", remedy="look for the cameras again and choose one")


def try_camera(room: CameraRoom, choice: Choice) -> Trial:
    """Raises CameraError or DiscoveryError, which provisioning.cameras.sentences explains."""
    if choice.kind == "onvif":
        return _try_onvif(room, choice)
    if choice.kind == "csi":
        # Only one process can have the sensor, and that is the camera's own; the picture is proven by its recording.
        return Trial(choice, choice.address, "", None, None, ())
    return Trial(choice, choice.address, "", room.probe(choice.address, choice.login), None, ())


def _try_onvif(room: CameraRoom, choice: Choice) -> Trial:
    description = room.describe(choice.address, choice.login)
    suggestion = suggest(description.streams)
    if suggestion.main is None:
        raise DiscoveryError(reason="no_main", remedy="set a stream of the camera to H.264 or H.265")
    probed = room.probe(suggestion.main.url, choice.login)
    advice, sub = list(suggestion.advice), suggestion.sub.url if suggestion.sub else ""
    if sub:
        try:
            room.probe(sub, choice.login, longest_s=_SUB_LIMIT_S)
        except CameraError:
            # Declared and not served, as with cameras whose second stream is switched off: the main one serves.
            sub = ""
            advice.append(Advice.NO_SUB)
    return Trial(choice, suggestion.main.url, sub, probed, description, tuple(dict.fromkeys(advice)))
