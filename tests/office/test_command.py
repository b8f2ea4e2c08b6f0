"""`wayside-provision office` as the office types it: from an empty folder to papers, a swap and a report."""

from __future__ import annotations

import json
import stat
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.commands.pinned import check_signatures
from agent.contract.commands import JWS_TYPE
from agent.contract.enrolment import ACCEPTANCE_TYP, ORDER_PREFIX, Anchors
from agent.contract.wire import decode
from agent.enrolment.first_boot import prepare
from agent.enrolment.home import NodeHome
from agent.enrolment.orders import read_order
from agent.enrolment.papers import install_grant, load_config
from agent.enrolment.request import make_request
from agent.signing import key_from_pem, key_to_pem, make_key, public_to_pem, sign_compact, sign_general
from provisioning.__main__ import app
from tests.authority.applicant import Applicant

REGISTER = """org,district,site,name,lat,lon,camera,camera_name,purpose,retention_days
songkhla-pao,หาดใหญ่,hatyai-012,แยกคลองเรียน,7.0086,100.4747,c01,เสาเหนือ,จราจร,30
songkhla-pao,หาดใหญ่,hatyai-012,,,,c02,เสาใต้,จราจร,15
hatyai-city,หาดใหญ่,hatyai-013,ตลาดกิมหยง,7.0,100.47,c01,หน้าตลาด,จราจร,30
"""


@dataclass(frozen=True, slots=True)
class Desk:
    """The office's desk: a folder, and what was typed there."""

    folder: Path

    def types(self, *argv: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, ["office", *argv, "--office", str(self.folder / "office")])
        assert result.exit_code == code, result.output
        return result.output

    def asks(self, *argv: str, code: int = 0) -> dict[str, object]:
        found = json.loads(self.types(*argv, "--json", code=code))
        assert isinstance(found, dict)
        return found

    def box(self, name: str) -> NodeHome:
        """A box after its first boot, with the office's anchors on its boot partition."""
        boot = self.folder / f"{name}-boot"
        boot.mkdir()
        self.types("anchors", "--org", "songkhla-pao", "--out", str(boot))
        home = NodeHome(self.folder / f"{name}-home")
        prepare(home, boot)
        return home


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    made.types("init", "--enrol-url", "https://centre.example:8443", "--broker", "mqtts://centre.example:8883")
    (tmp_path / "register.csv").write_text(REGISTER, encoding="utf-8-sig")
    made.types("site", "import", str(tmp_path / "register.csv"))
    return made


NOW = time.time


def test_a_box_without_any_line_is_enrolled_by_its_order_alone(desk: Desk) -> None:
    home = desk.box("first")
    made = desk.asks("order", "--site", "hatyai-012", "--label", str(desk.folder / "first-boot"))
    filed = made["orders"][0]  # type: ignore[index]
    assert filed["has_grant"] is True
    text = Path(filed["text"]).read_text()
    order = read_order(text, home.load_anchors(), NOW())
    assert order.grant is not None
    grant = install_grant(home, order.grant, int(NOW()))
    assert (grant.site, grant.node) == ("hatyai-012", filed["node"])
    assert [each.id for each in order.cameras] == ["c01", "c02"]


def test_an_enrolled_node_obeys_the_office_and_the_people_it_named(desk: Desk) -> None:
    mali, somchai = (desk.folder / f"{name}.key" for name in ("mali", "somchai"))
    org = ("--org", "songkhla-pao")
    desk.types("person", "mali", *org, "--key", str(mali), "--role", "supervisor")
    public = desk.folder / "somchai.pem"
    somchai.write_bytes(key_to_pem(made := make_key()))
    public.write_text(public_to_pem(made.public_key()))
    assert "mali, somchai" in desk.types("person", "somchai", *org, "--public", str(public))
    assert stat.S_IMODE(mali.stat().st_mode) == 0o600
    office = desk.folder / "office" / "keys" / "songkhla-pao" / "command.key"
    home = enrolled(desk, "first")
    config = load_config(home)
    assert config is not None and (config.trust, config.command_keys) == ("signed", str(home.command_keys))
    assert {path.stem: believed(home, path) for path in (mali, somchai, office)} == {
        "mali": [("mali", "supervisor")],
        "somchai": [("somchai", "operator")],
        "command": [("office", "operator")],
    }
    desk.types("person", "mali", *org, "--remove")
    assert believed(enrolled(desk, "second", "--replaces", home.load_enrolment().node), mali) == []


