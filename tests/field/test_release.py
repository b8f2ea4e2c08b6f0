"""Releases on a machine of their own: installed without a network, updated, proven good, and undone by themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from provisioning.release.make import Made
from provisioning.release.source import committed
from tests.field import nspawn, releases
from tests.field.nspawn import Machine, wait_until
from tests.field.releases import Office

pytestmark = pytest.mark.timeout(900)

CONFIG = """
data_dir = "/var/lib/wayside"
runtime_dir = "/run/wayside"
[node]
org = "o"
site = "s"
id = "n1"
[broker]
url = "mqtt://127.0.0.1:1883"
connect_spread_s = 0.0
[storage]
segment_s = 10
min_free = "1MB"
[vision]
models_dir = "/opt/wayside/current/models"
[[camera]]
id = "c01"
main = "file:/srv/street.mp4"
[[camera]]
id = "c02"
main = "file:/srv/street.mp4"
"""
BROKER = "listener 1883 127.0.0.1\nallow_anonymous true\n"
# product.md and provisioning.md: the footage that an update may cost.
MAX_GAP_S = 10.0


@dataclass(frozen=True, slots=True)
class Bundles:
    first: Made
    good: Made
    old: Made
    stranger: Made
    unimportable: Made
    unstartable: Made
    dying: Made
    next: Made


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    nspawn.require_tools()
    folder = tmp_path_factory.mktemp("releases")
    with committed(releases.ROOT) as source:
        return make_bundles(Office(folder, source), Office(folder / "stranger", source))


def make_bundles(office: Office, stranger: Office) -> Bundles:
    stranger.folder.mkdir()
    return Bundles(
        first=office.make("0.1.0"),
        good=office.make("0.2.0", floor="0.2.0"),
        old=office.make("0.1.5"),
        stranger=stranger.make("0.9.0"),
        unimportable=office.make("0.3.0", floor="0.3.0", edit=releases.cannot_be_imported),
        unstartable=office.make("0.4.0", floor="0.4.0", edit=releases.cannot_start),
        dying=office.make("0.5.0", floor="0.5.0", edit=releases.camera_dies),
        next=office.make("0.6.0", floor="0.2.0"),
    )


class Node:
    """The machine with a node on it; `clip` is its cameras, and its broker stands beside it."""

    def __init__(self, root: Path, bundles: Bundles, clip: Path) -> None:
        self.machine = Machine(root)
        (root / "etc" / "mosquitto" / "conf.d" / "desk.conf").write_text(BROKER, encoding="ascii")
        self.machine.give(bundles.first.public_key, "/root/release.pem")
        self.machine.give(clip, "/srv/street.mp4")

    def give(self, made: Made) -> str:
        """The bundle's path on the machine."""
        path = f"/root/{made.bundle.name}"
        if not (self.machine.root / path.lstrip("/")).exists():
            self.machine.give(made.bundle, path)
        return path

    def install(self, made: Made) -> str:
        bundle = self.give(made)
        self.machine.run("tar", "xf", bundle, "-C", "/root", "firmware_scripts")
        return self.machine.run("/root/firmware_scripts/install", bundle, "--key", "/root/release.pem")

    def commission(self) -> None:
        """A configuration, as the technician's page would leave it."""
        self.machine.run("systemctl", "start", "mosquitto")
        (self.machine.root / "root" / "wayside.toml").write_text(CONFIG, encoding="utf-8")
        place = ("install", "-o", "wayside-node", "-g", "wayside", "-m", "0640")
        self.machine.run(*place, "/root/wayside.toml", "/etc/wayside/wayside.toml")
        for camera in ("c01", "c02"):
            folder = ("install", "-d", "-o", "wayside-camera", "-g", "wayside", "-m", "2770")
            self.machine.run(*folder, f"/var/lib/wayside/footage/{camera}")
        self.machine.run("systemctl", "start", "wayside-apply.service")

    def update(self, made: Made, *options: str) -> tuple[int, str]:
        return self.machine.status("/opt/wayside/tools/update", *options, self.give(made))

    def rolled_back(self, made: Made, *options: str) -> str:
        code, said = self.update(made, *options)
        assert code == 3, said
        return said

    @property
    def running(self) -> str:
        return (self.machine.run("/opt/wayside/current/bin/wayside", "--version")).split()[-1]

    def trial(self) -> dict[str, object]:
        path = self.machine.root / "opt" / "wayside" / "update.json"
        told: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
        return told

    def floor(self) -> str:
        path = self.machine.root / "opt" / "wayside" / "floor"
        return path.read_text(encoding="ascii").strip() if path.exists() else ""

    def is_recording(self) -> bool:
        """Both cameras have closed a segment of the session that runs, so that an update may begin."""
        argv = ("/opt/wayside/current/bin/python", "-I", "-m", "agent.processes.vouch")
        code, told = self.machine.status(*argv, "--config", "/etc/wayside/wayside.toml")
        if code:
            return False
        cameras = json.loads(told)["cameras"]
        return all(one["closed"] and one["newest"][:2] == one["closed"][:2] for one in cameras)

    def wait_for_footage(self) -> None:
        wait_until(self.is_recording, "both cameras have closed a segment", limit_s=90)

    def gaps(self) -> dict[str, list[tuple[str, float]]]:
        """By camera, what footage is missing since its first frame: reason and seconds."""
        said = self.machine.run(
            "sh", "-c", "/opt/wayside/current/bin/wayside footage gaps --data /var/lib/wayside --json"
        )
        quiet = ("not_provisioned", "not_yet")
        return {
            camera["camera"]: [(gap["reason"], gap["seconds"]) for gap in camera["gaps"] if gap["reason"] not in quiet]
            for camera in json.loads(said)["cameras"]
        }


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, bundles: Bundles, street_clip: Path) -> Iterator[Node]:
    made = Node(tmp_path_factory.mktemp("machine") / "root", bundles, street_clip)
    try:
        made.machine.start()
        yield made
    finally:
        made.machine.remove()


