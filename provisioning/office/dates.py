"""Instants as a technician in Thailand reads them: the Thai solar calendar in Thai, ISO 8601 in English. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from agent.units import BUDDHIST_OFFSET_YEARS
from provisioning.texts import Language

# Royal Institute's abbreviations, January first.
_THAI_MONTHS = ("ม.ค.", "ก.พ.", "มี.ค.", "เม.ย.", "พ.ค.", "มิ.ย.", "ก.ค.", "ส.ค.", "ก.ย.", "ต.ค.", "พ.ย.", "ธ.ค.")


def tell_instant(unix_s: int, zone: ZoneInfo, language: Language) -> str:
    """Day and minute in the site's zone."""
    local = datetime.fromtimestamp(unix_s, UTC).astimezone(zone)
    if language is Language.ENGLISH:
        return local.strftime("%Y-%m-%d %H:%M")
    year = local.year + BUDDHIST_OFFSET_YEARS
    return f"{local.day} {_THAI_MONTHS[local.month - 1]} {year} เวลา {local:%H:%M} น."
