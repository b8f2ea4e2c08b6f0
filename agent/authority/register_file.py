"""The register as an office writes it: a CSV with a row per camera, or TOML. Nothing is guessed.

CSV columns: org,district,site,name,lat,lon,camera,camera_name,purpose,retention_days. UTF-8 with or without a byte
order mark, separated by comma, semicolon or tab, as spreadsheets save it. TOML: [[organisation]] id, name; [[site]] id,
org, district, name, lat, lon; [[site.camera]] id, name, purpose, retention_days.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from agent.authority.register_rows import COLUMNS, RegisterFile, Row, join_rows, unusable
from agent.config import Identifier
from agent.errors import ConfigError, RegisterError
from agent.toml import decode_toml

_REQUIRED: Final = ("org", "site")
# 378 points take 100 kB; this bounds what a wrong file (a video) can cost.
_MAX_BYTES: Final = 16 << 20


class _Camera(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    name: str = ""
    purpose: str = ""
    retention_days: int | None = None


class _Site(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    org: str
    district: str = ""
    name: str = ""
    lat: float | None = None
    lon: float | None = None
    cameras: list[_Camera] = msgspec.field(name="camera", default_factory=list)


class _Organisation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: Identifier
    name: str = ""


class _Register(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    organisations: list[_Organisation] = msgspec.field(name="organisation", default_factory=list)
    sites: list[_Site] = msgspec.field(name="site", default_factory=list)


def read_register_file(path: Path) -> RegisterFile:
    """Raises RegisterError with every problem's place and what to do."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except OSError as exc:
        raise RegisterError(file=str(path), error=exc.strerror or "", remedy="name a CSV or TOML file") from exc
    if len(raw) > _MAX_BYTES:
        raise RegisterError(file=path.name, reason="too_large", remedy="this is no register: it is over 16 MiB")
    text = decode_text(raw, name=path.name)
    return parse_toml(text, name=path.name) if path.suffix.lower() == ".toml" else parse_csv(text, name=path.name)


def decode_text(raw: bytes, *, name: str) -> str:
    """Excel's plain "CSV" is in the machine's code page, windows-874 for Thai: right there and nowhere else."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        remedy = 'save it as "CSV UTF-8 (Comma delimited)" and import that file'
        raise RegisterError(file=name, reason="not_utf8", remedy=remedy) from exc


def parse_csv(text: str, *, name: str) -> RegisterFile:
    """Raises RegisterError naming row and column of each problem."""
    delimiter = max(",;\t", key=text.split("\n", 1)[0].count)
    try:
        table = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as exc:
        raise RegisterError(file=name, reason="bad_csv", remedy=f"it is not valid CSV: {exc}") from exc
    header = _header(table[0] if table else [], name)
    return RegisterFile(join_rows(_rows(header, table, delimiter, name), name=name))


def parse_toml(text: str, *, name: str) -> RegisterFile:
    """Raises RegisterError naming the site, the camera and the key of each problem."""
    try:
        found = decode_toml(text, _Register, name=name, sections=(_Register, _Organisation, _Site, _Camera))
    except ConfigError as exc:
        raise RegisterError(**exc.facts, reason="bad_toml", remedy=exc.remedy) from exc
    sites = join_rows(_toml_rows(found), name=name)
    return RegisterFile(sites, {each.id: each.name for each in found.organisations})


def _header(cells: list[str], name: str) -> list[str]:
    header = [cell.strip().lower() for cell in cells]
    while header and not header[-1]:
        header.pop()
    unknown = [cell for cell in header if cell not in COLUMNS]
    missing = [column for column in _REQUIRED if column not in header]
    if unknown or missing or len(set(header)) != len(header):
        remedy = f"row 1 must name the columns {','.join(COLUMNS)}"
        facts = {"unknown": ", ".join(unknown), "missing": ", ".join(missing)}
        raise RegisterError(file=name, **facts, reason="bad_header", remedy=remedy)
    return header


def _rows(header: list[str], table: list[list[str]], delimiter: str, name: str) -> Iterator[Row]:
    for number, cells in enumerate(table[1:], start=2):
        if any(cell.strip() for cell in cells[len(header) :]):
            raise unusable(name, [f"row {number}: more cells than columns; quote a text that holds {delimiter!r}"])
        if any(cell.strip() for cell in cells):
            yield Row(f"row {number}", {column: cell.strip() for column, cell in zip(header, cells, strict=False)})


def _toml_rows(found: _Register) -> Iterator[Row]:
    for number, site in enumerate(found.sites, start=1):
        place = f"site {number} ({site.id})"
        cells = {"org": site.org, "district": site.district, "site": site.id, "name": site.name}
        cells |= {"lat": _text(site.lat), "lon": _text(site.lon)}
        if not site.cameras:
            yield Row(place, cells)
        for camera in site.cameras:
            more = {"camera": camera.id, "camera_name": camera.name, "purpose": camera.purpose}
            more["retention_days"] = _text(camera.retention_days)
            yield Row(place, cells | more)


def _text(number: float | None) -> str:
    return "" if number is None else str(number)
