"""What should be raised and counted over each clip: the manifest's words as incidents and crossings of its scene.

A new clip needs a scene of its name in scenes/ and, where its words are none of those below, a line here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent.contract.events import Direction, IncidentKind
from agent.scene.grammar import Scene
from agent.scene.rules.view import view_rules
from tests.eval.counting import Crossed
from tests.eval.footage import Clip, Happening
from tests.eval.incidents import IN_TIME_S, Expected

KINDS: Mapping[str, IncidentKind] = {
    "abandoned_object": IncidentKind.ABANDONED_OBJECT,
    "camera_moved": IncidentKind.VIEW_MOVED,
    "congestion": IncidentKind.CONGESTION,
    "crash": IncidentKind.CRASH_SUSPECTED,
    "crowd_gathering": IncidentKind.CROWD,
    "fire": IncidentKind.FIRE,
    "hand_before_lens": IncidentKind.VIEW_COVERED,
    "intrusion": IncidentKind.INTRUSION,
    "person_down": IncidentKind.PERSON_ON_ROAD,
    "smoke": IncidentKind.SMOKE,
    "stopped_vehicle": IncidentKind.STOPPED_VEHICLE,
}
# Where the manifest's own notes say that an incident begins later than what it describes.
_BEGINS_S: Mapping[tuple[str, str], float] = {
    # The bag stands from 15.0 s on; the man leaves it at 19.5 s.
    ("abandoned_bag_aboda4", "abandoned_object"): 19.5,
    # People come from 9.5 s on; there are more than 15 from about 15 s on.
    ("crash_auto_rickshaw", "crowd_gathering"): 15.0,
}
# What happens beside the annotations, or may be argued: (kind, from, to, whether it must be raised).
_BESIDE: Mapping[str, Sequence[tuple[IncidentKind, float, float, bool]]] = {
    # `kinds` says loitering: the man is there from 9.0 to 23.2 s, and again from 28.0 s on.
    "abandoned_bag_aboda4": [(IncidentKind.LOITERING, 9.0, 23.2, True), (IncidentKind.LOITERING, 28.0, 39.0, False)],
    # Passers-by stand on the road to the end; the hurt lie there before.
    "crash_auto_rickshaw": [(IncidentKind.PERSON_ON_ROAD, 5.8, 20.1, False), (IncidentKind.CROWD, 9.5, 15.0, False)],
    # He climbs over the wall, which is the zone's edge.
    "yard_intrusion_day": [(IncidentKind.INTRUSION, 3.7, 5.6, False)],
    # Litter burns; smoke is hard to tell in the dark. The clip is cut: the view does change three times.
    "arson_hedge_night": [
        (IncidentKind.SMOKE, 3.3, 13.9, False),
        (IncidentKind.VIEW_MOVED, 2.4, 13.96, False),
    ],
    # Held in the hand, one cut.
    "congestion_kolkata_portrait": [(IncidentKind.VIEW_MOVED, 0.0, 10.4, False)],
    # The hand moves before the lens: covered or out of focus.
    "tree_in_wind_then_hand": [
        (IncidentKind.VIEW_DEFOCUSED, 10.6, 13.6, False),
        (IncidentKind.VIEW_MOVED, 10.6, 13.6, False),
    ],
    # Turned upwards while leaves come near: seen as covered for a moment.
    "camera_moved_vegetation": [(IncidentKind.VIEW_COVERED, 13.2, 15.0, False)],
}
# Fire within this of visible flame.
_FIRE_IN_TIME_S = 4.0
# A crash is told by what stands afterwards; the rule looks at it for this long (agent/scene/rules/crash_suspected.py).
_STANDS_S = 1.0
# Forward crosses from left to right of the line as it is drawn; by clip, where all go one way.
_ONE_WAY: Mapping[str, Direction] = {
    "suburban_road_8cars": Direction.FORWARD,
    "topview_5cars": Direction.BACKWARD,
}
_WAYS = {"up": Direction.BACKWARD, "down": Direction.FORWARD}
# Not in the manifest: by eye, from single frames. The other car stays behind the line.
_BY_EYE: Mapping[str, Sequence[Crossed]] = {
    "otc_cars_cyclist_3s": [Crossed(Direction.BACKWARD, 1.75, 1.75), Crossed(Direction.BACKWARD, 1.8, 1.8)],
}


def expected_incidents(clip: Clip, scene: Scene | None) -> list[Expected]:
    """What the clip holds of the rules that its scene asks for, and of those of the whole picture. Left out is what the
    clip is too short for (`untold`)."""
    return [one for one in _happening(clip, scene) if one.start_s + one.own_delay_s < clip.seconds]


def untold(clip: Clip, scene: Scene | None) -> list[Expected]:
    """What happens and cannot be told: its rule would still be waiting at the clip's end."""
    told = expected_incidents(clip, scene)
    return [one for one in _happening(clip, scene) if not one.is_optional and one not in told]


def _happening(clip: Clip, scene: Scene | None) -> list[Expected]:
    delays = _own_delays(scene)
    found: list[Expected] = []
    for one in clip.happenings:
        kind = KINDS.get(one.kind)
        if kind in delays:
            found.append(_expected(clip, one, kind, delays[kind]))
    for kind, start_s, end_s, is_wanted in _BESIDE.get(clip.name, ()):
        if kind in delays:
            found.append(Expected(kind, start_s, end_s, delays[kind], is_optional=not is_wanted))
    return found


def quiet_spans(clip: Clip) -> list[tuple[float, float]]:
    """From when to when leaves and light are all that moves: a motion event there is false."""
    return [(one.start_s, one.end_s) for one in clip.happenings if one.kind == "dynamic_background_only"]


def true_crossings(clip: Clip) -> list[Crossed] | None:
    """Who crosses the scene's line; None where nobody counted."""
    if clip.name in _BY_EYE:
        return list(_BY_EYE[clip.name])
    times = clip.counts.get("times_s")
    if isinstance(times, list):
        return [Crossed(_ONE_WAY[clip.name], float(at_s), float(at_s)) for at_s in times]
    seen = clip.counts.get("visible_intervals_s")
    if isinstance(seen, list):
        return [Crossed(_WAYS[str(what).rsplit(" ", 1)[-1]], float(start), float(end)) for start, end, what in seen]
    return None


def _expected(clip: Clip, one: Happening, kind: IncidentKind, own_delay_s: float) -> Expected:
    start_s = _BEGINS_S.get((clip.name, one.kind), one.start_s)
    if kind is IncidentKind.CRASH_SUSPECTED:
        stands = [other.start_s for other in clip.happenings if other.kind == "stopped_vehicle"]
        own_delay_s = min(stands, default=start_s) - start_s + _STANDS_S
    in_time_s = _FIRE_IN_TIME_S if kind is IncidentKind.FIRE else IN_TIME_S
    return Expected(kind, start_s, one.end_s, own_delay_s, in_time_s)


def _own_delays(scene: Scene | None) -> dict[IncidentKind, float]:
    """What is watched for, and how long each rule waits by itself."""
    delays = {rule.kind: rule.after_s for rule in view_rules()}
    if scene is None or scene.fire.enabled:
        delays |= {IncidentKind.FIRE: 0.0, IncidentKind.SMOKE: 0.0}
    for zone in scene.zones if scene else ():
        for kind in IncidentKind:
            asked = getattr(zone.rules, kind.value, None)
            if asked is not None:
                delays[kind] = float(getattr(asked, "after_s", 0.0))
    return delays
