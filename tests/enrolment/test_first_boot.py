"""First boot: what it makes, for whom it can be read, and that it makes it once."""

from __future__ import annotations

import json
import os
import pwd
import stat
from pathlib import Path

import pytest

from agent.contract.enrolment import LABEL_PREFIX
from agent.contract.wire import encode
from agent.enrolment.first_boot import label_text, prepare, take_label
from agent.enrolment.home import NodeHome
from agent.enrolment.moment import now
from agent.enrolment.nodekey import node_id
from agent.enrolment.papers import install_grant
from agent.enrolment.pin import SetupRecord, is_pin
from agent.enrolment.window import register_boot
from agent.enrolment.words import proquint, six_words
from agent.errors import EnrolmentError
from tests.enrolment.conftest import Node
from tests.enrolment.papers import NOW_S, Organisation


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_first_boot_makes_key_id_and_pin_and_the_second_changes_nothing(node: Node) -> None:
    before = files(node.home.root) | files(node.boot)
    prepare(node.home, node.boot)
    assert files(node.home.root) | files(node.boot) == before
    assert node.key.node == node_id(node.key.spki_sha256)
    assert label_text(node.key) == f"{LABEL_PREFIX}{node.key.node}|{node.key.spki_sha256}"


def test_secrets_are_their_owners_alone(node: Node) -> None:
    for path in (node.home.key, node.home.setup, node.home.label):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name
    assert stat.S_IMODE(node.home.enrolment.stat().st_mode) == 0o644


def test_what_root_makes_belongs_to_the_homes_owner(tmp_path: Path, office: Organisation) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root makes files for others")
    (tmp_path / "wayside-anchors.json").write_bytes(encode(office.anchors))
    home = NodeHome(tmp_path / "home")
    home.root.mkdir()
    nobody = pwd.getpwnam("nobody")
    os.chown(home.root, nobody.pw_uid, nobody.pw_gid)
    prepare(home, tmp_path)
    register_boot(home, now())
    owners = {path.name: path.stat().st_uid for path in home.root.rglob("*")}
    assert owners == dict.fromkeys(owners, nobody.pw_uid)


def test_the_pin_is_kept_as_a_hash_only(node: Node) -> None:
    record = node.home.load(node.home.setup, SetupRecord)
    assert record is not None
    assert is_pin(node.pin, record)
    assert node.pin.encode() not in node.home.setup.read_bytes()


def test_a_label_is_taken_once(node: Node) -> None:
    label = take_label(node.home, node.boot)
    assert label is not None and label.pin == node.pin
    assert take_label(node.home, node.boot) is None
    prepare(node.home, node.boot)
    everything = b"".join((files(node.home.root) | files(node.boot)).values())
    assert node.pin.encode() not in everything


def test_a_label_that_the_bench_removed_from_the_card_is_taken(node: Node) -> None:
    (node.boot / "wayside-label.json").unlink()
    assert prepare(node.home, node.boot).label is None
    assert sorted(files(node.boot)) == ["wayside-anchors.json", "wayside-node.csr"]
    everything = b"".join((files(node.home.root) | files(node.boot)).values())
    assert node.pin.encode() not in everything


def test_a_card_that_lost_its_files_is_given_them_again(node: Node) -> None:
    for name in ("wayside-label.json", "wayside-node.csr"):
        (node.boot / name).unlink()
    assert prepare(node.home, node.boot).label is not None
    assert len(files(node.boot)) == 3


def test_papers_take_the_pin_and_the_label_off_the_node(node: Node, office: Organisation) -> None:
    install_grant(node.home, office.grant_text(office.grant(node.key.private.public_key(), node.key.node)), NOW_S)
    prepare(node.home, node.boot)
    assert sorted(files(node.boot)) == ["wayside-anchors.json"]
    assert not node.home.label.exists()


def test_the_boot_partition_makes_nobody_elses_node_of_it(node: Node) -> None:
    stranger = Organisation(org="stranger")
    (node.boot / "wayside-anchors.json").write_text(json.dumps({"v": 1}))
    prepare(node.home, node.boot)
    (node.boot / "wayside-anchors.json").write_bytes(node.home.anchors.read_bytes().replace(b"songkhla", b"stranger"))
    prepare(node.home, node.boot)
    assert node.home.load_anchors().org != stranger.org


def test_anchors_that_are_none_are_said_so(tmp_path: Path) -> None:
    (tmp_path / "wayside-anchors.json").write_text("{}")
    with pytest.raises(EnrolmentError, match="bad_anchors"):
        prepare(NodeHome(tmp_path / "home"), tmp_path)


def test_proquints_are_those_of_the_paper() -> None:
    # Wilkerson 2009, section 2: 127.0.0.1 is lusab-babad, 63.84.220.193 is gutih-tugad.
    assert [proquint(0x7F00), proquint(0x0001)] == ["lusab", "babad"]
    assert [proquint(0x3F54), proquint(0xDCC1)] == ["gutih", "tugad"]
    assert six_words("7f000001" * 8)[:2] == ("lusab", "babad")
