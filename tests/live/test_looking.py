"""Of whom a snapshot is asked."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from agent.commands.work import Snapshot
from agent.errors import CommandFailed
from agent.processes.looking import Looking
from agent.units import NS_PER_S
from tests.recorder.playback import HandClock


@dataclass
class Node:
    """What vision and the eye have: how old it is in seconds, None for nothing."""

    vision_s: float | None = None
    eye_s: float | None = None
    is_vision_awake: bool = True
    asked: list[str] = field(default_factory=list)
    clock: HandClock = field(default_factory=HandClock)

    def snapshot(self, camera: str, limit_s: float) -> Snapshot:
        assert limit_s <= 0.5
        return self._take("vision", camera, self.vision_s)

    def eye(self, camera: str) -> Snapshot:
        return self._take("eye", camera, self.eye_s)

    def look(self) -> bytes:
        return Looking(self, self.eye, self.clock).snapshot("c01").jpeg

    def _take(self, name: str, camera: str, age_s: float | None) -> Snapshot:
        self.asked.append(name)
        if age_s is None:
            raise CommandFailed(reason="no_picture", camera=camera)
        return Snapshot(camera, name.encode(), self.clock.wall_ns() - round(age_s * NS_PER_S))


@pytest.mark.parametrize(
    ("node", "jpeg", "asked"),
    [
        (Node(vision_s=0.2, eye_s=0.1), b"vision", ["vision"]),
        (Node(vision_s=6.0, eye_s=0.1), b"eye", ["vision", "eye"]),
        (Node(vision_s=6.0, eye_s=None), b"vision", ["vision", "eye"]),
        (Node(vision_s=None, eye_s=0.1), b"eye", ["vision", "eye"]),
        (Node(vision_s=0.2, eye_s=0.1, is_vision_awake=False), b"eye", ["eye"]),
        (Node(vision_s=-3600.0, eye_s=0.1), b"eye", ["vision", "eye"]),
    ],
    ids=["at hand", "old", "old and nothing newer", "none", "vision hangs", "of a clock that was set back"],
)
def test_the_newest_picture_is_found_without_waiting_for_vision(node: Node, jpeg: bytes, asked: list[str]) -> None:
    assert (node.look(), node.asked) == (jpeg, asked)


def test_a_camera_without_pictures_is_said_to_have_none() -> None:
    with pytest.raises(CommandFailed) as caught:
        Node().look()
    assert caught.value.facts["reason"] == "no_picture"
