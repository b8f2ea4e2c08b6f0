"""A node's machine from the release bundle to the factory reset, under the systemd it is written for.

One machine, in this order: installed without a network, configured, its processes stopped dead one after the other,
its configuration changed, its logs collected, booted again, reset, uninstalled.
"""

from __future__ import annotations

import json
import shutil
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioning.release.make import Made
from provisioning.release.source import committed
from tests.field import nspawn, releases
from tests.field.nspawn import Machine, wait_until
from tests.field.releases import Office

pytestmark = pytest.mark.timeout(600)

CONFIG = """data_dir = "/var/lib/wayside"
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
"""
CAMERA = """[[camera]]
id = "{id}"
main = "file:/srv/street.mp4"
password_file = "/etc/wayside/secrets/{id}.secret"
"""
BROKER = "listener 1883 127.0.0.1\nallow_anonymous true\n"
PYTHON = "/opt/wayside/current/bin/python"
SCRIPTS = "/opt/wayside/current/firmware_scripts"
UNITS = ("wayside-camera@c01.service", "wayside-vision.service", "wayside-node.service")
# The units say 30 s; a test that waited for that three times would say no more.
WATCHDOG_S = 4
# A process that is killed at its watchdog's end is started a second later and loads for some seconds.
BACK_LIMIT_S = 40.0


class Node:
    """The machine and what is asked of it."""

    def __init__(self, root: Path, made: Made, clip: Path) -> None:
        self.machine = Machine(root)
        self.bundle = f"/root/{made.bundle.name}"
        self.machine.give(made.bundle, self.bundle)
        self.machine.give(made.public_key, "/root/release.pem")
        self.machine.give(clip, "/srv/street.mp4")
        (root / "etc/mosquitto/conf.d/desk.conf").write_text(BROKER, encoding="ascii")
        (root / "boot/firmware").mkdir(parents=True)

    def install(self) -> str:
        self.machine.run("tar", "xf", self.bundle, "-C", "/root", "firmware_scripts")
        return self.machine.run("/root/firmware_scripts/install", self.bundle, "--key", "/root/release.pem", "--harden")

    def script(self, name: str, *argv: str) -> str:
        return self.machine.run(f"{SCRIPTS}/{name}", *argv)

    def as_user(self, user: str, code: str) -> str:
        argv = ("setpriv", f"--reuid={user}", "--regid=wayside", "--clear-groups", PYTHON, "-c", code)
        return self.machine.run(*argv)

    def configure(self, *cameras: str) -> None:
        """As the page does it: by the node's own room for papers, as the node's user."""
        text = CONFIG + "".join(CAMERA.format(id=camera) for camera in cameras)
        secrets = "".join(f"home.write(home.secret({camera!r}), b'plum-{camera}')\n" for camera in cameras)
        # Written as it was, a secret would rouse the path unit for nothing.
        secrets = secrets.replace("home.write(", "home.write_if_changed(")
        code = "from agent.enrolment.home import NodeHome\nhome = NodeHome.default()\n" + secrets
        self.as_user("wayside-node", code + f"home.write(home.config, {text!r}.encode())")

    def footage(self) -> dict[str, list[tuple[str, float]]]:
        """By camera, what is missing since its first frame: reason and seconds."""
        # The machine's own date is another day than the site's for seven hours of each.
        told = json.loads(
            self.machine.run(PYTHON, "-m", "agent", "footage", "gaps", "--data", "/var/lib/wayside", "--json")
        )
        quiet = ("not_provisioned", "not_yet")
        return {
            one["camera"]: [(gap["reason"], gap["seconds"]) for gap in one["gaps"] if gap["reason"] not in quiet]
            for one in told["cameras"]
        }

    def grows(self, camera: str) -> bool:
        """Whether footage of the camera reached the disk within the last two seconds."""
        files = [path for path in (self.machine.root / "var/lib/wayside/footage" / camera).rglob("*") if path.is_file()]
        return bool(files) and time.time() - max(path.stat().st_mtime for path in files) < 2.0

    def pids(self) -> dict[str, int]:
        return {unit: self.machine.main_pid(unit) for unit in (*UNITS, "wayside-camera@c02.service")}

    def listeners(self) -> list[str]:
        """What listens beyond the loopback; the broker of this test listens on it."""
        lines = self.machine.run("ss", "-Hltnu").splitlines()
        return [line for line in lines if not any(word in line for word in ("127.0.0.1:", "[::1]:"))]

    def tree(self) -> dict[str, tuple[str, ...]]:
        """Every file that an installation could have written, with size, mode, owner and the time of its content."""
        said = self.machine.run(
            *("find", "/opt/wayside", "/etc", "/usr/local", "/var/lib/wayside", "-not", "-type", "d"),
            *("-not", "-path", "*/__pycache__/*", "-not", "-path", "/var/lib/wayside/*"),
            *("-not", "-path", "/opt/wayside/.lock", "-printf"),
            "%p\t%s\t%m\t%u\t%T@\n",
        )
        return {line.split("\t")[0]: tuple(line.split("\t")[1:]) for line in said.splitlines()}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, street_clip: Path) -> Iterator[Node]:
    nspawn.require_tools()
    folder = tmp_path_factory.mktemp("host")
    (folder / "office").mkdir()
    with committed(releases.ROOT) as source:
        made = Office(folder / "office", source).make("0.1.0")
    one = Node(folder / "root", made, street_clip)
    try:
        one.machine.start()
        yield one
    finally:
        one.machine.remove()


