"""Which boxes are one object."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.units import NS_PER_S
from agent.vision.associate import cheapest_pairs, corners, distances, overlaps
from agent.vision.geometry import Box, Detection, Label, iou
from agent.vision.kalman import Axis, Motive
from agent.vision.track import Track, Tracked, Tracker

FPS = 5


def _box(x: float, y: float = 0.5, w: float = 0.04, h: float = 0.16) -> Box:
    return Box(x, y, w, h)


def _person(x: float, score: float = 0.8) -> Detection:
    return Detection(_box(x), Label.PERSON, score)


def _watch(
    tracker: Tracker, seconds: float, look: Callable[[float], Sequence[Detection]], start_s: float = 0.0
) -> list[Tracked]:
    times = [start_s + frame / FPS for frame in range(round(seconds * FPS))]
    return [tracker.update(look(at_s), round(at_s * NS_PER_S)) for at_s in times]


def _confirmed(tracked: Tracked) -> list[Track]:
    return [track for track in tracked.living if track.is_confirmed]


def test_a_walker_is_one_track_confirmed_at_the_third_look() -> None:
    seen = _watch(Tracker(), 5, lambda at_s: [_person(0.1 + 0.05 * at_s)])
    assert [len(_confirmed(one)) for one in seen[:4]] == [0, 0, 1, 1]
    assert {track.track_id for one in seen for track in one.living} == {1}
    last = seen[-1].living[0]
    assert last.vx == pytest.approx(0.05, abs=0.005)
    assert last.vy == pytest.approx(0, abs=0.005)
    assert last.first_box == _box(0.1)


def test_a_walker_behind_a_lorry_is_found_again_within_two_seconds() -> None:
    seen = _watch(Tracker(), 8, lambda at_s: [] if 3 <= at_s < 4.8 else [_person(0.1 + 0.08 * at_s)])
    assert {track.track_id for one in seen for track in one.living} == {1}
    hidden = seen[4 * FPS].living[0]
    assert hidden.is_coasting
    assert hidden.box.x == pytest.approx(0.1 + 0.08 * 4, abs=0.02)


def test_a_walker_is_found_again_after_a_group_of_pictures_was_lost() -> None:
    tracker = Tracker()
    _watch(tracker, 3, lambda at_s: [_person(0.1 + 0.08 * at_s)])
    seen = _watch(tracker, 2, lambda at_s: [_person(0.1 + 0.08 * at_s)], start_s=4.9)
    assert {track.track_id for one in seen for track in one.living} == {1}
    assert not any(one.ended for one in seen)


def test_who_stands_still_for_an_hour_is_one_track_though_a_third_of_the_looks_miss() -> None:
    tracker, jitter = Tracker(), random.Random(1)
    ids = set()
    for second in range(3600):
        box = _box(0.5 + jitter.uniform(-0.004, 0.004))
        seen = [Detection(box, Label.PERSON, jitter.uniform(0.4, 0.8))] if jitter.random() > 0.33 or second < 5 else []
        ids |= {track.track_id for track in tracker.update(seen, second * NS_PER_S, []).living}
    assert ids == {1}


@pytest.mark.parametrize(("moves", "over_s"), [(Box(0.8, 0.1, 0.1, 0.1), 33.0), (_box(0.52), 4.0)])
def test_what_stands_and_is_hidden_stays_for_half_a_minute_unless_something_moves_there(
    moves: Box, over_s: float
) -> None:
    tracker = Tracker()
    _watch(tracker, 2, lambda _: [_person(0.5)])
    ended = []
    for frame in range(2 * FPS, 60 * FPS):
        ended += [frame / FPS for _ in tracker.update([], frame * NS_PER_S // FPS, [moves]).ended]
    assert ended == [pytest.approx(over_s, abs=1.1)]


def test_one_who_stays_away_for_longer_has_ended_once_and_is_another_afterwards() -> None:
    seen = _watch(Tracker(), 8, lambda at_s: [] if 2 <= at_s < 5 else [_person(0.5)])
    ended = [(frame / FPS, track) for frame, one in enumerate(seen) for track in one.ended]
    assert [(at_s, track.track_id) for at_s, track in ended] == [(4.0, 1)]
    assert ended[0][1].last_seen_media_ns == round(1.8 * NS_PER_S)
    assert [track.track_id for track in seen[-1].living] == [2]


def test_a_flicker_is_given_up_within_half_a_second_and_never_ends() -> None:
    seen = _watch(Tracker(), 2, lambda at_s: [_person(0.5)] if at_s < 0.1 else [])
    assert [len(one.living) for one in seen] == [1, 1, 1, 0, 0, 0, 0, 0, 0, 0]
    assert not any(one.ended for one in seen)


def test_a_doubtful_thing_that_never_moves_is_not_believed() -> None:
    jitter = random.Random(1)
    seen = _watch(Tracker(), 60, lambda _: [_person(0.5 + jitter.uniform(-0.004, 0.004), 0.45)])
    assert not any(_confirmed(one) for one in seen)


def test_a_doubtful_thing_that_moves_is_believed() -> None:
    seen = _watch(Tracker(), 4, lambda at_s: [_person(0.1 + 0.05 * at_s, 0.45)])
    assert len(_confirmed(seen[-1])) == 1


def test_a_weak_box_continues_a_track_and_never_begins_one() -> None:
    tracker = Tracker()
    assert not any(one.living for one in _watch(tracker, 2, lambda _: [_person(0.5, 0.3)]))
    seen = _watch(tracker, 4, lambda at_s: [_person(0.5, 0.8 if at_s < 3 else 0.25)], start_s=2)
    assert [(track.track_id, track.is_coasting) for track in seen[-1].living] == [(1, False)]


@pytest.mark.parametrize(("score", "is_believed"), [(0.42, False), (0.5, True)])
def test_a_walker_who_seems_to_stand_at_a_post_for_long_is_doubted(score: float, *, is_believed: bool) -> None:
    seen = _watch(Tracker(), 25, lambda at_s: [_person(0.1 + 0.05 * min(at_s, 4), 0.8 if at_s < 4 else score)])
    assert len(_confirmed(seen[5 * FPS])) == 1
    assert bool(_confirmed(seen[-1])) is is_believed
    assert seen[-1].living[0].track_id == 1


def test_a_standing_thing_is_not_believed_for_one_lucky_look() -> None:
    seen = _watch(Tracker(), 20, lambda at_s: [_person(0.5, 0.51 if at_s == 4 else 0.44)])
    assert not any(_confirmed(one) for one in seen)


@pytest.mark.parametrize("fps", [3, 5, 10, 30])
def test_a_car_that_drives_three_lengths_a_second_is_one_track_at_any_rate(fps: float) -> None:
    tracker, found = Tracker(), list[Tracked]()
    for frame in range(round(2 * fps)):
        box = Box(0.1 + 0.3 * frame / fps, 0.5, 0.1, 0.06)
        found.append(tracker.update([Detection(box, Label.CAR, 0.7)], round(frame * NS_PER_S / fps)))
    assert {track.track_id for one in found for track in one.living} == {1}


def _drive(at_s: float) -> Box:
    return Box(0.1 + 0.2 * at_s, 0.4, 0.15, 0.2)


def _swing(at_s: float) -> Box:
    return Box(0.4 + 0.04 * math.sin(4 * at_s), 0.4, 0.15, 0.2)


@pytest.mark.parametrize(
    ("way", "moves_alike", "is_believed"),
    [(_drive, True, True), (_drive, False, False), (_swing, True, False)],
    ids=["a car from above", "nothing moves there", "a branch"],
)
def test_a_faint_thing_is_believed_when_motion_draws_it_too_and_it_travels(
    way: Callable[[float], Box], *, moves_alike: bool, is_believed: bool
) -> None:
    tracker, seen = Tracker(), list[Tracked]()
    for frame in range(4 * FPS):
        box = way(frame / FPS)
        regions = [box] if moves_alike else [Box(0.7, 0.1, 0.1, 0.1)]
        label = Label.PERSON if frame == 0 else Label.TRUCK
        seen.append(tracker.update([Detection(box, label, 0.12)], frame * NS_PER_S // FPS, regions))
    assert any(_confirmed(one) for one in seen) is is_believed
    assert all(track.label is Label.TRUCK for one in seen[2:] for track in one.living)


def test_a_region_that_a_known_thing_explains_begins_nothing() -> None:
    tracker = Tracker()
    for frame in range(20):
        box = _drive(frame / FPS)
        shadow = Detection(Box(box.x, 0.5, 0.15, 0.1), Label.BUS, 0.15)
        last = tracker.update([Detection(box, Label.CAR, 0.8), shadow], frame * NS_PER_S // FPS, [shadow.box])
    assert len(last.living) == 1


def test_a_believed_track_tells_where_it_was_while_it_was_doubted() -> None:
    seen = _watch(Tracker(), 6, lambda at_s: [_person(0.1 + 0.02 * at_s, 0.45)])
    first = next(one for one in seen if _confirmed(one)).living[0]
    assert [look.box.x for look in first.early] == pytest.approx([0.1 + 0.004 * n for n in range(len(first.early))])
    assert 3 <= len(first.early) <= 16
    assert all(track.early == first.early for one in seen for track in _confirmed(one))


def test_a_passing_car_does_not_go_over_to_the_weak_box_of_a_waiting_one() -> None:
    def look(at_s: float) -> list[Detection]:
        waiting = Detection(Box(0.5, 0.5, 0.1, 0.1), Label.CAR, 0.25)
        passing = Detection(Box(0.1 + 0.2 * at_s, 0.53, 0.1, 0.1), Label.CAR, 0.8)
        return [waiting, passing] if at_s < 1.9 else [waiting]

    seen = _watch(Tracker(), 4, look)
    coasting = next(track for one in seen for track in one.living if track.is_coasting)
    assert coasting.track_id == 1
    assert all(track.is_coasting for one in seen[10:] for track in one.living)


@pytest.mark.parametrize(
    ("label", "speed", "regions", "is_foretold"),
    [
        (Label.PERSON, 0.05, [_box(0.3)], True),
        (Label.PERSON, 0.25, [_box(0.9)], False),
        (Label.PERSON, 0.05, [_box(0.3), _box(0.8)], False),
        (Label.CAR, 0.05, [], False),
        (Label.CAR, 0.0, [], True),
    ],
    ids=["a walker", "a runner", "a walker and something else", "a car that drives", "a parked car"],
)
def test_what_is_slow_and_expected_may_wait_for_a_look(
    label: Label, speed: float, regions: list[Box], *, is_foretold: bool
) -> None:
    tracker = Tracker()
    _watch(tracker, 12, lambda at_s: [Detection(_box(0.3 + speed * (at_s - 11.8)), label, 0.8)])
    assert tracker.is_foretold(regions) is is_foretold


def test_two_who_meet_and_pass_keep_their_numbers() -> None:
    def look(at_s: float) -> list[Detection]:
        return [
            Detection(_box(0.1 + 0.1 * at_s, 0.5), Label.PERSON, 0.8),
            Detection(_box(0.9 - 0.1 * at_s, 0.56), Label.PERSON, 0.8),
        ]

    last = _watch(Tracker(), 7, look)[-1]
    assert {track.track_id: track.vx > 0 for track in last.living} == {1: True, 2: False}


def test_a_person_and_a_car_on_one_spot_are_two_tracks() -> None:
    both = [Detection(_box(0.5), Label.PERSON, 0.8), Detection(_box(0.5), Label.CAR, 0.8)]
    assert len(_confirmed(_watch(Tracker(), 2, lambda _: both)[-1])) == 2


@pytest.mark.parametrize(("speed", "users"), [(0.1, [Label.BICYCLE]), (0.0, [Label.BICYCLE, Label.PERSON])])
def test_a_rider_is_one_road_user_with_the_machine_and_a_bystander_is_not(speed: float, users: list[Label]) -> None:
    def look(at_s: float) -> list[Detection]:
        machine = Detection(Box(0.2 + speed * at_s, 0.5, 0.08, 0.1), Label.BICYCLE, 0.6)
        person = Detection(Box(0.22 + speed * at_s, 0.4, 0.04, 0.15), Label.PERSON, 0.7)
        return [machine, person] if at_s > 1 else [machine]

    assert sorted(track.label for track in _confirmed(_watch(Tracker(), 4, look)[-1])) == users


def test_two_boxes_of_one_person_begin_one_track() -> None:
    twice = [_person(0.5), Detection(_box(0.502, 0.51), Label.PERSON, 0.6)]
    seen = _watch(Tracker(), 2, lambda at_s: twice if at_s > 0.5 else twice[:1])
    assert len(seen[-1].living) == 1


def test_a_van_that_is_now_car_now_truck_is_what_it_was_most() -> None:
    def look(at_s: float) -> list[Detection]:
        label = Label.TRUCK if round(at_s * FPS) % 4 == 0 else Label.CAR
        return [Detection(Box(0.2 + 0.05 * at_s, 0.5, 0.1, 0.1), label, 0.7)]

    seen = _watch(Tracker(), 4, look)
    assert {track.track_id for one in seen for track in one.living} == {1}
    assert seen[-1].living[0].label is Label.CAR


def test_a_crowd_is_bounded() -> None:
    crowd = [Detection(Box(i % 20 / 20, i // 20 / 20, 0.03, 0.03), Label.PERSON, 0.9) for i in range(300)]
    assert len(_watch(Tracker(), 1, lambda _: crowd)[-1].living) == 200


@given(
    st.lists(
        st.lists(
            st.builds(
                Detection,
                st.builds(Box, st.floats(0, 0.9), st.floats(0, 0.9), st.floats(0, 0.5), st.floats(0, 0.5)),
                st.sampled_from(Label),
                st.floats(0.2, 1),
            ),
            max_size=6,
        ),
        max_size=12,
    )
)
def test_no_detection_breaks_the_tracker(frames: list[list[Detection]]) -> None:
    tracker = Tracker()
    ended: set[int] = set()
    for frame, detections in enumerate(frames):
        tracked = tracker.update(detections, frame * NS_PER_S // FPS)
        ids = [track.track_id for track in tracked.living]
        assert len(ids) == len(set(ids))
        assert not ended & set(ids)
        assert sum(not track.is_coasting for track in tracked.living) <= len(detections)
        ended |= {track.track_id for track in tracked.ended}


_UNIT_BOXES = st.lists(
    st.builds(Box, st.floats(0, 0.9), st.floats(0, 0.9), st.floats(0.01, 0.5), st.floats(0.01, 0.5)),
    min_size=1,
    max_size=5,
)


@given(_UNIT_BOXES, _UNIT_BOXES)
def test_overlaps_of_arrays_are_those_of_boxes(rows: list[Box], columns: list[Box]) -> None:
    shared = overlaps(corners(rows), corners(columns))
    assert shared == pytest.approx(np.array([[iou(a, b) for b in columns] for a in rows]), abs=1e-9)


def test_distance_is_counted_in_the_longer_side() -> None:
    apart = distances(corners([Box(0, 0, 0.1, 0.2)]), corners([Box(0.3, 0.4, 0.1, 0.2)]))
    assert apart[0, 0] == pytest.approx(2.5)


def test_the_cheapest_pair_is_taken_first_and_dear_ones_never() -> None:
    costs = np.array([[0.2, 0.1, 9.0], [0.3, 0.15, 9.0], [9.0, 9.0, 9.0]])
    assert cheapest_pairs(costs, 1.0) == [(0, 1), (1, 0)]


def test_a_filter_learns_a_constant_speed_at_uneven_times() -> None:
    motive = Motive(looks=0.1, start=2.0, swerve=0.5)
    axis, at_s = Axis(0.0, motive), 0.0
    for step_s in [0.2, 0.4, 0.1, 1.0, 0.2, 0.2, 0.5] * 4:
        at_s += step_s
        axis.fold(3.0 * at_s, step_s, motive)
    assert axis.velocity == pytest.approx(3.0, abs=0.01)
    assert axis.position == pytest.approx(3.0 * at_s, abs=0.01)


def test_a_filter_forgets_a_speed_when_the_thing_stops() -> None:
    motive = Motive(looks=0.1, start=2.0, swerve=0.5)
    axis = Axis(0.0, motive)
    for look in range(1, 10):
        axis.fold(0.2 * look, 0.2, motive)
    for _ in range(15):
        axis.fold(1.8, 0.2, motive)
    assert axis.velocity == pytest.approx(0, abs=0.1)
