"""A finding of the scene as a notice to the node: media time becomes wall time, footage is asked for. Pure."""

from __future__ import annotations

import msgspec

from agent import notices
from agent.contract.events import CrossingData, EventData, IncidentData, MotionData, TrafficData
from agent.contract.wire import encode
from agent.scene.engine import Finding
from agent.units import NS_PER_S, WallSpan, format_rfc3339

_PAD_NS = 10 * NS_PER_S
# While an incident is open its footage is kept ahead of now: a minute until the next update at the latest, and the pad.
_AHEAD_NS = 70 * NS_PER_S
_NO_HOLD = WallSpan(0, 0)


def announce(finding: Finding, *, camera: str, anchor_wall_ns: int, now_media_ns: int) -> notices.Finding:
    """`anchor_wall_ns`: wall time of media time 0; `now_media_ns`: media time of the picture that brought it.

    The hold runs from 10 s before the incident to 10 s after its end, and while it is open to 70 s from now: a later
    notice of the same incident replaces it.
    """
    hold = _hold_of(finding.data, anchor_wall_ns, now_media_ns)
    return notices.Finding(
        camera=camera,
        type=finding.type.removeprefix("wayside.").removesuffix(".v1"),
        data=encode(_on_the_wall(finding.data, anchor_wall_ns)),
        hold_start_wall_ns=hold.start_ns,
        hold_end_wall_ns=hold.end_ns,
    )


def _hold_of(data: EventData, anchor_wall_ns: int, now_media_ns: int) -> WallSpan:
    if not isinstance(data, IncidentData):
        return _NO_HOLD
    begin_ns = _wall_ns(data.begin_s, anchor_wall_ns)
    end_ns = anchor_wall_ns + now_media_ns + _AHEAD_NS
    if data.end_s is not None:
        end_ns = _wall_ns(data.end_s, anchor_wall_ns) + _PAD_NS
    return WallSpan(begin_ns - _PAD_NS, end_ns)


def _on_the_wall(data: EventData, anchor_wall_ns: int) -> EventData:
    """The same data with the wall times that the wire adds."""
    if isinstance(data, IncidentData | MotionData | TrafficData):
        begin = format_rfc3339(_wall_ns(data.begin_s, anchor_wall_ns))
        end = None if data.end_s is None else format_rfc3339(_wall_ns(data.end_s, anchor_wall_ns))
        return msgspec.structs.replace(data, begin=begin, end=end)
    if isinstance(data, CrossingData):
        return msgspec.structs.replace(data, at=format_rfc3339(_wall_ns(data.at_s, anchor_wall_ns)))
    return data


def _wall_ns(media_s: float, anchor_wall_ns: int) -> int:
    return anchor_wall_ns + round(media_s * NS_PER_S)
