"""The words of the centre's page, in both languages. Pure."""

from __future__ import annotations

from typing import Final

LANGUAGES: Final = ("th", "en")

_BOTH: Final = {
    "title": ("ศูนย์เวย์ไซด์", "Wayside centre"),
    "other": ("English", "ภาษาไทย"),
    "read_at": ("อ่านเมื่อ", "Read at"),
    "stale": ("อ่านข้อมูลใหม่ไม่ได้ ข้อมูลด้านล่างเก่า", "Cannot read anew: what stands below is old."),
    "roads": ("สภาพจราจร", "Roads"),
    "no_roads": ("ยังไม่มีกล้องใดวัดถนน", "No camera measures a road yet."),
    "nodes": ("อุปกรณ์", "Nodes"),
    "no_nodes": ("ยังไม่มีอุปกรณ์ใดรายงานตัว", "No node has reported yet."),
    "events": ("เหตุการณ์", "Events"),
    "no_events": ("ยังไม่มีเหตุการณ์", "No event yet."),
    "requests": ("คำขอภาพ", "Requests for footage"),
    "no_requests": ("ไม่มีคำขอใน 30 วัน", "Nobody asked within 30 days."),
    "got": ("ได้รับภาพ %d จาก %d คำขอ", "%d of %d got what they asked for"),
    "age": ("วัดเมื่อ", "measured"),
    "ago": ("ที่แล้ว", "ago"),
    "no_time": ("ไม่ทราบเวลา", "at an unknown time"),
    "standing_vehicles": ("คันจอดรอ", "standing"),
    "cameras": ("กล้อง", "cameras"),
    "days": ("วันที่เก็บได้", "days kept"),
    "clock": ("นาฬิกา", "clock"),
    "since": ("ตั้งแต่", "since"),
    "health": ("สุขภาพ", "health"),
    "unknown": ("ไม่ทราบ", "unknown"),
    "after": ("ใช้เวลา", "after"),
    "level.free": ("คล่องตัว", "free"),
    "level.busy": ("หนาแน่น", "busy"),
    "level.jammed": ("ติดขัด", "jammed"),
    "level.unknown": ("ไม่ทราบ", "unknown"),
    "standing.lost": ("ขาดการติดต่อ", "lost"),
    "standing.silent": ("เงียบ", "silent"),
    "standing.troubled": ("มีปัญหา", "troubled"),
    "standing.offline": ("ปิดอยู่", "offline"),
    "standing.well": ("ปกติ", "well"),
    "clock.synced": ("ตรง", "synced"),
    "clock.holdover": ("เดินเอง", "holdover"),
    "clock.unsynced": ("ไม่ตรง", "unsynced"),
    "clock.unknown": ("ไม่ทราบ", "unknown"),
    "outcome.asked": ("ขอแล้ว", "asked"),
    "outcome.running": ("กำลังทำ", "running"),
    "outcome.whole": ("ครบ", "whole"),
    "outcome.partial": ("ได้บางส่วน", "partial"),
    "outcome.refused": ("ถูกปฏิเสธ", "refused"),
    "outcome.failed": ("ล้มเหลว", "failed"),
    "outcome.cancelled": ("ยกเลิก", "cancelled"),
    "outcome.unanswered": ("ไม่มีคำตอบ", "unanswered"),
}

TEXTS: Final = {
    language: {key: both[number] for key, both in _BOTH.items()} for number, language in enumerate(LANGUAGES)
}


def language_of(asked: str, accepted: str) -> str:
    """`asked` if it is one of ours, else the browser's first that is, else Thai. `accepted`: Accept-Language."""
    wanted = [asked, *(each.split(";")[0].strip()[:2].lower() for each in accepted[:200].split(","))]
    return next((each for each in wanted if each in LANGUAGES), LANGUAGES[0])


def age_words(age_s: float | None, language: str) -> str:
    """`3 min ago`; `unknown` for None."""
    texts = TEXTS[language]
    if age_s is None:
        return texts["unknown"]
    units = ((86_400, "วัน", "d"), (3600, "ชม.", "h"), (60, "นาที", "min"), (1, "วินาที", "s"))
    size_s, thai, english = next((each for each in units if age_s >= each[0]), units[-1])
    return f"{age_s // size_s:.0f} {thai if language == 'th' else english} {texts['ago']}"