def test_a_bundle_makes_a_bare_machine_a_node_without_a_network(node: Node) -> None:
    assert not node.listeners()
    said = node.install()
    assert "technician's page" in said
    wait_until(lambda: node.machine.is_active("wayside-page.service"), "the page does not run")
    home = node.machine.root / "etc/wayside"
    assert (home / "node.key").stat().st_mode & 0o777 == 0o600
    # For the bench, which prints it.
    label = json.loads((node.machine.root / "boot/firmware/wayside-label.json").read_text(encoding="utf-8"))
    assert len(label["pin"]) == 8
    assert node.machine.run("systemctl", "list-units", "--failed", "--plain", "--no-legend", "wayside*") == ""


def test_only_the_page_listens_while_set_up_is_open(node: Node) -> None:
    wait_until(lambda: bool(node.listeners()), "the page does not listen")
    assert all(line.split()[4].endswith(":443") for line in node.listeners())
    assert "443" in node.machine.run("nft", "list", "set", "inet", "wayside", "open_ports")


def test_installing_again_changes_nothing(node: Node) -> None:
    before = node.tree()
    assert "nothing to change" in node.install()
    assert node.tree() == before


def test_first_boot_again_changes_nothing(node: Node) -> None:
    before = node.tree()
    # As systemd runs it: inside a container a unit that hides parts of /proc sees another boot's id than a shell does.
    node.machine.run("systemctl", "restart", "wayside-first-boot.service")
    node.machine.run("systemctl", "restart", "wayside-first-boot.service")
    assert node.tree() == before


def test_a_configuration_starts_what_it_asks_for(node: Node) -> None:
    node.machine.run("systemctl", "start", "mosquitto")
    for unit in UNITS:
        name = unit.replace("@c01", "@")
        drop_in = node.machine.root / "etc/systemd/system" / f"{name}.d/test.conf"
        drop_in.parent.mkdir()
        drop_in.write_text(f"[Service]\nWatchdogSec={WATCHDOG_S}\n", encoding="ascii")
    node.machine.run("systemctl", "daemon-reload")
    node.configure("c01", "c02")
    wait_until(lambda: node.grows("c01") and node.grows("c02"), "two cameras record", limit_s=90)
    for unit in (*UNITS, "wayside-camera@c02.service"):
        wait_until(lambda unit=unit: node.machine.is_active(unit), f"{unit} runs")  # type: ignore[misc]