def test_a_key_is_neither_overwritten_nor_anything_else_than_a_key(desk: Desk) -> None:
    taken, org = desk.folder / "taken.key", ("--org", "songkhla-pao")
    taken.write_text("somebody's")
    desk.types("person", "mali", *org, "--key", str(taken), code=2)
    desk.types("person", "mali", *org, "--public", str(taken), code=1)
    desk.types("person", "mali", *org, "--public", str(desk.folder / "none.pem"), code=2)
    desk.types("person", "mali", *org, code=2)
    desk.types("person", "mali", *org, "--remove", code=2)
    desk.types("person", "mali", "--org", "nobodys", "--remove", code=2)
    assert taken.read_text() == "somebody's"


def enrolled(desk: Desk, name: str, *more: str) -> NodeHome:
    home = desk.box(name)
    made = desk.asks("order", "--site", "hatyai-012", "--label", str(desk.folder / f"{name}-boot"), *more)
    order = read_order(Path(made["orders"][0]["text"]).read_text(), home.load_anchors(), NOW())  # type: ignore[index]
    assert order.grant is not None
    install_grant(home, order.grant, int(NOW()))
    return home


def believed(home: NodeHome, key: Path) -> list[tuple[str, str]]:
    """Whose word a node of this home takes a command for that this key signed."""
    jws = sign_general(b"{}", [key_from_pem(key.read_bytes())], typ=JWS_TYPE)
    return [(each.actor, each.role) for each in check_signatures(jws, home.command_keys).signers]


def test_a_request_carried_as_a_file_waits_for_the_six_words(desk: Desk) -> None:
    home, request, grant = desk.box("first"), desk.folder / "request", desk.folder / "grant"
    filed = desk.asks("order", "--site", "hatyai-012")["orders"][0]  # type: ignore[index]
    request.write_text(make_request(home, Path(filed["text"]).read_text().strip(), int(NOW())))
    assert "waiting" in desk.types("enrol", str(request), "--out", str(grant), code=1).lower()
    assert not grant.exists()
    waiting = desk.asks("nodes")["waiting"][0]  # type: ignore[index]
    label = json.loads((desk.folder / "first-boot" / "wayside-label.json").read_text())
    assert waiting["words"] == label["words"]
    desk.types("approve", waiting["node"])
    desk.types("enrol", str(request), "--out", str(grant))
    assert install_grant(home, grant.read_text(), int(NOW())).site == "hatyai-012"
    assert "in force" in desk.types("nodes")


def test_a_dead_box_is_swapped_by_its_label(desk: Desk) -> None:
    desk.box("old"), desk.box("new")
    order = "order", "--site", "hatyai-012", "--label"
    old = desk.asks(*order, str(desk.folder / "old-boot"))["orders"][0]  # type: ignore[index]
    assert "--replaces" in desk.types(*order, str(desk.folder / "new-boot"), code=2)
    scanned = f"WS1|{old['node']}|{'0' * 64}"
    new = desk.asks(*order, str(desk.folder / "new-boot"), "--replaces", scanned)["orders"][0]  # type: ignore[index]
    assert new["replaces"] == old["node"]
    nodes = {each["node"]: each["revoked"] for each in desk.asks("nodes")["nodes"]}  # type: ignore[attr-defined]
    assert nodes[old["node"]] is not None
    assert nodes[new["node"]] is None


def test_all_free_sites_get_orders_and_labels_for_their_poles(desk: Desk) -> None:
    made = desk.asks("order", "--all")
    assert [each["site"] for each in made["orders"]] == ["hatyai-013", "hatyai-012"]  # type: ignore[attr-defined]
    for each in made["orders"]:  # type: ignore[attr-defined]
        assert Path(each["text"]).read_text().startswith(ORDER_PREFIX)
        assert {stat.S_IMODE(Path(each[kind]).stat().st_mode) for kind in ("text", "qr", "page")} == {0o600}
    assert len(desk.asks("label", "--all")["sheets"][0]["qr"]) == 2  # type: ignore[index]


