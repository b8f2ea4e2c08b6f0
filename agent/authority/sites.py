"""Organisations, sites and their cameras in the register."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from agent.authority.records import CameraRecord, ImportCounts, Organisation, SiteRecord
from agent.authority.register_rows import checked_id
from agent.errors import RegisterError


def organisations(conn: sqlite3.Connection) -> list[Organisation]:
    return [Organisation(row["org"], row["name"]) for row in conn.execute("SELECT * FROM organisation ORDER BY org")]


def put_organisation(conn: sqlite3.Connection, org: str, name: str) -> bool:
    """Whether it is new. An empty name changes nothing of one that is there. Raises RegisterError for a bad id."""
    checked_id(org, name="org")
    known = conn.execute("SELECT name FROM organisation WHERE org = ?", (org,)).fetchone()
    if known is None:
        conn.execute("INSERT INTO organisation VALUES (?, ?)", (org, name or org))
    elif name and known["name"] != name:
        conn.execute("UPDATE organisation SET name = ? WHERE org = ?", (name, org))
    return known is None


def site_records(conn: sqlite3.Connection, names: Iterable[str] = ()) -> list[SiteRecord]:
    """Those of `names` in their order, or all by organisation and district. Raises RegisterError for an unknown one."""
    cameras: dict[str, list[CameraRecord]] = {}
    for row in conn.execute("SELECT * FROM camera ORDER BY site, camera"):
        record = CameraRecord(row["camera"], row["name"], row["purpose"], row["retention_days"])
        cameras.setdefault(row["site"], []).append(record)
    rows = conn.execute("SELECT * FROM site ORDER BY org, district, site")
    found = {row["site"]: _record(row, cameras.get(row["site"], ())) for row in rows}
    wanted = list(names)
    unknown = [name for name in wanted if name not in found]
    if unknown:
        remedy = "see `wayside-provision office site list`, or import the register that has it"
        raise RegisterError(site=", ".join(unknown), reason="unknown_site", remedy=remedy)
    return [found[name] for name in wanted] if wanted else list(found.values())


def site_record(conn: sqlite3.Connection, site: str) -> SiteRecord:
    """Raises RegisterError for an unknown site."""
    row = conn.execute("SELECT * FROM site WHERE site = ?", (site,)).fetchone()
    if row is None:
        remedy = "see `wayside-provision office site list`, or import the register that has it"
        raise RegisterError(site=site, reason="unknown_site", remedy=remedy)
    cameras = conn.execute("SELECT * FROM camera WHERE site = ? ORDER BY camera", (site,))
    return _record(
        row, [CameraRecord(each["camera"], each["name"], each["purpose"], each["retention_days"]) for each in cameras]
    )


def put_sites(conn: sqlite3.Connection, records: Sequence[SiteRecord]) -> ImportCounts:
    """Add or change sites and their cameras; what the records do not name stays. Their organisations must be there.

    Raises RegisterError where a site already belongs to another organisation.
    """
    known = {each.site: each for each in site_records(conn)}
    sites, cameras = [0, 0, 0], [0, 0, 0]
    for record in records:
        before = known.get(record.site)
        if before is not None and before.org != record.org:
            remedy = "site ids are unique in the office: name one of the two differently"
            raise RegisterError(site=record.site, belongs_to=before.org, reason="site_taken", remedy=remedy)
        sites[_put_site(conn, record, before)] += 1
        had = {each.id: each for each in before.cameras} if before else {}
        for camera in record.cameras:
            cameras[_put_camera(conn, record.site, camera, had.get(camera.id))] += 1
    return ImportCounts(0, *sites, *cameras)


# Positions in the counts of `put_sites`.
_ADDED, _CHANGED, _UNCHANGED = range(3)


def _put_site(conn: sqlite3.Connection, record: SiteRecord, before: SiteRecord | None) -> int:
    values = (record.org, record.district, record.name, record.lat, record.lon)
    if before is None:
        conn.execute(
            "INSERT INTO site (site, org, district, name, lat, lon) VALUES (?, ?, ?, ?, ?, ?)", (record.site, *values)
        )
        return _ADDED
    if values == (before.org, before.district, before.name, before.lat, before.lon):
        return _UNCHANGED
    conn.execute(
        "UPDATE site SET org = ?, district = ?, name = ?, lat = ?, lon = ? WHERE site = ?", (*values, record.site)
    )
    return _CHANGED


def _put_camera(conn: sqlite3.Connection, site: str, camera: CameraRecord, before: CameraRecord | None) -> int:
    if camera == before:
        return _UNCHANGED
    conn.execute(
        "INSERT OR REPLACE INTO camera VALUES (?, ?, ?, ?, ?)",
        (site, camera.id, camera.name, camera.purpose, camera.retention_days),
    )
    return _ADDED if before is None else _CHANGED


def _record(row: sqlite3.Row, cameras: Iterable[CameraRecord]) -> SiteRecord:
    place = row["district"], row["name"], row["lat"], row["lon"]
    return SiteRecord(row["site"], row["org"], *place, cameras=tuple(cameras))
