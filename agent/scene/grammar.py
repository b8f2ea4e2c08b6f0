"""The words of a scene file, as frozen structs. Pure.

Every key, its unit and its default stand here and nowhere else; `agent.scene.file` reads them from TOML. Coordinates
are fractions of the picture, x right, y down. Each rule says what it means and what it does not.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Identifier = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{1,32}$")]
Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
Point = tuple[Fraction, Fraction]
# A day: a longer wait is a slip of the pen, and the dwell of a track is not remembered that long anyway.
Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]
Degrees = Annotated[float, msgspec.Meta(ge=0, lt=360)]
Ratio = Annotated[float, msgspec.Meta(gt=0, le=1)]


class SceneSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of everything a scene file may hold."""


class Intrusion(SceneSection, frozen=True):
    """A person whose feet are inside the zone for `after_s`; with `vehicles` also anything that drives.

    It does not know who may be there and at what hour, and it does not see a person whose feet are hidden behind a
    wall at the zone's edge before they step clear of it. Who stood inside when the view began and never moves is told
    only when it is quite sure that it is a person. `after_s` is four analysed frames at the default 5 fps: a box
    that jitters over the edge for one or two frames is not an intruder.
    """

    after_s: Seconds = 0.8
    vehicles: bool = False


class Loitering(SceneSection, frozen=True):
    """A person who stays inside the zone for `after_s`, walking about or not.

    It measures presence, not intent: whoever waits for a bus loiters. Leaving the zone for some seconds and coming back
    is one stay; being lost by the tracker and found again close by is too.
    """

    after_s: Seconds = 30.0


class StoppedVehicle(SceneSection, frozen=True):
    """A vehicle that drove and now stands inside the zone for `after_s`, for whatever cause: breakdown, crash, parking.

    It does not report a vehicle that stood there when the view began (a row of parked cars), nor vehicles that wait one
    behind the other while nobody drives past them: that is a queue, for up to five minutes. It does not know a traffic
    light: a car alone before one is reported unless the zone lies beyond the stop line or `after_s` is longer than red.
    """

    after_s: Seconds = 8.0


class PersonOnRoad(SceneSection, frozen=True):
    """A person on foot inside the zone for `after_s`; a rider on a motorcycle is not on foot.

    It does not know a zebra crossing: leave it out of the zone, or ask for longer than crossing takes.
    """

    after_s: Seconds = 2.0


class WrongWay(SceneSection, frozen=True):
    """A vehicle that travels more than `tolerance_deg` off the allowed direction. 0 = right, 90 = down the picture.

    It takes two lengths of the vehicle and a second; backing into a parking bay or rolling back is less. It does not
    report who stands on the wrong side without having driven there in view. Without `heading_deg` the direction is
    learned from the traffic itself, place by place, and nothing is reported where too few drove or both ways are usual.
    """

    heading_deg: Degrees | None = None
    tolerance_deg: Annotated[float, msgspec.Meta(gt=0, le=180)] = 70.0


class Congestion(SceneSection, frozen=True):
    """Vehicles fill the zone and hardly move for `after_s`.

    Filled is a fifth of the zone covered by at least four vehicles, hardly moving a median below 8 km/h. It does not
    tell a red light from a jam by itself: the default is shorter than a long red, so ask for more at a signal.
    """

    after_s: Seconds = 30.0


class CrashSuspected(SceneSection, frozen=True):
    """Vehicles that meet, are thrown off their way or stop dead, then stand, and people who come and stay beside them
    on the road: a suspicion for a person to judge, never a verdict.

    Three people who stay beside a vehicle that stopped on the road are enough even where the crash itself was not seen.
    It does not see a crash of what the detector does not know, nor one after which everybody drives on.
    """


class Crowd(SceneSection, frozen=True):
    """At least `at_least` people inside the zone for `after_s`.

    It counts whom the detector sees: in a dense throng that is half of those who are there.
    """

    at_least: Annotated[int, msgspec.Meta(ge=2)] = 10
    after_s: Seconds = 5.0


class AbandonedObject(SceneSection, frozen=True):
    """Something that a person brought, no larger than a person, unmoved for `after_s` while nobody is near.

    It does not know what the thing is, and it does not see what was put down where nobody saw the bringer.
    """

    after_s: Seconds = 60.0


class ZoneRules(SceneSection, frozen=True):
    """The rules of one zone; a rule that is not named is off."""

    intrusion: Intrusion | None = None
    loitering: Loitering | None = None
    stopped_vehicle: StoppedVehicle | None = None
    person_on_road: PersonOnRoad | None = None
    wrong_way: WrongWay | None = None
    congestion: Congestion | None = None
    crash_suspected: CrashSuspected | None = None
    crowd: Crowd | None = None
    abandoned_object: AbandonedObject | None = None


class Zone(SceneSection, frozen=True):
    """An area of the ground as the picture shows it; an object is inside when its foot point is."""

    id: Identifier
    polygon: Annotated[list[Point], msgspec.Meta(min_length=3, max_length=64)]
    rules: ZoneRules = ZoneRules()


class Line(SceneSection, frozen=True):
    """Counted both ways, by class. Forward crosses from the left to the right of points[0] → points[1] as drawn."""

    id: Identifier
    points: tuple[Point, Point]


class Approach(SceneSection, frozen=True):
    """What a dispatcher sees as one road into the junction: a line that counts it and a zone where it queues.

    Median speed below `busy_ratio` of `free_kmh` is busy, below `jammed_ratio` jammed.
    """

    id: Identifier
    zone: Identifier
    line: Identifier
    direction: Literal["forward", "backward"]
    name_th: str = ""
    name_en: str = ""
    free_kmh: Annotated[float, msgspec.Meta(gt=0, le=200)] = 50.0
    busy_ratio: Ratio = 0.6
    jammed_ratio: Ratio = 0.25


class Mask(SceneSection, frozen=True):
    """Never looked at, and burnt into every picture that leaves the node."""

    polygon: Annotated[list[Point], msgspec.Meta(min_length=3, max_length=64)]


class Fire(SceneSection, frozen=True):
    """Fire and smoke watch of the whole picture."""

    enabled: bool = True


class GroundPoint(SceneSection, frozen=True):
    """A point of the ground in the picture and where it lies on the site's own flat grid, in metres."""

    image: Point
    ground_m: tuple[float, float]


class Calibration(SceneSection, frozen=True):
    """At least four points; gives metres, speed and headway."""

    points: Annotated[list[GroundPoint], msgspec.Meta(min_length=4, max_length=64)]


class Scene(SceneSection, frozen=True):
    """One camera's scene. `camera` empty: whichever camera the file is given for."""

    camera: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{0,32}$")] = ""
    zones: list[Zone] = msgspec.field(name="zone", default_factory=list)
    lines: list[Line] = msgspec.field(name="line", default_factory=list)
    approaches: list[Approach] = msgspec.field(name="approach", default_factory=list)
    masks: list[Mask] = msgspec.field(name="mask", default_factory=list)
    fire: Fire = Fire()
    calibration: Calibration | None = None

    @property
    def has_traffic(self) -> bool:
        """Whether what matters may be over within two seconds: a crossing of a line, a crash, a ride the wrong way."""
        is_fast = (zone.rules.wrong_way or zone.rules.crash_suspected for zone in self.zones)
        return bool(self.lines or self.approaches or any(is_fast))
