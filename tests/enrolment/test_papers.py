"""Grants: believed or not, installed whole, finished after a power cut, and the cameras of the site kept."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config import BrokerConfig, CameraConfig, Config, NodeConfig, VisionConfig, decode_config
from agent.contract.enrolment import Grant
from agent.enrolment.configuration import LocalPaths, merge, to_toml
from agent.enrolment.home import NodeHome
from agent.enrolment.papers import (
    complete,
    enter_service,
    install_grant,
    load_config,
    paper_facts,
    read_grant,
    write_config,
)
from agent.enrolment.standing import Standing
from agent.errors import EnrolmentError
from tests.enrolment.conftest import Node
from tests.enrolment.papers import DAY_S, NOW_S, Authority, Organisation, pem_of

CAMERA = CameraConfig(id="c01", main="rtsp://10.0.0.5/main", username="wayside")


def granted(node: Node, office: Organisation, /, **facts: object) -> Grant:
    return office.grant(node.key.private.public_key(), node.key.node, **facts)  # type: ignore[arg-type]


def install(node: Node, office: Organisation, **facts: object) -> Grant:
    return install_grant(node.home, office.grant_text(granted(node, office, **facts)), NOW_S)


def refusal(node: Node, office: Organisation, now_s: int = NOW_S, /, **facts: object) -> str:
    with pytest.raises(EnrolmentError) as caught:
        install_grant(node.home, office.grant_text(granted(node, office, **facts)), now_s)
    assert not node.home.certificate.exists()
    assert node.home.load_enrolment().state is Standing.NEW
    return str(caught.value.facts["reason"])


def test_a_grant_gives_certificate_configuration_and_state(node: Node, office: Organisation) -> None:
    grant = install(node, office, replaces="nold")
    config, record = load_config(node.home), node.home.load_enrolment()
    assert config is not None and config.broker is not None
    assert (config.node.id, config.broker.certificate) == (node.key.node, str(node.home.certificate))
    assert (record.state, record.site, record.replaces) == (Standing.ENROLLED, grant.site, "nold")
    assert node.home.ca.read_text() == office.centre_ca.pem
    facts = paper_facts(node.home.certificate)
    assert facts is not None
    assert (facts.key_fingerprint, facts.replaces) == (node.key.spki_sha256, "nold")


def test_installing_it_again_changes_no_file_that_a_unit_watches(node: Node, office: Organisation) -> None:
    text = office.grant_text(granted(node, office))
    install_grant(node.home, text, NOW_S)
    watched = (node.home.config, node.home.certificate, node.home.ca, node.home.anchors)
    before = [path.stat().st_ino for path in watched]
    install_grant(node.home, text, NOW_S)
    assert [path.stat().st_ino for path in watched] == before


def test_what_is_not_for_this_node_is_refused_and_leaves_no_trace(node: Node, office: Organisation) -> None:
    other = Organisation()
    stranger = Authority.make("stranger").issue(node.key.node, node.key.private.public_key())
    assert refusal(node, office, node="nother") == "wrong_key"
    assert refusal(node, office, org="stranger") == "wrong_org"
    assert refusal(node, office, certificate=pem_of(stranger)) == "wrong_ca"
    assert refusal(node, office, certificate="no PEM") == "bad_certificate"
    assert refusal(node, office, NOW_S + 91 * DAY_S) == "expired"
    assert refusal(node, office, anchors=msgspec.structs.replace(office.anchors, org="stranger")) == "wrong_org"
    assert refusal(node, office, config=msgspec.Raw(b'{"node": 1}')) == "bad_config"
    with pytest.raises(EnrolmentError, match="unknown_key"):
        install_grant(node.home, other.grant_text(granted(node, office)), NOW_S)


def test_a_certificate_for_another_key_is_refused(node: Node, office: Organisation) -> None:
    foreign = office.ca.issue(node.key.node, office.key.public_key())
    assert refusal(node, office, certificate=pem_of(foreign)) == "wrong_key"


def test_a_revision_never_falls(node: Node, office: Organisation) -> None:
    install(node, office, revision=5)
    with pytest.raises(EnrolmentError, match="old_revision"):
        install(node, office, revision=4)
    install(node, office, revision=5)
    # At another site its count begins again.
    install(node, office, revision=1, site="sadao-001")
    assert node.home.load_enrolment().site == "sadao-001"


def test_a_renewal_leaves_a_node_in_service_and_a_move_does_not(node: Node, office: Organisation) -> None:
    install(node, office)
    enter_service(node.home, by="technician")
    install(node, office, revision=2)
    assert node.home.load_enrolment().state is Standing.IN_SERVICE
    install(node, office, site="sadao-001")
    assert node.home.load_enrolment().state is Standing.ENROLLED
    assert not node.home.in_service.exists()


def test_a_rotated_office_key_comes_with_a_grant_of_the_old_one(node: Node, office: Organisation) -> None:
    successor = Organisation(office.org, office.ca, office.centre_ca)
    install(node, office, anchors=successor.anchors)
    with pytest.raises(EnrolmentError, match="unknown_key"):
        install(node, office, revision=2)
    install(node, successor, revision=2)


# In the order in which an installation writes them, after the grant itself.
WRITTEN = ("ca.pem", "node.pem", "wayside.toml", "enrolment.json", "label.json", "anchors.json")


@pytest.mark.parametrize("done", range(len(WRITTEN)))
def test_a_power_cut_in_the_middle_is_finished_at_the_next_start(
    node: Node, office: Organisation, tmp_path: Path, done: int
) -> None:
    before = tmp_path / "before"
    shutil.copytree(node.home.root, before)
    # With anchors in it that do not know the key which signed it.
    install(node, office, anchors=Organisation(office.org, office.ca, office.centre_ca).anchors)
    whole = contents(node.home)
    for name in WRITTEN[done:]:
        (node.home.root / name).unlink(missing_ok=True)
        if (before / name).exists():
            shutil.copy(before / name, node.home.root / name)
    assert complete(node.home)
    assert contents(node.home) == whole
    assert not complete(node.home)


def contents(home: NodeHome) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in home.root.iterdir()
        if path.is_file() and path.name not in ("audit.jsonl", ".lock")
    }


def test_no_half_file_is_left_by_a_write_that_failed(node: Node) -> None:
    folder = node.home.root / "scenes" / "missing"
    with pytest.raises(EnrolmentError, match="home"):
        node.home.write(folder / "c01.toml", b"x")
    node.home.write(node.home.secret("c01"), b"password")
    assert stat.S_IMODE(node.home.secret("c01").stat().st_mode) == 0o640
    assert list(node.home.root.rglob("*.part")) == []


def test_the_cameras_of_the_site_outlive_a_renewal(node: Node, office: Organisation) -> None:
    install(node, office)
    config = load_config(node.home)
    assert config is not None
    scene = str(node.home.scene("c01"))
    camera = msgspec.structs.replace(CAMERA, password_file=str(node.home.secret("c01")), scene=scene)
    desk = BrokerConfig("mqtt://127.0.0.1")
    own = msgspec.structs.replace(
        config, cameras=[camera], trust="open", broker=desk, vision=VisionConfig(models_dir="/m", threads=3)
    )
    assert write_config(node.home, own)
    install(node, office, revision=2, more={"timezone": "Asia/Tokyo", "vision": {"threads": 1}})
    after = load_config(node.home)
    assert after is not None
    assert (after.cameras, after.timezone, after.trust) == ([camera], "Asia/Tokyo", "signed")
    assert (after.vision.models_dir, after.vision.threads) == ("/m", 1)


PATHS = LocalPaths("/data", "/run/w", "/h/ca.pem", "/h/node.pem", "/h/node.key", "/h/keys.json")


def test_a_swapped_node_gets_its_sites_cameras_back() -> None:
    said = b'{"node":{"org":"o","site":"s","id":"n"},"camera":[{"id":"c01","main":"rtsp://old"},{"id":"c02","main":"v4l2:x"}]}'
    existing = Config(data_dir="/d", runtime_dir="/r", node=NodeConfig(org="o", site="s", id="n"), cameras=[CAMERA])
    merged = merge(said, existing, PATHS)
    assert [(camera.id, camera.main) for camera in merged.cameras] == [("c01", CAMERA.main), ("c02", "v4l2:x")]
    assert (merged.data_dir, merge(said, None, PATHS).data_dir) == ("/d", "/data")
    assert decode_config(to_toml(merged), name="t") == merged


@given(st.binary(max_size=100) | st.text(max_size=100).map(str.encode))
def test_no_granted_bytes_crash_the_merge(said: bytes) -> None:
    with pytest.raises(EnrolmentError, match="bad_config"):
        merge(said, None, PATHS)


leaf = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
tree = st.recursive(
    leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


@given(st.dictionaries(st.sampled_from(["node", "broker", "storage", "vision", "camera", "timezone", "x"]), tree))
def test_no_granted_structure_crashes_the_merge(said: dict[str, object]) -> None:
    try:
        merged = merge(msgspec.json.encode(said), None, PATHS)
    except EnrolmentError:
        return
    assert decode_config(to_toml(merged), name="t") == merged


def test_a_damaged_configuration_is_said_so_before_anything_changes(node: Node, office: Organisation) -> None:
    node.home.config.write_text("data_dir = ")
    with pytest.raises(EnrolmentError, match="bad_config"):
        install(node, office)
    assert not node.home.grant.exists()


def test_reading_a_grant_needs_no_home(office: Organisation, node: Node) -> None:
    grant = granted(node, office)
    assert read_grant(office.grant_text(grant), office.anchors, node.key, NOW_S) == grant
