"""An incident in a sentence, for a dispatcher who reads English or Thai. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from agent.contract.events import IncidentKind
from agent.scene.incident import Incident
from agent.scene.moment import PEOPLE
from agent.units import NS_PER_S
from agent.vision.geometry import Label


@dataclass(frozen=True, slots=True)
class Reason:
    english: str
    thai: str


@dataclass(frozen=True, slots=True)
class _Words:
    """What is said of one kind. `english`: while it lasts and when it is over; `several`: the same of more than one.

    Where `{who}` stands in them, those who fulfil the rule are named; `{where}` is the zone or the camera's view.
    """

    english: tuple[str, str]
    thai: str
    several: tuple[str, str] | None = None


_ONE_EN = {
    Label.PERSON: "A person",
    Label.BICYCLE: "A bicycle",
    Label.CAR: "A car",
    Label.MOTORCYCLE: "A motorcycle",
    Label.BUS: "A bus",
    Label.TRUCK: "A truck",
}
_ONE_TH = {
    Label.PERSON: "คน",
    Label.BICYCLE: "รถจักรยาน",
    Label.CAR: "รถยนต์",
    Label.MOTORCYCLE: "รถจักรยานยนต์",
    Label.BUS: "รถโดยสาร",
    Label.TRUCK: "รถบรรทุก",
}
_WORDS = {
    IncidentKind.INTRUSION: _Words(
        ("{who} is inside {where}", "{who} was inside {where}"),
        "มี{who}เข้ามาใน{where}",
        ("{who} are inside {where}", "{who} were inside {where}"),
    ),
    IncidentKind.LOITERING: _Words(
        ("{who} is staying in {where}", "{who} stayed in {where}"),
        "มี{who}วนเวียนอยู่ใน{where}",
        ("{who} are staying in {where}", "{who} stayed in {where}"),
    ),
    IncidentKind.STOPPED_VEHICLE: _Words(
        ("{who} is standing in {where}", "{who} stood in {where}"),
        "มี{who}จอดนิ่งอยู่ใน{where}",
        ("{who} are standing in {where}", "{who} stood in {where}"),
    ),
    IncidentKind.WRONG_WAY: _Words(
        ("{who} is driving against the traffic in {where}", "{who} drove against the traffic in {where}"),
        "มี{who}ขับย้อนศรใน{where}",
        ("{who} are driving against the traffic in {where}", "{who} drove against the traffic in {where}"),
    ),
    IncidentKind.PERSON_ON_ROAD: _Words(
        ("{who} is on foot on the road in {where}", "{who} was on foot on the road in {where}"),
        "มี{who}เดินอยู่บนผิวจราจรใน{where}",
        ("{who} are on foot on the road in {where}", "{who} were on foot on the road in {where}"),
    ),
    IncidentKind.CONGESTION: _Words(
        ("Traffic hardly moves in {where}", "Traffic hardly moved in {where}"), "การจราจรติดขัดใน{where}"
    ),
    IncidentKind.CRASH_SUSPECTED: _Words(
        ("A crash is suspected in {where}", "A crash was suspected in {where}"), "สงสัยว่าเกิดอุบัติเหตุใน{where}"
    ),
    IncidentKind.CROWD: _Words(
        ("{who} is gathered in {where}", "{who} was gathered in {where}"),
        "มี{who}รวมตัวกันใน{where}",
        ("{who} are gathered in {where}", "{who} were gathered in {where}"),
    ),
    IncidentKind.ABANDONED_OBJECT: _Words(
        ("Something was left behind in {where}", "Something was left behind in {where} and is gone"),
        "มีสิ่งของถูกทิ้งไว้ใน{where}",
    ),
    IncidentKind.FIRE: _Words(("Flames are seen in {where}", "Flames were seen in {where}"), "พบเปลวไฟใน{where}"),
    IncidentKind.SMOKE: _Words(("Smoke is seen in {where}", "Smoke was seen in {where}"), "พบควันใน{where}"),
    IncidentKind.FLOOD: _Words(("Water covers {where}", "Water covered {where}"), "น้ำท่วมใน{where}"),
    IncidentKind.VIEW_COVERED: _Words(("Something covers {where}", "Something covered {where}"), "มีสิ่งบดบัง{where}"),
    IncidentKind.VIEW_MOVED: _Words(("Somebody turned {where}", "Somebody turned {where}"), "{where}ถูกหันไปทางอื่น"),
    IncidentKind.VIEW_DEFOCUSED: _Words(
        ("There is no sharp picture in {where}", "There was no sharp picture in {where}"), "{where}ไม่คมชัด"
    ),
    IncidentKind.VIEW_FROZEN: _Words(
        ("The same picture comes again and again in {where}", "The same picture came again and again in {where}"),
        "{where}ค้างอยู่ที่ภาพเดิม",
    ),
    IncidentKind.VIEW_DARK: _Words(
        ("It is too dark to see in {where}", "It was too dark to see in {where}"), "{where}มืดจนมองไม่เห็น"
    ),
}


def explain(incident: Incident) -> Reason:
    """Why this incident was raised, as it stands."""
    is_over = incident.end_ns is not None
    last_ns = incident.end_ns if incident.end_ns is not None else incident.now_ns
    seconds = max(0, round((last_ns - incident.begin_ns) / NS_PER_S))
    words = _WORDS[incident.kind]
    forms = words.english if incident.count == 1 or words.several is None else words.several
    where_en = f"zone {incident.zone}" if incident.zone is not None else "the camera's view"
    where_th = f"พื้นที่ {incident.zone}" if incident.zone is not None else "ภาพของกล้อง"
    time_en = f"for {seconds} s" if is_over else f"{seconds} s so far"
    time_th = f"เป็นเวลา {seconds} วินาที สิ้นสุดแล้ว" if is_over else f"มาแล้ว {seconds} วินาที"
    return Reason(
        english=f"{forms[is_over].format(who=_who_en(incident), where=where_en)}, {time_en}.",
        thai=f"{words.thai.format(who=_who_th(incident), where=where_th)} {time_th}",
    )


def _who_en(incident: Incident) -> str:
    if incident.label is None:
        return "Something"
    if incident.count == 1:
        return _ONE_EN.get(incident.label, "Something")
    return f"{incident.count} people" if incident.label in PEOPLE else f"{incident.count} vehicles"


def _who_th(incident: Incident) -> str:
    if incident.label is None:
        return "วัตถุ"
    if incident.count == 1:
        return _ONE_TH.get(incident.label, "วัตถุ")
    return f"คน {incident.count} คน" if incident.label in PEOPLE else f"รถ {incident.count} คัน"
