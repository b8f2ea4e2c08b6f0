"""When something that looks like fire or smoke is told, decided from tables of looks."""

from __future__ import annotations

from agent.contract.events import IncidentKind
from agent.scene.moment import Moment, Sighting
from agent.scene.rules.fire import burning_rules
from agent.units import NS_PER_S
from agent.vision.flame_sight import Burning, FlameSight
from agent.vision.geometry import Box, Label
from tests.scene.tracks import engine_of, findings, moments, words

HEARTH = Box(0.4, 0.5, 0.1, 0.1)


def flame(box: Box = HEARTH, *, score: float = 0.8, flicker: float = 10.0, kind: Burning = Burning.FIRE) -> FlameSight:
    return FlameSight(kind, box, score, flicker)


def told(looks: list[list[FlameSight]], *, every_s: float = 0.5) -> dict[IncidentKind, float]:
    """What is told, and after how many seconds of looks."""
    rules = burning_rules()
    found: dict[IncidentKind, float] = {}
    for number, sights in enumerate(looks):
        at_s = number * every_s
        for rule in rules:
            if rule.update(Moment(round(at_s * NS_PER_S), (), flames=sights)):
                found.setdefault(rule.kind, at_s)
    return found


def test_a_flame_is_told_after_three_looks_that_agree() -> None:
    assert told([[flame()]] * 6) == {IncidentKind.FIRE: 1.0}


def test_flames_leap_and_are_one_fire() -> None:
    leaping = [[flame(Box(0.4 + 0.04 * (number % 3), 0.5 - 0.03 * (number % 2), 0.08, 0.1))] for number in range(6)]
    assert told(leaping) == {IncidentKind.FIRE: 1.0}


def test_a_lamp_and_a_sunset_do_not_flicker() -> None:
    assert told([[flame(flicker=0.4)]] * 20) == {}


def test_what_hardly_looks_like_fire_is_not_told_however_it_flickers() -> None:
    assert told([[flame(score=0.4, flicker=15)]] * 20) == {}


def test_what_is_wilder_than_anything_but_flames_may_look_a_little_less_like_them() -> None:
    assert told([[flame(score=0.5, flicker=9)]] * 6) == {}
    assert told([[flame(score=0.5, flicker=12)]] * 6) == {IncidentKind.FIRE: 1.0}


def test_a_fire_that_comes_out_elsewhere_goes_on_with_less_and_none_begins_so() -> None:
    elsewhere = [flame(Box(0.1, 0.2, 0.1, 0.1), score=0.4, flicker=5)]
    _, rule = burning_rules()
    looks = [elsewhere] * 4 + [[flame()]] * 4 + [elsewhere] * 12
    burns = [
        bool(rule.update(Moment(number * NS_PER_S // 2, (), flames=sights))) for number, sights in enumerate(looks)
    ]
    assert burns == [False] * 6 + [True] * 14


def test_headlights_that_pass_are_each_at_another_place() -> None:
    assert told([[flame(Box(0.1 + 0.25 * (number % 4), 0.5, 0.05, 0.05))] for number in range(4)]) == {}


def test_a_place_where_nothing_is_seen_any_more_is_forgotten() -> None:
    assert told([[flame()], [flame()], *[[]] * 12, [flame()], [flame()]]) == {}


def test_smoke_takes_longer_than_fire() -> None:
    smoke = flame(kind=Burning.SMOKE, flicker=3.0)
    assert told([[smoke]] * 12) == {IncidentKind.SMOKE: 3.0}
    assert told([[flame(kind=Burning.SMOKE, score=0.6, flicker=3.0)]] * 20) == {}


def burning_scene(text: str) -> list[str]:
    engine = engine_of(text)
    watched = (
        Moment(moment.media_ns, (), flames=[flame()] if index % 3 == 0 else None)
        for index, moment in enumerate(moments(8, lambda _: []))
    )
    return words(findings(engine, watched))


def test_no_zone_is_needed_and_the_incident_is_one() -> None:
    assert burning_scene("").count("incident.opened") == 1


def test_a_scene_may_switch_it_off_or_mask_the_place() -> None:
    assert "incident.opened" not in burning_scene("[fire]\nenabled = false\n")
    mask = "[[mask]]\npolygon = [[0.3, 0.4], [0.6, 0.4], [0.6, 0.7], [0.3, 0.7]]\n"
    assert "incident.opened" not in burning_scene(mask)


def test_small_flames_under_smoke_are_fire_and_far_from_it_are_not() -> None:
    smoke = flame(Box(0.4, 0.25, 0.2, 0.3), kind=Burning.SMOKE, flicker=3.0)
    weak = flame(score=0.4, flicker=7)
    assert told([[smoke, weak]] * 12) == {IncidentKind.SMOKE: 3.0, IncidentKind.FIRE: 3.0}
    elsewhere = flame(Box(0.9, 0.9, 0.05, 0.05), score=0.4, flicker=7)
    assert told([[smoke, elsewhere]] * 12) == {IncidentKind.SMOKE: 3.0}


def test_what_fills_a_quarter_of_the_picture_at_once_and_what_vehicles_cover_is_no_smoke() -> None:
    assert told([[flame(Box(0.2, 0.1, 0.6, 0.6), kind=Burning.SMOKE)]] * 20) == {}
    smoke, _ = burning_rules()
    lorry = Sighting(1, Label.TRUCK, Box(0.35, 0.45, 0.2, 0.2), 0.8)
    looks = [Moment(number * NS_PER_S // 2, (lorry,), flames=[flame(kind=Burning.SMOKE)]) for number in range(20)]
    assert not any(smoke.update(look) for look in looks)


def test_a_red_jacket_that_walks_is_no_fire_and_flames_beside_its_wearer_are() -> None:
    walker = Sighting(1, Label.PERSON, Box(0.38, 0.45, 0.14, 0.3), 0.8)
    beside = Sighting(1, Label.PERSON, Box(0.46, 0.45, 0.14, 0.3), 0.8)
    for person, expected in ((walker, False), (beside, True)):
        _, fire = burning_rules()
        looks = [Moment(number * NS_PER_S // 2, (person,), flames=[flame()]) for number in range(8)]
        assert any(fire.update(look) for look in looks) is expected


def test_a_red_bin_flickers_while_somebody_passes_it_and_for_a_second_after() -> None:
    _, fire = burning_rules()
    looks = []
    for tenth in range(40):
        walker = Sighting(1, Label.PERSON, Box(0.3 + 0.01 * tenth, 0.45, 0.1, 0.3), 0.8)
        sights = [flame()] if tenth in {14, 18, 22, 26} else None
        looks.append(Moment(tenth * NS_PER_S // 10, (walker,), flames=sights))
    assert not any(fire.update(look) for look in looks)


def test_flames_that_somebody_left_are_told_a_second_later() -> None:
    _, fire = burning_rules()
    told_s = []
    for tenth in range(60):
        walker = Sighting(1, Label.PERSON, Box(0.38 + 0.03 * tenth, 0.45, 0.14, 0.3), 0.8)
        sights = [flame()] if tenth % 4 == 0 else None
        if fire.update(Moment(tenth * NS_PER_S // 10, (walker,) if tenth < 15 else (), flames=sights)):
            told_s.append(tenth / 10)
    assert 1.5 < told_s[0] <= 2.8