def test_an_order_that_was_lost_is_withdrawn(desk: Desk) -> None:
    home, request = desk.box("first"), desk.folder / "request"
    filed = desk.asks("order", "--site", "hatyai-012")["orders"][0]  # type: ignore[index]
    request.write_text(make_request(home, Path(filed["text"]).read_text().strip(), int(NOW())))
    desk.types("revoke", filed["order"], "--reason", "lost on the road")
    answer = desk.asks("enrol", str(request), "--out", str(desk.folder / "grant"), code=1)
    assert answer["reason"] == "withdrawn"


def test_a_report_is_genuine_by_the_certificate_on_record_alone(desk: Desk) -> None:
    box, report = Applicant(), desk.folder / "report.jws"
    label = desk.folder / "wayside-label.json"
    label.write_text(
        json.dumps(
            {"v": 1, "node": box.node, "spki_sha256": box.fingerprint, "words": box.label().words, "pin": "12345678"}
        )
    )
    (desk.folder / "wayside-node.csr").write_text(box.csr)
    desk.types("order", "--site", "hatyai-012", "--label", str(label))
    said = {"v": 1, "node": box.node, "site": "hatyai-012"}
    report.write_text(sign_compact(json.dumps(said).encode(), box.key, typ=ACCEPTANCE_TYP))
    assert desk.asks("acceptance", str(report))["report"] == said
    assert "already" in desk.types("acceptance", str(report))
    assert "accepted" in desk.types("site", "list")
    report.write_text(sign_compact(json.dumps(said).encode(), Applicant().key, typ=ACCEPTANCE_TYP))
    assert "unknown_key" in desk.types("acceptance", str(report), code=1)
    said["site"] = "hatyai-013"
    report.write_text(sign_compact(json.dumps(said).encode(), box.key, typ=ACCEPTANCE_TYP))
    assert "wrong_node" in desk.types("acceptance", str(report), code=1)


def test_anchors_hold_no_secret_and_name_one_organisation(desk: Desk) -> None:
    paths = desk.asks("anchors")
    assert set(paths) == {"songkhla-pao", "hatyai-city"}
    for org, path in paths.items():
        text = Path(str(path)).read_text()
        assert decode(text.encode(), Anchors).org == org
        assert "PRIVATE" not in text
    desk.types("anchors", "--out", str(desk.folder), code=2)


@pytest.mark.parametrize(
    "argv",
    [
        ("order",),
        ("order", "--site", "nowhere"),
        ("order", "--site", "hatyai-012", "--site", "hatyai-013", "--replaces", "nabcdefghij"),
        ("order", "--site", "hatyai-012", "--replaces", "nabcdefghij"),
        ("order", "--site", "hatyai-012", "--label", "/nowhere/label.json"),
        ("label",),
        ("revoke", "nobody", "--reason", "x"),
        ("approve", "nobody"),
        ("enrol", "/nowhere/request", "--out", "/nowhere/grant"),
        ("site", "import", "/nowhere/register.csv"),
        ("site", "add", "Bad Id", "--org", "songkhla-pao"),
        ("init", "--enrol-url", "http://plain", "--broker", "mqtts://b"),
        ("init", "--enrol-url", "https://c", "--broker", "b"),
        ("init", "--enrol-url", "https://c", "--broker", "mqtts://b", "--org", "../../etc"),
    ],
)
def test_what_cannot_be_is_told_and_exits_with_2(desk: Desk, argv: tuple[str, ...]) -> None:
    said = desk.types(*argv, code=2)
    assert "wayside: " in said
    assert "Traceback" not in said


def test_an_empty_folder_says_how_to_begin(tmp_path: Path) -> None:
    assert "office init" in Desk(tmp_path).types("site", "list", code=2)


def test_a_label_that_contradicts_itself_is_refused(desk: Desk) -> None:
    box, label = Applicant(), desk.folder / "wayside-label.json"
    words = [*Applicant().label().words]
    label.write_text(
        json.dumps({"v": 1, "node": box.node, "spki_sha256": box.fingerprint, "words": words, "pin": "12345678"})
    )
    assert "do not follow" in desk.types("label", str(label), code=2)


def test_a_site_is_added_by_hand(desk: Desk) -> None:
    desk.types("site", "add", "sadao-1", "--org", "hatyai-city", "--name", "ด่านนอก", "--camera", "c01=เหนือ")
    sites = {each["site"]: each for each in desk.asks("site", "list")["sites"]}  # type: ignore[attr-defined]
    assert sites["sadao-1"]["cameras"][0]["name"] == "เหนือ"
