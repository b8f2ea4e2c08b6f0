"""What is printed: both languages, nothing from elsewhere, and QR codes that a reader gives back."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from zoneinfo import ZoneInfo

import cv2
import numpy as np
import pytest

from agent.authority.orders import OrderWish
from agent.authority.records import CameraRecord, SiteRecord
from agent.enrolment.words import six_words
from provisioning.office.dates import tell_instant
from provisioning.office.filing import file_node_labels, file_orders, file_site_labels
from provisioning.office.labels import BootFiles, label_text, node_of, site_text
from provisioning.office.qr import encode_qr
from provisioning.texts import Language, texts
from tests.authority.applicant import NOW_S, SITE, Applicant, make_office

SVG = "{http://www.w3.org/2000/svg}"
# Pixels a module: OpenCV's reader misses one in ten of the largest at 3, and none of sixty at 5 and more.
SIZES = 5, 8


def drawn(svg: str) -> np.ndarray:
    """The squares of a QR's SVG, a pixel each: relative moves and horizontal strokes, as segno writes them."""
    root = ET.fromstring(svg)
    strokes = next(path for path in root.iter(f"{SVG}path") if path.get("stroke"))
    scale = re.search(r"scale\((\d+)\)", strokes.get("transform") or "")
    size = int(root.attrib["width"]) // (int(scale[1]) if scale else 1)
    modules = np.full((size, size), 255, np.uint8)
    x = y = 0.0
    for command, numbers in re.findall(r"([MmHh])([-\d. ]+)", strokes.attrib["d"]):
        values = [float(each) for each in re.findall(r"-?[\d.]+", numbers)]
        if command == "M":
            x, y = values
        elif command == "m":
            x, y = x + values[0], y + values[1]
        else:
            end = x + values[0]
            modules[int(y), int(x) : int(end)] = 0
            x = end
    return modules


def read_back(svg: str) -> str:
    # The plain QRCodeDetector loses half of all symbols above version 20, by whatever mask or size; this one is its
    # own successor.
    reader, squares = cv2.QRCodeDetectorAruco(), drawn(svg)
    pictures = (np.kron(squares, np.ones((size, size), np.uint8)) for size in SIZES)
    return next((text for text in (reader.detectAndDecode(picture)[0] for picture in pictures) if text), "")


def test_a_labels_qr_reads_back() -> None:
    box = Applicant()
    assert read_back(encode_qr(label_text(box.label())).file()) == f"WS1|{box.node}|{box.fingerprint}"
    assert read_back(encode_qr(site_text("org", "site")).file()) == "WP1|org|site"


def test_an_orders_qr_reads_back_as_the_order(tmp_path: Path) -> None:
    office, box = make_office(tmp_path / "office"), Applicant()
    made = office.make_order(SITE, now_s=NOW_S, label=box.label(), csr=box.csr)
    filed, _ = file_orders(office, [made], tmp_path / "out")
    text = read_back(filed[0].qr.read_text(encoding="utf-8"))
    assert text.startswith("WO1|")
    # What was read enrols the box: the papers made in advance are handed out by the centre as well.
    assert office.enrol(box.request(text), now_s=NOW_S).grant == made.order.grant


def test_an_order_of_many_cameras_still_fits_a_readable_qr(tmp_path: Path) -> None:
    office = make_office(tmp_path / "office")
    cameras = tuple(CameraRecord(f"c{n:02}", "กล้องมองสะพานลอยคนข้าม" * 4, "จราจร อุบัติเหตุ " * 8, 30) for n in range(16))
    office.add_site(SiteRecord("big-001", "songkhla-pao", "สะบ้าย้อย", "สี่แยก" * 30, cameras=cameras))
    text = office.qr_text(office.make_order("big-001", now_s=NOW_S).order)
    assert len(text) <= 1800 or "name" not in text
    assert read_back(encode_qr(text).file()) == text


def assert_self_contained(html: str) -> None:
    assert not re.search(r"<script|<link|<img|@import|url\(|https?://(?!www\.w3\.org)", html)


def test_a_work_order_tells_everything_in_thai_first_and_in_english(tmp_path: Path) -> None:
    office, box = make_office(tmp_path / "office"), Applicant()
    made = office.make_order(SITE, now_s=NOW_S, label=box.label(), csr=box.csr)
    html = file_orders(office, [made], tmp_path / "out")[0][0].page.read_text(encoding="utf-8")
    assert_self_contained(html)
    for told in ("แยกคลองเรียน", SITE, "หาดใหญ่", "อบจ.สงขลา", "เสาเหนือ", "เสาใต้", box.node, f"{SITE}.order.txt"):
        assert told in html
    for word in six_words(box.fingerprint):
        assert f"<li>{word}</li>" in html
    for step in range(1, 8):
        thai, english = (texts(each)[f"office.order.step{step}"] for each in (Language.THAI, Language.ENGLISH))
        assert 0 < html.index(thai) < html.index(english)
    assert "18 ม.ค. 2570" in html
    assert box.label().pin not in html


def test_a_node_label_has_its_words_and_a_pin_to_tear_off(tmp_path: Path) -> None:
    office, boxes = make_office(tmp_path / "office"), [Applicant() for _ in range(11)]
    office.make_order(SITE, now_s=NOW_S, label=boxes[0].label(), csr=boxes[0].csr)
    filed = file_node_labels(office, [BootFiles(box.label(), box.csr) for box in boxes], tmp_path / "out")
    html = filed.sheet.read_text(encoding="utf-8")
    assert_self_contained(html)
    assert html.count('<section class="sheet">') == 2
    assert html.count("1234<br>5678") == 11
    assert f"songkhla-pao · {SITE}" in html
    for box in boxes:
        assert " ".join(f"<li>{word}</li>" for word in box.label().words).replace(" ", "") in html
    for path in filed.symbols:
        ET.fromstring(path.read_text(encoding="utf-8"))


def test_a_name_cannot_become_markup(tmp_path: Path) -> None:
    office = make_office(tmp_path / "office")
    office.add_site(
        SiteRecord("s", "songkhla-pao", "<b>d", "<script>alert(1)</script>", cameras=(CameraRecord("c01", "<i>"),))
    )
    made = office.make_orders([OrderWish("s")], now_s=NOW_S)
    for html in (
        file_orders(office, made, tmp_path / "out")[0][0].page.read_text(encoding="utf-8"),
        file_site_labels(office, ["s"], tmp_path / "out").sheet.read_text(encoding="utf-8"),
    ):
        assert "&lt;script&gt;" in html
        assert_self_contained(html)


@pytest.mark.parametrize(
    ("language", "told"), [(Language.THAI, "15 ม.ค. 2570 เวลา 15:00 น."), (Language.ENGLISH, "2027-01-15 15:00")]
)
def test_an_instant_is_told_in_the_readers_calendar(language: Language, told: str) -> None:
    assert tell_instant(NOW_S, ZoneInfo("Asia/Bangkok"), language) == told


def test_a_scanned_label_and_a_typed_id_name_the_same_node() -> None:
    box = Applicant()
    assert node_of(label_text(box.label())) == node_of(f" {box.node} ") == box.node
