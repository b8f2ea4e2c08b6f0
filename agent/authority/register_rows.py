"""Rows of a register file as sites and cameras. Pure; every problem is told with its place and what to do.

A row is one camera of one site, or a site without cameras. Its cells are text, whatever file they came from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from agent.authority.records import CameraRecord, SiteRecord
from agent.errors import RegisterError

COLUMNS: Final = ("org", "district", "site", "name", "lat", "lon", "camera", "camera_name", "purpose", "retention_days")
# Contract, WorkOrder.cameras.
MAX_CAMERAS: Final = 16
# Enough to mend a file with; a spreadsheet saved wrongly has one problem a row.
_MAX_PROBLEMS: Final = 20
_MAX_TEXT: Final = 200
# Ten years: longer than any purpose in the register, and it catches hours or a date typed into the column.
_MAX_DAYS: Final = 3650
_IDENTIFIER: Final = re.compile(r"[a-z0-9-]{1,32}")


@dataclass(frozen=True, slots=True)
class RegisterFile:
    """`names` of organisations by id, where the file tells them."""

    sites: tuple[SiteRecord, ...]
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """`place` is how a person finds it: "row 12" of a spreadsheet."""

    place: str
    cells: Mapping[str, str]


def join_rows(rows: Iterable[Row], *, name: str) -> tuple[SiteRecord, ...]:
    """The sites of all rows, in the order of their first. Raises RegisterError with all that is wrong in them."""
    problems: list[str] = []
    sites: dict[str, SiteRecord] = {}
    for row in rows:
        found = _site(row, problems)
        if found is None:
            continue
        before = sites.get(found.site)
        sites[found.site] = found if before is None else _joined(before, found, row, problems)
    if problems:
        raise unusable(name, problems)
    return tuple(sites.values())


def checked_id(text: str, *, name: str) -> str:
    """The same. Raises RegisterError for what cannot stand in a topic."""
    if not _IDENTIFIER.fullmatch(text):
        raise RegisterError(**{name: text}, reason="bad_id", remedy="write 1 to 32 of a-z, 0-9 and -")
    return text


def unusable(name: str, problems: list[str]) -> RegisterError:
    """One error for all of a file's problems, a line each."""
    told = problems[:_MAX_PROBLEMS]
    more = [f"and {len(problems) - len(told)} more"] if len(problems) > len(told) else []
    remedy = "nothing was imported; correct these and import again\n  " + "\n  ".join([*told, *more])
    return RegisterError(file=name, problems=len(problems), reason="bad_rows", remedy=remedy)


def _site(row: Row, problems: list[str]) -> SiteRecord | None:
    before = len(problems)
    record = SiteRecord(
        site=_identifier(row, "site", problems),
        org=_identifier(row, "org", problems),
        district=_text(row, "district", problems),
        name=_text(row, "name", problems),
        lat=_degrees(row, "lat", 90, problems),
        lon=_degrees(row, "lon", 180, problems),
        cameras=_cameras(row, problems),
    )
    if (record.lat is None) != (record.lon is None) and len(problems) == before:
        problems.append(f"{row.place}, columns lat and lon: give both or neither")
    return record if len(problems) == before else None


def _cameras(row: Row, problems: list[str]) -> tuple[CameraRecord, ...]:
    if not row.cells.get("camera"):
        beside = [each for each in ("camera_name", "purpose", "retention_days") if row.cells.get(each)]
        if beside:
            problems.append(f"{row.place}, column camera: give the camera an id such as c01, or empty {beside[0]}")
        return ()
    camera = CameraRecord(
        _identifier(row, "camera", problems),
        _text(row, "camera_name", problems),
        _text(row, "purpose", problems),
        _days(row, problems),
    )
    if camera.id == "node":
        problems.append(f"{row.place}, column camera: `node` is reserved; call it c01")
    return (camera,)


def _joined(before: SiteRecord, found: SiteRecord, row: Row, problems: list[str]) -> SiteRecord:
    """A further camera of a site. Cells about the site may be empty after its first row, but not different."""
    pairs = {
        "org": (before.org, found.org),
        "district": (before.district, found.district),
        "name": (before.name, found.name),
        "lat": (before.lat, found.lat),
        "lon": (before.lon, found.lon),
    }
    for column, (had, has) in pairs.items():
        if has not in ("", None, had):
            said = f"site {found.site} has {had or 'nothing'} above and {has} here; make them the same"
            problems.append(f"{row.place}, column {column}: {said}")
    known = {camera.id for camera in before.cameras}
    twice = [camera.id for camera in found.cameras if camera.id in known]
    problems += [f"{row.place}, column camera: {each} stands twice at {found.site}; rename one" for each in twice]
    if len(before.cameras) + len(found.cameras) > MAX_CAMERAS:
        problems.append(f"{row.place}, column camera: {found.site} has more than {MAX_CAMERAS} cameras")
    return replace(before, cameras=before.cameras + found.cameras)


def _identifier(row: Row, column: str, problems: list[str]) -> str:
    text = row.cells.get(column, "")
    if not _IDENTIFIER.fullmatch(text):
        said = f"{text!r} is no id" if text else "it is empty"
        what = "write 1 to 32 of a-z, 0-9 and -, such as hatyai-012"
        problems.append(f"{row.place}, column {column}: {said}; {what}")
    return text


def _text(row: Row, column: str, problems: list[str]) -> str:
    text = row.cells.get(column, "")
    if len(text) > _MAX_TEXT or not text.isprintable():
        problems.append(f"{row.place}, column {column}: write one line of at most {_MAX_TEXT} characters")
    return text


def _degrees(row: Row, column: str, limit: int, problems: list[str]) -> float | None:
    text = row.cells.get(column, "")
    if not text:
        return None
    try:
        degrees = float(text)
    except ValueError:
        degrees = float("nan")
    if not -limit <= degrees <= limit:
        problems.append(f"{row.place}, column {column}: {text!r}; write degrees from -{limit} to {limit}, as 7.0086")
        return None
    return degrees


def _days(row: Row, problems: list[str]) -> int | None:
    text = row.cells.get("retention_days", "")
    if not text:
        return None
    # Spreadsheets write whole numbers as 30.0.
    whole = re.fullmatch(r"(\d{1,6})(\.0*)?", text)
    days = int(whole[1]) if whole else 0
    if not 1 <= days <= _MAX_DAYS:
        problems.append(f"{row.place}, column retention_days: {text!r}; write whole days from 1 to {_MAX_DAYS}")
    return days
