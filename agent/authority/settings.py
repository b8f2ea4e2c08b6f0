"""What the office was set up with, in the register."""

from __future__ import annotations

import re
import sqlite3
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from agent.authority.records import Settings
from agent.errors import RegisterError

_HTTPS = re.compile(r"https://[^\s|/@]+(/[^\s|?#]*)?")
_BROKER = re.compile(r"mqtts?://[^\s|/@]+")


def checked(settings: Settings) -> Settings:
    """The same without a slash at the end. Raises RegisterError for what no node could use."""
    if _HTTPS.fullmatch(settings.enrol_url) is None or not _has_address(settings.enrol_url):
        raise _unusable("enrol_url", settings.enrol_url, "write it as https://centre.example:8843")
    if _BROKER.fullmatch(settings.broker_url) is None or not _has_address(settings.broker_url):
        raise _unusable("broker_url", settings.broker_url, "write it as mqtts://centre.example:8883")
    try:
        ZoneInfo(settings.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise _unusable("timezone", settings.timezone, "name a zone such as Asia/Bangkok") from exc
    return Settings(settings.enrol_url.rstrip("/"), settings.broker_url, settings.timezone)


def load_settings(conn: sqlite3.Connection) -> Settings:
    row = conn.execute("SELECT * FROM setting").fetchone()
    if row is None:
        raise RegisterError(reason="no_office", remedy="set the office up: `wayside-provision office init`")
    return Settings(row["enrol_url"], row["broker_url"], row["timezone"])


def store_settings(conn: sqlite3.Connection, settings: Settings) -> None:
    values = (settings.enrol_url, settings.broker_url, settings.timezone)
    conn.execute("INSERT OR REPLACE INTO setting VALUES (1, ?, ?, ?)", values)


def _has_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _unusable(name: str, value: str, remedy: str) -> RegisterError:
    return RegisterError(**{name: value}, reason="bad_setting", remedy=remedy)
