"""Local edits: a wrong one is told, what was before goes on, and goes on through a new start as well."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.config import decode_config
from agent.errors import ConfigError
from agent.messaging.alarm import Alarm, AlarmKind
from agent.processes.children import plan_children
from agent.processes.configfile import load_usable
from agent.processes.edits import EditWatch
from agent.processes.lastgood import FOLDER, read_scene
from agent.stage import Stage
from tests.broker import wait_until

SCENE = """camera = "c01"
[[mask]]
polygon = [[0.1, 0.1], [0.5, 0.1], [0.5, 0.5]]
"""


class Site:
    """The files, and the node's stage that looks at them."""

    def __init__(self, folder: Path) -> None:
        (folder / "scenes").mkdir()
        self.path = folder / "wayside.toml"
        self.scene = folder / "scenes" / "c01.toml"
        self.right = (
            f'data_dir = "{folder}/data"\nruntime_dir = "{folder}/run"\n[node]\norg = "o"\nsite = "s"\nid = "n"\n'
            f'[[camera]]\nid = "c01"\nmain = "v4l2:/dev/video0"\nscene = "{self.scene}"\n'
        )
        self.path.write_text(self.right)
        self.scene.write_text(SCENE)
        self.faults: tuple[str, ...] = ()
        self.alarms: list[Alarm] = []
        self.stop = threading.Event()
        self.watch = EditWatch(self.path, tell=self._tell, alarm=self.alarms.append, stop=self.stop)

    def _tell(self, faults: tuple[str, ...]) -> None:
        self.faults = faults

    @property
    def camera(self):
        return decode_config(self.right, name="right").cameras[0]

    def plan(self) -> dict[str, str]:
        config = decode_config(self.right, name="right")
        return {child.name: child.settings for child in plan_children(config, self.path)}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    yield Site(tmp_path)


def test_an_edit_is_seen_when_it_happens_told_when_wrong_and_told_when_right_again(site: Site) -> None:
    stage = Stage("edits", site.watch.run_once, stop=site.stop)
    stage.start()
    try:
        wait_until((site.path.parent / FOLDER / "scene-c01.toml").exists, "no copy was kept")
        site.path.write_text(site.right.replace("v4l2", "data_dri = 3\nmain = 'v4l2"))
        wait_until(lambda: len(site.alarms) == 1, "a wrong configuration was not told")
        assert "wayside.toml" in site.faults[0]
        site.path.write_text(site.right)
        wait_until(lambda: len(site.alarms) == 2, "that it is right again was not told")
        # Moved over, as an editor does it.
        part = site.scene.with_suffix(".part")
        part.write_text(SCENE.replace("[0.5, 0.5]", "[0.9, 0.1]"))
        part.replace(site.scene)
        wait_until(lambda: len(site.alarms) == 3, "a wrong scene was not told")
        assert "encloses no area" in site.faults[0]
    finally:
        site.stop.set()
        stage.join(5)
    assert [(each.kind, each.is_active) for each in site.alarms] == [
        (AlarmKind.EDIT_REFUSED, True),
        (AlarmKind.EDIT_REFUSED, False),
        (AlarmKind.EDIT_REFUSED, True),
    ]


def test_a_process_that_starts_over_a_wrong_configuration_takes_the_last_right_one(site: Site) -> None:
    with pytest.raises(ConfigError):
        load_usable(site.path.with_name("none.toml"))
    site.watch.look()
    site.path.write_text("half a li")
    assert load_usable(site.path) == decode_config(site.right, name="right")
    site.path.unlink()
    assert load_usable(site.path) == decode_config(site.right, name="right")


def test_a_configuration_that_was_never_right_starts_nothing(site: Site) -> None:
    site.path.write_text("half a li")
    site.watch.look()
    with pytest.raises(ConfigError):
        load_usable(site.path)


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "camera = 3",
        SCENE.replace("mask", "maks"),
        SCENE.replace("c01", "c02"),
        SCENE.replace("[0.5, 0.5]", "[0.9, 0.1]"),
        None,
    ],
)
def test_a_scene_that_was_edited_wrongly_uncovers_nothing_and_disturbs_nobody(site: Site, damage: str | None) -> None:
    site.watch.look()
    before, masks = site.plan(), read_scene(site.camera, site.path).scene.masks
    assert len(masks) == 1
    if damage is None:
        site.scene.unlink()
    else:
        site.scene.write_text(damage)
    site.watch.look()
    read = read_scene(site.camera, site.path)
    if damage == "":
        # An empty file is a right scene: somebody took everything out.
        assert (read.fault, read.scene.masks) == ("", [])
        return
    assert read.fault
    assert read.scene.masks == masks
    assert site.plan() == before
    assert site.faults == (read.fault,)


def test_a_right_edit_is_what_is_gone_back_to_from_then_on(site: Site) -> None:
    site.watch.look()
    site.scene.write_text(SCENE.replace("0.1", "0.2"))
    site.watch.look()
    assert site.faults == ()
    site.scene.write_text("camera = 3")
    assert read_scene(site.camera, site.path).scene.masks[0].polygon[0] == (0.2, 0.2)


def test_copies_that_are_there_are_not_written_again(site: Site) -> None:
    site.watch.look()
    copies = {path: path.stat().st_mtime_ns for path in (site.path.parent / FOLDER).iterdir()}
    site.watch.look()
    assert {path: path.stat().st_mtime_ns for path in (site.path.parent / FOLDER).iterdir()} == copies
    assert len(copies) == 2