@pytest.mark.parametrize("unit", UNITS)
def test_a_stopped_process_is_started_again_and_the_other_camera_records_on(node: Node, unit: str) -> None:
    wait_until(lambda: node.grows("c01") and node.grows("c02"), "two cameras record")
    # Until its first fragment is on disk a camera that was just started misses the moment of its start.
    wait_until(lambda: "agent_down" not in str(node.footage()), "the first fragments are on disk")
    before, pids = node.footage(), node.pids()
    began_s = time.monotonic()
    node.machine.run("systemctl", "kill", "--kill-whom=main", "--signal=STOP", unit)
    wait_until(
        lambda: node.machine.main_pid(unit) not in (0, pids[unit]) and node.machine.is_active(unit),
        f"{unit} is started again",
        limit_s=BACK_LIMIT_S,
    )
    took_s = time.monotonic() - began_s
    assert "watchdog" in node.machine.journal("--unit", unit, "--lines", "50").lower()
    wait_until(lambda: node.grows("c01") and node.grows("c02"), "both cameras record")
    after = node.pids()
    assert {name for name in pids if pids[name] != after[name]} == {unit}
    # A node that was away learns of what was written meanwhile.
    wait_until(lambda: "c02" in node.footage(), "the index is read")
    if unit == UNITS[0]:
        wait_until(lambda: node.footage().get("c01") != before["c01"], "its gap is told")
    missing = node.footage()
    assert missing["c02"] == before["c02"]
    new = missing["c01"][len(before["c01"]) :]
    print(f"{unit}: again after {took_s:.1f} s with a watchdog of {WATCHDOG_S} s; c01 misses {new}, c02 nothing")
    if unit != UNITS[0]:
        assert new == []


def test_the_same_configuration_again_moves_nothing(node: Node) -> None:
    pids = node.pids()
    node.script("apply")
    node.script("apply")
    assert node.pids() == pids


def test_a_new_camera_disturbs_no_other_and_a_removed_one_ends(node: Node) -> None:
    pids = node.pids()
    node.configure("c01", "c02", "c03")
    wait_until(lambda: node.grows("c03"), "the third camera records")
    for unit in ("wayside-camera@c01.service", "wayside-camera@c02.service"):
        assert node.machine.main_pid(unit) == pids[unit]
    node.configure("c01", "c02")
    wait_until(lambda: not node.machine.is_active("wayside-camera@c03.service"), "the third camera ends")
    wait_until(lambda: node.machine.is_active(UNITS[2]), "the node is back")


@pytest.mark.parametrize(
    ("unit", "hidden"),
    [
        (UNITS[0], ("/etc/wayside/node.key", "/etc/wayside/setup.json", "/etc/wayside/secrets/c02.secret")),
        (UNITS[1], ("/etc/wayside/node.key", "/etc/wayside/secrets/c01.secret", "/var/lib/wayside/footage/c01")),
        (UNITS[2], ("/etc/wayside/secrets/c01.secret",)),
    ],
)
def test_a_process_cannot_see_what_is_not_its_business(node: Node, unit: str, hidden: tuple[str, ...]) -> None:
    pid = str(node.machine.main_pid(unit))
    user = {"wayside-camera@c01.service": "wayside-camera"}.get(unit, unit.removesuffix(".service"))
    inside = ("nsenter", "--target", pid, "--mount", "--net", "--", "setpriv", f"--reuid={user}", "--regid=wayside")
    for path in hidden:
        assert (node.machine.root / path.lstrip("/")).exists()
        code, said = node.machine.status(*inside, "--clear-groups", "--no-new-privs", "ls", "-d", path)
        read, _ = node.machine.status(*inside, "--clear-groups", "--no-new-privs", "head", "-c1", path)
        assert code or read, f"{path}: {said}"
    # No process may write where programs or the pinned release key are.
    for path in ("/opt/wayside/current/x", "/usr/x", "/etc/x", "/etc/wayside/release.pem"):
        code, _ = node.machine.status(*inside, "--clear-groups", "--no-new-privs", "sh", "-c", f": >>{path}")
        assert code, path


def test_vision_reaches_no_network(node: Node) -> None:
    pid = str(node.machine.main_pid(UNITS[1]))
    said = node.machine.run("nsenter", "--target", pid, "--net", "ip", "-brief", "link")
    assert [line.split()[0] for line in said.splitlines()] == ["lo"]


