"""`forecast`: how long footage will be kept, whether that is what was promised, how worn the disk is, what is held."""

from __future__ import annotations

import msgspec

from agent.commands.hold import hold_data, share_data
from agent.commands.outlook import Outlook, look
from agent.commands.work import Outcome, Work
from agent.contract.commands import AnswerState
from agent.contract.keeping import (
    MOST_HOLDS_TOLD,
    CameraForecast,
    EnduranceForecast,
    ForecastArgs,
    ForecastResult,
)
from agent.health.endurance import Endurance
from agent.units import NS_PER_S, format_rfc3339


def forecast(work: Work) -> Outcome:
    args = msgspec.json.decode(work.payload.args, type=ForecastArgs)
    if args.camera is not None:
        work.require_camera(args.camera)
    clock = work.facts.clock
    seen = look(work.conn, work.facts.data_dir, clock.wall_ns(), clock.mono_ns() / NS_PER_S)
    return Outcome(AnswerState.SUCCEEDED, result_of(seen, args.camera))


def result_of(seen: Outlook, camera: str | None = None) -> ForecastResult:
    """In the contract's words, of all cameras or of one."""
    staff = [each for each in seen.staff if camera in (None, each.camera)]
    return ForecastResult(
        cameras=tuple(_camera(seen, each.camera) for each in seen.cameras if camera in (None, each.camera)),
        ring_bytes=seen.ring_bytes,
        endurance=_endurance(seen.endurance),
        staff_share=share_data(seen.share),
        incident_held_bytes=seen.incident_held_bytes,
        holds=tuple(map(hold_data, staff[:MOST_HOLDS_TOLD])),
        held_more=max(len(staff) - MOST_HOLDS_TOLD, 0),
    )


def _camera(seen: Outlook, camera: str) -> CameraForecast:
    outlook = next(each for each in seen.cameras if each.camera == camera)
    stock = seen.stock[camera]
    return CameraForecast(
        camera=camera,
        promised_days=outlook.promised_days,
        days=outlook.days,
        bytes_per_day=outlook.bytes_per_day,
        footage_bytes=stock.footage_bytes,
        oldest=format_rfc3339(stock.oldest_wall_ns) if stock.oldest_wall_ns is not None else None,
        is_short=outlook.is_short,
    )


def _endurance(seen: Endurance) -> EnduranceForecast:
    return EnduranceForecast(
        rated_bytes=seen.rating.rated_bytes,
        source=seen.rating.source,
        used_ratio=seen.used_ratio,
        bytes_per_day=seen.bytes_per_day,
        worn_out=seen.worn_out.isoformat() if seen.worn_out else None,
        service_until=seen.service_until.isoformat() if seen.service_until else None,
        is_short=seen.is_short,
    )
