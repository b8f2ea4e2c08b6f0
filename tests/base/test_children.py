"""Which processes a changed configuration disturbs, and how a change is noticed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.config import Config, decode_config
from agent.processes.children import plan_children
from agent.processes.follow import Follower, wait_for_config
from tests.broker import wait_until

CONFIG = """
data_dir = "{folder}/data"
runtime_dir = "{folder}/run"
[node]
org = "o"
site = "s"
id = "n"
[storage]
keep_days = 30
[broker]
url = "mqtt://127.0.0.1"
[[camera]]
id = "c01"
name = "north"
main = "rtsp://192.0.2.1/main"
password_file = "{folder}/c01.secret"
scene = "{folder}/c01.toml"
[[camera]]
id = "c02"
main = "rtsp://192.0.2.2/main"
"""


@pytest.fixture
def text(tmp_path: Path) -> str:
    (tmp_path / "c01.secret").write_text("one")
    (tmp_path / "c01.toml").write_text('camera = "c01"\n')
    return CONFIG.format(folder=tmp_path)


def config_of(text: str) -> Config:
    return decode_config(text, name="test")


def settings(text: str) -> dict[str, str]:
    return {child.name: child.settings for child in plan_children(config_of(text), Path("wayside.toml"))}


def disturbed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before | after if before.get(name) != after.get(name)}


@pytest.mark.parametrize(
    ("old", "new", "who"),
    [
        ("rtsp://192.0.2.1/main", "rtsp://192.0.2.9/main", {"camera-c01", "node"}),
        ('name = "north"', 'name = "south"', {"node"}),
        ("mqtt://127.0.0.1", "mqtt://127.0.0.2", {"node"}),
        ("[storage]", "[vision]\nrate_fps = 2\n[storage]", {"vision", "node"}),
        ("keep_days = 30", "keep_days = 31", {"node"}),
        ("keep_days = 30", "segment_s = 30", {"camera-c01", "camera-c02", "node"}),
        (
            '[[camera]]\nid = "c02"\nmain = "rtsp://192.0.2.2/main"\n',
            "",
            {"camera-c02", "vision", "node"},
        ),
    ],
)
def test_only_those_who_read_what_changed_are_disturbed(text: str, old: str, new: str, who: set[str]) -> None:
    assert old in text
    assert disturbed(settings(text), settings(text.replace(old, new))) == who


def test_a_new_scene_restarts_vision_and_no_camera(text: str, tmp_path: Path) -> None:
    before = settings(text)
    (tmp_path / "c01.toml").write_text('camera = "c01"\n[[mask]]\npolygon = [[0, 0], [1, 0], [1, 1]]\n')
    assert disturbed(before, settings(text)) == {"vision"}


def test_a_new_password_restarts_its_camera_alone(text: str, tmp_path: Path) -> None:
    before = settings(text)
    (tmp_path / "c01.secret").write_text("two")
    assert disturbed(before, settings(text)) == {"camera-c01"}


def replace_file(path: Path, text: str) -> None:
    part = path.with_suffix(".part")
    part.write_text(text)
    part.replace(path)


@pytest.fixture
def follow(text: str, tmp_path: Path) -> Callable[[], Follower]:
    path = tmp_path / "wayside.toml"
    path.write_text(text)
    return lambda: Follower(path, config_of(text))


def test_a_replaced_file_is_followed_and_a_wrong_one_is_not(
    follow: Callable[[], Follower], text: str, tmp_path: Path
) -> None:
    follower = follow()
    path = tmp_path / "wayside.toml"
    try:
        assert follower.plan() is None
        replace_file(path, text.replace("keep_days = 30", "keep_days = 31"))
        plans = []
        wait_until(lambda: bool(plans.append(follower.plan()) or plans[-1]), "the change was not noticed")
        replace_file(path, text.replace("keep_days", "keep_dogs"))
        # The folder is watched in order: once the later change is seen, the wrong one has been.
        (tmp_path / "c01.secret").write_text("three")
        replace_file(path, text)
        wait_until(lambda: bool(plans.append(follower.plan()) or plans[-1]), "the change back was not noticed")
        assert {child.name: child.settings for child in plans[-1] or []} == settings(text)
    finally:
        follower.close()


def test_a_configuration_that_is_not_there_yet_is_waited_for(text: str, tmp_path: Path) -> None:
    path = tmp_path / "wayside.toml"
    stop = threading.Event()
    found: list[Config | None] = []
    waiting = threading.Thread(target=lambda: found.append(wait_for_config(path, stop)))
    waiting.start()
    replace_file(path, "not toml at all [")
    replace_file(path, text)
    waiting.join(20)
    stop.set()
    assert found == [config_of(text)]
