"""Holds and forecasts as people read them, on the node and at the centre."""

from __future__ import annotations

from datetime import datetime

from agent.contract.keeping import ForecastResult, HoldData
from agent.contract.wire import encode


def print_forecast(found: ForecastResult, *, as_json: bool) -> None:
    if as_json:
        print(encode(found).decode())
        return
    for camera in found.cameras:
        days = "not known yet" if camera.days is None else f"{camera.days:.1f} days"
        rate = "" if camera.bytes_per_day is None else f" at {camera.bytes_per_day / 1e9:.2f} GB a day"
        short = "   TOO SHORT" if camera.is_short else ""
        print(f"{camera.camera}  {days} of {camera.promised_days}{rate}{short}")
    share = found.staff_share
    print(
        f"holds  staff {share.bytes / 1e9:.2f} of {share.limit_bytes / 1e9:.2f} GB,"
        f" incidents {found.incident_held_bytes / 1e9:.2f} GB, ring {found.ring_bytes / 1e9:.2f} GB"
    )
    disk = found.endurance
    if disk.used_ratio is None:
        print(f"disk  its wear is {disk.source}")
    else:
        until = f", used up on {disk.worn_out}" if disk.worn_out else ""
        short = "   TOO SHORT" if disk.is_short else ""
        print(f"disk  {disk.used_ratio:.1%} of its rated writes{until} ({disk.source}){short}")
    for hold in found.holds:
        print(hold_line(hold))
    if found.held_more:
        print(f"and {found.held_more} more holds")


def hold_line(hold: HoldData) -> str:
    expires = local(hold.expires) if hold.expires else "released by hand"
    case = f", case {hold.case_ref}" if hold.case_ref else ""
    review = f", reviewer {hold.reviewer}" if hold.reviewer else ""
    span = f"{local(hold.start)} – {local(hold.end)}"
    return f"  {hold.hold_id}  {hold.camera}  {span}  until {expires}  {hold.reason}{case}{review}"


def local(instant: str) -> str:
    """An instant of the wire as the reader's own clock shows it, to the second."""
    return datetime.fromisoformat(instant).astimezone().isoformat(timespec="seconds")
