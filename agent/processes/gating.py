"""A camera's mode of recording as its process keeps it, and vision's word of incidents on its way to it."""

from __future__ import annotations

from pathlib import Path

from agent.clock import Clock
from agent.config import CameraConfig, Config
from agent.link import LinkClient
from agent.notices import Hello, IncidentSeen, IncidentsWanted, Notice
from agent.recording.around import IncidentWord
from agent.recording.gate import AroundMode, Mode, ScheduleMode
from agent.recording.policy import hours_of
from agent.recording.schedule import Schedule
from agent.units import WallSpan

__all__ = ["IncidentEar", "mode_of"]


def mode_of(config: Config, camera: CameraConfig, clock: Clock) -> Mode | None:
    """None: everything is recorded."""
    if camera.record == "schedule":
        hours = hours_of(camera)
        return ScheduleMode(Schedule(hours, config.zone), clock, words=", ".join(map(str, hours)))
    if camera.record == "around_incidents":
        around = camera.around
        return AroundMode(before_s=around.before_s, after_s=around.after_s, max_bytes=around.max_buffer_bytes)
    return None


class IncidentEar:
    """Listens to vision itself, without the node between: a node that is down costs no footage of an incident."""

    def __init__(self, socket: Path, hello: Hello, mode: AroundMode) -> None:
        self._camera = hello.camera
        self._mode = mode
        self._link = LinkClient(socket, hello, on_notice=self._hear, on_connect=self._ask)

    def close(self) -> None:
        self._link.close(drain_s=0.0)

    def _ask(self) -> None:
        self._link.send(IncidentsWanted(self._camera))

    def _hear(self, notice: Notice, _payload: bytes) -> None:
        """On the link's thread."""
        if isinstance(notice, IncidentSeen) and notice.camera == self._camera:
            self._mode.hear(IncidentWord(notice.incident_id, WallSpan(notice.begin_wall_ns, notice.until_wall_ns)))