def test_a_bundle_installs_without_a_network_and_again_changes_nothing(node: Node, bundles: Bundles) -> None:
    assert "is installed in /opt/wayside/a" in node.install(bundles.first)
    listing = ("find", "/opt/wayside", "-printf", "%p %l %T@ %i\\n")
    before = set(node.machine.run(*listing).splitlines())
    assert "nothing to change" in node.install(bundles.first)
    changed = before ^ set(node.machine.run(*listing).splitlines())
    assert {line.split()[0].removeprefix("/opt/wayside") for line in changed} <= {"", "/.lock", "/tools"}
    assert (node.running, node.machine.root.joinpath("opt/wayside/b").exists()) == ("0.1.0", False)
    node.commission()
    node.wait_for_footage()


def test_a_good_update_is_kept_and_costs_less_than_ten_seconds_of_footage(node: Node, bundles: Bundles) -> None:
    code, said = node.update(bundles.good)
    assert (code, node.running, node.trial()["phase"]) == (0, "0.2.0", "good"), said
    assert node.floor() == "0.2.0"
    for camera, gaps in node.gaps().items():
        updating = [seconds for reason, seconds in gaps if reason == "updating"]
        assert len(updating) == 1, (camera, gaps)
        assert updating[0] <= MAX_GAP_S
        print(f"{camera}: the update cost {updating[0]:.2f} s of footage")


def test_the_same_update_again_changes_nothing(node: Node, bundles: Bundles) -> None:
    code, said = node.update(bundles.good)
    assert code == 0
    assert "already runs" in said


def test_bundles_below_the_floor_or_of_another_key_are_refused(node: Node, bundles: Bundles) -> None:
    for bundle, reason in ((bundles.old, "below_floor"), (bundles.stranger, "wrong_signature")):
        code, said = node.update(bundle)
        assert (code, node.running) == (4, "0.2.0")
        assert reason in said


def test_a_release_that_cannot_be_imported_is_never_switched_to(node: Node, bundles: Bundles) -> None:
    code, said = node.update(bundles.unimportable)
    assert (code, node.running) == (1, "0.2.0")
    assert "importing the new release failed" in said


def test_a_release_that_cannot_start_is_rolled_back_and_its_floor_is_not_taken(node: Node, bundles: Bundles) -> None:
    node.wait_for_footage()
    said = node.rolled_back(bundles.unstartable)
    assert "does not start" in said
    assert (node.running, node.floor(), node.trial()["phase"]) == ("0.2.0", "0.2.0", "rolled_back")
    # The first camera was tried; the other was not touched, since by then it was known that the release is bad.
    gaps = node.gaps()
    print(gaps)
    assert [reason for reason, _ in gaps["c01"]] == ["updating", "updating"]
    assert [reason for reason, _ in gaps["c02"]] == ["updating"]
    assert all(seconds <= MAX_GAP_S for each in gaps.values() for _, seconds in each)
    node.wait_for_footage()


def test_a_release_whose_camera_process_dies_is_rolled_back(node: Node, bundles: Bundles) -> None:
    said = node.rolled_back(bundles.dying)
    assert "had to be started anew" in said
    assert node.running == "0.2.0"
    print(node.gaps())
    node.wait_for_footage()


def test_a_release_that_hears_nothing_from_the_broker_is_rolled_back(node: Node, bundles: Bundles) -> None:
    node.machine.run("systemctl", "stop", "mosquitto")
    said = node.rolled_back(bundles.next, "--limit", "40")
    node.machine.run("systemctl", "start", "mosquitto")
    assert "the broker has confirmed nothing since the switch" in said
    assert node.running == "0.2.0"
    node.wait_for_footage()


def test_an_update_that_a_power_cut_ends_is_undone_before_anything_starts(node: Node, bundles: Bundles) -> None:
    assert node.update(bundles.next, "--no-wait")[0] == 0
    wait_until(lambda: node.trial()["phase"] == "trying" and node.running == "0.6.0", "the trial begins")
    node.machine.cut_power()
    node.machine.start()
    node.machine.run("systemctl", "start", "mosquitto")
    assert (node.running, node.trial()["phase"]) == ("0.2.0", "rolled_back")
    assert "rebooted" in str(node.trial()["reason"])
    node.wait_for_footage()


def test_an_update_whose_watcher_is_killed_goes_on(node: Node, bundles: Bundles) -> None:
    assert node.update(bundles.next, "--no-wait")[0] == 0
    wait_until(lambda: node.trial()["phase"] == "trying", "the trial begins")
    node.machine.run("systemctl", "kill", "--signal=KILL", "wayside-update.service")
    wait_until(lambda: node.trial()["phase"] == "good", "the release is good", limit_s=120)
    assert node.running == "0.6.0"


def test_a_person_can_go_back_and_asking_again_changes_nothing(node: Node) -> None:
    assert node.machine.run("/opt/wayside/tools/mark-good") == "version 0.6.0 is good and stays\n"
    assert "version 0.2.0 runs again" in node.machine.run("/opt/wayside/tools/rollback")
    assert "runs already" in node.machine.run("/opt/wayside/tools/rollback")
    assert (node.running, node.floor()) == ("0.2.0", "0.2.0")
    assert node.machine.status("/opt/wayside/tools/mark-good")[0] == 1
    node.wait_for_footage()
