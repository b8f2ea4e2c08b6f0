"""Registers as offices write them: spreadsheets' CSV and TOML, Thai in UTF-8, and every mistake told with its place."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from pathlib import Path

import pytest

from agent.authority.office import Office
from agent.authority.records import CameraRecord, ImportCounts, SiteRecord
from agent.authority.register_file import parse_csv, parse_toml
from agent.authority.register_rows import COLUMNS
from agent.errors import RegisterError
from tests.authority.applicant import NOW_S, ORG, SITE

DISTRICTS = (
    "หาดใหญ่",
    "เมืองสงขลา",
    "สะเดา",
    "จะนะ",
    "เทพา",
    "นาทวี",
    "สะบ้าย้อย",
    "ระโนด",
    "สทิงพระ",
    "รัตภูมิ",
    "ควนเนียง",
    "บางกล่ำ",
)
ORGS = "songkhla-pao", "hatyai-city", "police-9"
HEADER = ",".join(COLUMNS)


def province(encoding: str = "utf-8") -> bytes:
    """378 points over twelve districts and three organisations, with one to four cameras each."""
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(COLUMNS)
    for n in range(378):
        for camera in range(1 + n % 4):
            place = [ORGS[n % 3], DISTRICTS[n % 12], f"point-{n:03}", f"แยกคลองเรียน, สาย {n}", 7 + n / 1000, 100.5]
            table.writerow([*place, f"c{camera + 1:02}", "เสาเหนือ", "จราจรและอุบัติเหตุ", 30])
    return text.getvalue().encode(encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_province_is_read_and_reading_it_again_changes_nothing(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "register.csv"
    file.write_bytes(province(encoding))
    office = Office.create(
        tmp_path / "office", enrol_url="https://c.example", broker_url="mqtts://c.example", now_s=NOW_S
    )
    cameras = sum(1 + n % 4 for n in range(378))
    assert office.import_register(file) == ImportCounts(3, 378, 0, 0, cameras, 0, 0)
    before = office.sites(), [office.anchors(org) for org in ORGS]
    assert office.import_register(file) == ImportCounts(0, 0, 0, 378, 0, 0, cameras)
    assert (office.sites(), [office.anchors(org) for org in ORGS]) == before
    assert len({site.district for site in office.sites()}) == 12
    assert office.sites(["point-005"])[0].name == "แยกคลองเรียน, สาย 5"


def test_a_changed_cell_changes_its_site_or_camera_alone(office: Office, tmp_path: Path) -> None:
    before = {each.site: each for each in office.sites()}
    file = tmp_path / "register.csv"
    file.write_text(f"{HEADER}\n{ORG},หาดใหญ่,{SITE},แยกใหม่,7.0086,100.4747,c01,เสาเหนือ,traffic,60\n", encoding="utf-8")
    assert office.import_register(file) == ImportCounts(0, 0, 1, 0, 0, 1, 0)
    after = {each.site: each for each in office.sites()}
    assert after[SITE].name == "แยกใหม่"
    assert after[SITE].cameras == (CameraRecord("c01", "เสาเหนือ", "traffic", 60), before[SITE].cameras[1])


def test_toml_says_the_same_as_csv() -> None:
    from_csv = parse_csv(
        f"{HEADER}\norg-1,สะเดา,site-1,ด่านนอก,6.52,100.42,c01,เหนือ,traffic,30\norg-1,,site-1,,,,c02,ใต้,,\norg-1,,site-2,,,,,,,\n",
        name="register.csv",
    )
    from_toml = parse_toml(
        """
        [[organisation]]
        id = "org-1"
        name = "องค์การ"
        [[site]]
        id = "site-1"
        org = "org-1"
        district = "สะเดา"
        name = "ด่านนอก"
        lat = 6.52
        lon = 100.42
        [[site.camera]]
        id = "c01"
        name = "เหนือ"
        purpose = "traffic"
        retention_days = 30
        [[site.camera]]
        id = "c02"
        name = "ใต้"
        [[site]]
        id = "site-2"
        org = "org-1"
        """,
        name="register.toml",
    )
    assert from_csv.sites == from_toml.sites
    assert from_toml.names == {"org-1": "องค์การ"}
    assert from_csv.sites[1] == SiteRecord("site-2", "org-1")


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("org,d,Site 1,n,7,100,c01,,,", "row 2, column site: 'Site 1' is no id"),
        (",d,site-1,n,7,100,c01,,,", "row 2, column org: it is empty"),
        ("org,d,site-1,n,97,100,c01,,,", "row 2, column lat: '97'"),
        ("org,d,site-1,n,7,,c01,,,", "row 2, columns lat and lon: give both or neither"),
        ("org,d,site-1,n,7,100,C01,,,", "row 2, column camera: 'C01' is no id"),
        ("org,d,site-1,n,7,100,node,,,", "row 2, column camera: `node` is reserved"),
        ("org,d,site-1,n,7,100,,เหนือ,,", "row 2, column camera: give the camera an id"),
        ("org,d,site-1,n,7,100,c01,,,forever", "row 2, column retention_days: 'forever'"),
        ("org,d,site-1,n,7,100,c01,,,0", "row 2, column retention_days: '0'"),
        ("org,d,site-1,n,7,100,c01,,,\norg,d,site-1,n,7,100,c01,,,", "row 3, column camera: c01 stands twice"),
        ("org,d,site-1,n,7,100,c01,,,\norg,e,site-1,n,7,100,c02,,,", "row 3, column district: site site-1 has d above"),
        ("org,d,site-1,n,7,100,c01,a,b,30,more", "row 2: more cells than columns"),
        ("org,d,site-1," + "n" * 300 + ",7,100,c01,,,", "row 2, column name"),
    ],
)
def test_a_mistake_is_told_with_its_row_and_column(row: str, told: str) -> None:
    with pytest.raises(RegisterError) as refused:
        parse_csv(f"{HEADER}\n{row}\n", name="register.csv")
    assert told in str(refused.value)
    assert "nothing was imported" in str(refused.value)


def test_all_mistakes_of_a_file_are_told_at_once() -> None:
    rows = "\n".join(f"org,d,SITE {n},,,,,,," for n in range(30))
    with pytest.raises(RegisterError) as refused:
        parse_csv(f"{HEADER}\n{rows}\n", name="register.csv")
    assert "row 21" in str(refused.value)
    assert "and 10 more" in str(refused.value)


def test_spreadsheets_habits_are_understood() -> None:
    text = "\ufeffORG;Site;retention_days;camera;;\r\norg;site-1;30.0;c01;;\r\n;;;;;\r\n".lstrip("\ufeff")
    assert parse_csv(text, name="r.csv").sites == (
        SiteRecord("site-1", "org", cameras=(CameraRecord("c01", "", "", 30),)),
    )


def test_a_wrong_header_is_told_with_the_right_one() -> None:
    with pytest.raises(RegisterError) as refused:
        parse_csv("organisation,site\na,b\n", name="r.csv")
    assert "unknown=organisation" in str(refused.value)
    assert HEADER in str(refused.value)


def test_a_code_page_is_told_and_not_guessed(tmp_path: Path, office: Office) -> None:
    file = tmp_path / "register.csv"
    file.write_bytes(f"{HEADER}\norg,หาดใหญ่,site-1,,,,,,,".encode("cp874"))
    with pytest.raises(RegisterError, match="CSV UTF-8"):
        office.import_register(file)


def test_a_site_stays_with_its_organisation_and_nothing_is_half_imported(office: Office, tmp_path: Path) -> None:
    file = tmp_path / "register.csv"
    file.write_text(f"{HEADER}\nother,,new-site,,,,,,,\nother,,{SITE},,,,,,,\n", encoding="utf-8")
    before = [asdict(each) for each in office.sites()]
    with pytest.raises(RegisterError, match="site_taken"):
        office.import_register(file)
    assert [asdict(each) for each in office.sites()] == before
    assert [each.org for each in office.organisations()] == [ORG]


def test_toml_mistakes_name_the_site_and_the_key() -> None:
    with pytest.raises(RegisterError, match="retention_days"):
        parse_toml('[[site]]\nid = "a"\norg = "b"\n[[site.camera]]\nid = "c01"\nretention_days = 0\n', name="r.toml")
    with pytest.raises(RegisterError, match="did you mean `district`"):
        parse_toml('[[site]]\nid = "a"\norg = "b"\ndistrct = "c"\n', name="r.toml")
