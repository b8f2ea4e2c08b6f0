"""An incident in a sentence, for a dispatcher who reads English or Thai. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from agent.contract.events import IncidentKind
from agent.scene.incident import Incident
from agent.scene.moment import PEOPLE
from agent.units import NS_PER_S
from agent.vision.geometry import Label

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
# kind: (while it lasts, one; several), then the same once it is over.
_EN = {
    IncidentKind.INTRUSION: ("is inside", "are inside", "was inside", "were inside"),
    IncidentKind.LOITERING: ("is staying in", "are staying in", "stayed in", "stayed in"),
    IncidentKind.STOPPED_VEHICLE: ("is standing in", "are standing in", "stood in", "stood in"),
}
_TH = {
    IncidentKind.INTRUSION: "เข้ามาใน",
    IncidentKind.LOITERING: "วนเวียนอยู่ใน",
    IncidentKind.STOPPED_VEHICLE: "จอดนิ่งอยู่ใน",
}


@dataclass(frozen=True, slots=True)
class Reason:
    english: str
    thai: str


def explain(incident: Incident) -> Reason:
    """Why this incident was raised, as it stands. Kinds without words of their own say so by their name."""
    is_over = incident.end_ns is not None
    last_ns = incident.end_ns if incident.end_ns is not None else incident.now_ns
    seconds = max(0, round((last_ns - incident.begin_ns) / NS_PER_S))
    is_one = incident.count == 1
    forms = _EN.get(incident.kind, (f"({incident.kind.value}) in",) * 4)
    verb = forms[2 * is_over + (not is_one)]
    time_en = f"for {seconds} s" if is_over else f"{seconds} s so far"
    act_th = _TH.get(incident.kind, f"({incident.kind.value}) ใน")
    time_th = f"เป็นเวลา {seconds} วินาที สิ้นสุดแล้ว" if is_over else f"มาแล้ว {seconds} วินาที"
    return Reason(
        english=f"{_who_en(incident)} {verb} zone {incident.zone}, {time_en}.",
        thai=f"{_who_th(incident)}{act_th}พื้นที่ {incident.zone} {time_th}",
    )


def _who_en(incident: Incident) -> str:
    if incident.count == 1:
        return _ONE_EN.get(incident.label, "An object")
    return f"{incident.count} people" if incident.label in PEOPLE else f"{incident.count} vehicles"


def _who_th(incident: Incident) -> str:
    is_person = incident.label in PEOPLE
    if incident.count == 1:
        return f"มี{_ONE_TH.get(incident.label, 'วัตถุ')}"
    return f"มีคน {incident.count} คน" if is_person else f"มีรถ {incident.count} คัน"