def test_collected_logs_hold_no_secret(node: Node, tmp_path: Path) -> None:
    node.machine.run(
        "systemd-cat", "-t", "wayside-camera", "echo", "rtsp://admin:pear-tree@10.0.0.9/main?password=fig-leaf"
    )
    before = node.tree()
    node.script("collect-logs", "--out", "/root/logs.tar.gz")
    assert node.tree() == before
    shutil.copy(node.machine.root / "root/logs.tar.gz", tmp_path / "logs.tar.gz")
    with tarfile.open(tmp_path / "logs.tar.gz") as tar:
        tar.extractall(tmp_path, filter="data")
    told = {path.name: path.read_bytes() for path in (tmp_path / "logs").iterdir()}
    assert b"camera process runs" in told["journal.txt"]
    home = node.machine.root / "etc/wayside"
    pin = json.loads((home / "label.json").read_text(encoding="utf-8"))["pin"].encode()
    key_lines = (home / "node.key").read_bytes().splitlines()[1:-1]
    for secret in (b"plum-c01", b"plum-c02", b"pear-tree", b"fig-leaf", pin, *key_lines):
        assert [name for name, content in told.items() if secret in content] == []


def test_in_service_nothing_listens(node: Node) -> None:
    node.as_user(
        "wayside-node",
        "import msgspec\nfrom agent.enrolment.home import NodeHome\nfrom agent.enrolment.standing import Standing\n"
        "home = NodeHome.default()\n"
        "record = msgspec.structs.replace(home.load_enrolment(), state=Standing.IN_SERVICE)\n"
        "home.save_enrolment(record)",
    )
    # It says good-bye for two minutes after acceptance; whoever looks after that finds nothing.
    node.machine.run("systemctl", "stop", "wayside-page.service")
    node.machine.run("systemctl", "start", "wayside-page.service")
    assert not node.machine.is_active("wayside-page.service")
    # Refused by its own condition, which is no failure.
    assert node.machine.show("wayside-page.service", "Result") == "exec-condition"
    assert node.listeners() == []
    listing = ("nft", "list", "set", "inet", "wayside", "open_ports")
    wait_until(lambda: "443" not in node.machine.run(*listing), "the page's port is shut")


def test_after_a_reboot_it_records_again_and_listens_to_nobody(node: Node) -> None:
    node.machine.stop()
    began_s = time.monotonic()
    node.machine.start()
    wait_until(lambda: node.grows("c01") and node.grows("c02"), "both record again", limit_s=40)
    print(f"recording again {time.monotonic() - began_s:.1f} s after power on")
    assert node.listeners() == []
    assert node.machine.run("systemctl", "list-units", "--failed", "--plain", "--no-legend", "wayside*") == ""


def test_a_factory_reset_leaves_no_key_and_the_next_start_makes_another_node(node: Node) -> None:
    root = node.machine.root
    key = (root / "etc/wayside/node.key").read_bytes()
    # The middle of the private scalar's base64, as a file in any envelope would hold it.
    needle = key.splitlines()[1][8:56].decode()
    node.script("factory-reset", "--yes")
    node.machine.run("sync")
    code, said = node.machine.status("grep", "-rlF", "--exclude-dir=proc", "--exclude-dir=sys", needle, "/")
    assert (code != 0, said.strip()) == (True, "")
    assert sorted(path.name for path in (root / "etc/wayside").iterdir() if path.is_file()) == ["release.pem"]
    assert list((root / "etc/wayside/secrets").iterdir()) == []
    assert any((root / "var/lib/wayside/footage/c01").rglob("*.mp4"))
    assert "nothing to change" in node.script("factory-reset", "--yes")
    node.machine.stop()
    node.machine.start()
    wait_until((root / "etc/wayside/node.key").exists, "a new key is made")
    assert (root / "etc/wayside/node.key").read_bytes() != key
    wait_until(lambda: bool(node.listeners()), "the page listens to the technician")


def test_uninstalled_it_leaves_footage_and_papers_and_again_changes_nothing(node: Node) -> None:
    node.machine.run("/root/firmware_scripts/uninstall")
    root = node.machine.root
    assert not (root / "opt/wayside").exists()
    assert [path.name for path in (root / "etc/systemd/system").rglob("wayside*") if not path.name.endswith(".d")] == []
    assert (root / "etc/wayside/node.key").exists()
    assert "nothing to change" in node.machine.run("/root/firmware_scripts/uninstall")
    assert node.listeners() == []
