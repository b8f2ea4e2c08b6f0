"""An incident opens once, tells of itself now and then, and closes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.contract.events import IncidentKind
from agent.scene.incident import IncidentChange, IncidentKeeper
from agent.scene.moment import Hit, Stage
from agent.units import NS_PER_S
from agent.vision.geometry import Box, Label

HOUR_S = 3600


def keeper() -> IncidentKeeper:
    numbers = iter(range(1, 10_000))
    return IncidentKeeper(IncidentKind.INTRUSION, "yard", new_id=lambda: f"id-{next(numbers)}")


def hit(track_id: int, at_s: int, *, since_s: int = 0) -> Hit:
    return Hit(track_id, Label.PERSON, Box(0.5, 0.5, 0.1, 0.1), 0.7, since_s * NS_PER_S, at_s * NS_PER_S)


def told(hits_at: dict[int, list[int]], *, seconds: int) -> list[tuple[int, IncidentChange]]:
    """What a keeper says when these tracks fulfil at these seconds, one look a second."""
    watched = keeper()
    return [
        (at_s, change)
        for at_s in range(seconds)
        for change in watched.update(at_s * NS_PER_S, [hit(track, at_s) for track in hits_at.get(at_s, [])])
    ]


def test_five_seconds_without_are_one_incident_and_six_are_two() -> None:
    short = told({0: [1], 5: [1]}, seconds=10)
    long = told({0: [1], 7: [1]}, seconds=12)
    assert [change.stage for _, change in short] == [Stage.OPENED, Stage.UPDATED]
    assert [change.stage for _, change in long] == [Stage.OPENED, Stage.CLOSED, Stage.OPENED]
    assert len({change.incident.incident_id for _, change in long}) == 2


def test_it_ends_when_it_was_last_fulfilled_not_when_that_was_noticed() -> None:
    (_, _), (at_s, closed) = told({0: [1], 1: [1], 2: [1]}, seconds=20)
    assert closed.stage is Stage.CLOSED and closed.incident.end_ns == 2 * NS_PER_S and at_s == 8


def test_updates_come_after_5_s_and_then_ever_more_rarely_up_to_a_minute() -> None:
    updates = [at_s for at_s, change in told({s: [1] for s in range(400)}, seconds=400)][1:]
    assert updates[:5] == [5, 15, 35, 75, 135]
    assert updates[-1] - updates[-2] == 60


def test_a_track_that_joins_is_told_of_no_sooner_than_5_s_after_the_last_word() -> None:
    said = told({s: list(range(1, 2 + s)) for s in range(30)}, seconds=30)
    assert [at_s for at_s, _ in said] == [0, 5, 10, 15, 20, 25]
    assert said[2][1].incident.tracks == tuple(range(1, 12))


def test_a_yard_full_of_people_does_not_outgrow_a_message() -> None:
    said = told({s: list(range(500)) for s in range(10)}, seconds=10)
    assert all(len(change.incident.tracks) == 64 for _, change in said)


def test_finish_closes_what_is_open_and_only_that() -> None:
    watched = keeper()
    assert watched.finish(0) == []
    watched.update(0, [hit(1, 0)])
    (change,) = watched.finish(3 * NS_PER_S)
    assert change.stage is Stage.CLOSED and change.incident.end_ns == 0
    assert watched.finish(4 * NS_PER_S) == []


@given(st.lists(st.sampled_from([(), (1,), (2,), (1, 2)]), max_size=120))
def test_whatever_happens_every_incident_opens_once_and_closes_once(hits: list[tuple[int, ...]]) -> None:
    watched = keeper()
    said: list[IncidentChange] = []
    for at_s, tracks in enumerate(hits):
        said += watched.update(at_s * NS_PER_S, [hit(track, at_s, since_s=at_s) for track in tracks])
    said += watched.finish(len(hits) * NS_PER_S)
    stages: dict[str, list[Stage]] = {}
    for change in said:
        stages.setdefault(change.incident.incident_id, []).append(change.stage)
    for life in stages.values():
        assert life[0] is Stage.OPENED and life[-1] is Stage.CLOSED
        assert set(life[1:-1]) <= {Stage.UPDATED}
    closed = [change.incident for change in said if change.stage is Stage.CLOSED]
    assert all(incident.end_ns is not None and incident.end_ns >= incident.begin_ns for incident in closed)
