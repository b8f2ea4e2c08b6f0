"""The timeline as a picture that any browser opens."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from agent.contract.events import CrossingData, Direction, IncidentData, IncidentKind, Level, MotionData, TrafficData
from agent.drawing.timeline import Timeline

SVG = "{http://www.w3.org/2000/svg}"


def incident(end_s: float | None) -> IncidentData:
    return IncidentData(
        incident_id="i1",
        kind=IncidentKind.LOITERING,
        zone="<yard>",
        begin_s=5.0,
        end_s=end_s,
        score=0.8,
        box=(0.1, 0.1, 0.2, 0.2),
        tracks=(1,),
        model="m@000000000000",
        reason_en='A person "stays".',
    )


def drawn(timeline: Timeline, video_s: float = 20.0) -> ElementTree.Element:
    return ElementTree.fromstring(timeline.svg(video_s))


def words(root: ElementTree.Element) -> str:
    return " | ".join(root.itertext())


def bars(root: ElementTree.Element) -> list[tuple[float, float]]:
    found = [bar for group in root.iter(f"{SVG}g") for bar in group.iter(f"{SVG}rect")]
    return [(float(bar.attrib["x"]), float(bar.attrib["width"])) for bar in found]


def test_every_kind_of_finding_has_its_row_and_its_words() -> None:
    timeline = Timeline("a & b.mp4")
    timeline.tell(MotionData(begin_s=1.0, end_s=2.0, ratio=0.05, regions=()))
    timeline.tell(
        CrossingData(line="north", direction=Direction.FORWARD, label="car", track_id=1, at_s=3.0, speed_kmh=41.6)
    )
    timeline.tell(
        TrafficData(
            approach="in", begin_s=0.0, end_s=20.0, flow={"car": 1}, speed_kmh=None, occupancy=None,
            queue_vehicles=None, queue_m=None, level=Level.FREE,
        )
    )  # fmt: skip
    timeline.tell(incident(9.0))
    said = words(drawn(timeline))
    for expected in (
        "a & b.mp4",
        "motion in 5.0 %",
        "car forward at 42 km/h",
        "free, 1 vehicle",
        "loitering in <yard>",
    ):
        assert expected in said
    assert "1 incident, 1 crossing" in said


def test_an_incident_is_one_bar_from_its_begin_to_its_end() -> None:
    timeline = Timeline("v")
    for end_s in (None, None, 10.0):
        timeline.tell(incident(end_s))
    ((x, wide),) = bars(drawn(timeline))
    plot_px = 1200 - 210 - 24
    assert x == pytest.approx(210 + plot_px / 4, abs=0.2) and wide == pytest.approx(plot_px / 4, abs=0.2)


def test_an_incident_that_was_open_at_the_end_reaches_the_end() -> None:
    timeline = Timeline("v")
    timeline.tell(incident(None))
    ((x, wide),) = bars(drawn(timeline))
    assert x + wide == pytest.approx(1200 - 24, abs=0.2)


@pytest.mark.parametrize("video_s", [0.0, 0.2, 59.0, 86_400.0])
def test_a_video_of_any_length_has_an_axis_of_few_marks(video_s: float) -> None:
    marks = list(drawn(Timeline("v"), video_s).iter(f"{SVG}path"))
    assert 1 <= len(marks) <= 11
