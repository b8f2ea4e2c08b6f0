"""Which rules a scene asks for: the one place that knows them all. Pure."""

from __future__ import annotations

from agent.scene.grammar import Zone
from agent.scene.rules.abandoned_object import AbandonedObjectRule
from agent.scene.rules.congestion import CongestionRule
from agent.scene.rules.crash_suspected import CrashSuspectedRule
from agent.scene.rules.crowd import CrowdRule
from agent.scene.rules.intrusion import IntrusionRule
from agent.scene.rules.loitering import LoiteringRule
from agent.scene.rules.person_on_road import PersonOnRoadRule
from agent.scene.rules.rule import Rule
from agent.scene.rules.stopped_vehicle import StoppedVehicleRule
from agent.scene.rules.wrong_way import WrongWayRule


def zone_rules(zone: Zone, *, aspect: float) -> list[Rule]:
    """The rules of one zone, in the order of the grammar. aspect: the picture's width over its height."""
    asked, polygon = zone.rules, zone.polygon
    rules: list[Rule | None] = [
        IntrusionRule(asked.intrusion, polygon) if asked.intrusion else None,
        LoiteringRule(asked.loitering, polygon) if asked.loitering else None,
        StoppedVehicleRule(asked.stopped_vehicle, polygon, aspect=aspect) if asked.stopped_vehicle else None,
        PersonOnRoadRule(asked.person_on_road, polygon, aspect=aspect) if asked.person_on_road else None,
        WrongWayRule(asked.wrong_way, polygon, aspect=aspect) if asked.wrong_way else None,
        CongestionRule(asked.congestion, polygon, aspect=aspect) if asked.congestion else None,
        CrashSuspectedRule(asked.crash_suspected, polygon, aspect=aspect) if asked.crash_suspected else None,
        CrowdRule(asked.crowd, polygon) if asked.crowd else None,
        AbandonedObjectRule(asked.abandoned_object, polygon, aspect=aspect) if asked.abandoned_object else None,
    ]
    return [rule for rule in rules if rule is not None]
