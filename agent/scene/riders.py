"""Who is on foot and who only looks like it: a rider is half a motorcycle. Pure."""

from __future__ import annotations

from agent.scene.moment import PEOPLE, Moment, Sighting
from agent.scene.travel import Travels
from agent.units import NS_PER_S
from agent.vision.geometry import Label, share_a_saddle

_TWO_WHEELERS = frozenset({Label.BICYCLE, Label.MOTORCYCLE})
# A person 1.7 m tall and 0.6 m wide is 1 m in size (the root of the area). A sprint is 6 m/s; nobody on foot does 8
# sizes in a second, and a moped in traffic does 30 km/h.
_FASTEST_SIZES = 7.0
_LOOK_BACK_NS = NS_PER_S


def on_foot(moment: Moment, travels: Travels) -> list[Sighting]:
    """The people of this moment who do not ride. `travels`: of people, fed with this moment already."""
    machines = [one.box for one in moment.sightings if one.label in _TWO_WHEELERS]
    return [
        one
        for one in moment.sightings
        if one.label in PEOPLE
        and not any(share_a_saddle(one.box, machine) for machine in machines)
        and not _rushes(travels, one.track_id, moment.media_ns)
    ]


def _rushes(travels: Travels, track_id: int, media_ns: int) -> bool:
    travel = travels.of(track_id)
    going = travel.going(media_ns - _LOOK_BACK_NS, media_ns) if travel is not None else None
    return going is not None and going.speed_sizes > _FASTEST_SIZES
