"""The whole grammar of a scene file, and what a wrong one is answered with."""

from __future__ import annotations

import pytest

from agent.errors import ConfigError
from agent.scene.file import decode_scene
from agent.scene.grammar import Intrusion, Loitering, Scene, StoppedVehicle

WHOLE = """
camera = "c01"

[[zone]]
id = "carriageway"
polygon = [[0.05, 0.45], [0.95, 0.45], [1.0, 1.0], [0.0, 1.0]]
  [zone.rules.stopped_vehicle]
  after_s = 8
  [zone.rules.person_on_road]
  after_s = 2
  [zone.rules.wrong_way]
  heading_deg = 90
  tolerance_deg = 70
  [zone.rules.congestion]
  [zone.rules.crash_suspected]

[[zone]]
id = "yard"
polygon = [[0.2, 0.2], [0.8, 0.2], [0.8, 0.9], [0.2, 0.9]]
rules = { intrusion = {}, loitering = { after_s = 10 }, crowd = { at_least = 12 }, abandoned_object = { after_s = 10 } }

[[line]]
id = "north"
points = [[0.25, 0.75], [1.0, 0.55]]

[[approach]]
id = "north-in"
name_th = "ถนนกาญจนวนิช ขาเข้า"
name_en = "Kanjanavanich Rd, inbound"
zone = "carriageway"
line = "north"
direction = "forward"
free_kmh = 50
busy_ratio = 0.6
jammed_ratio = 0.25

[[mask]]
polygon = [[0, 0], [0.3, 0], [0.3, 0.1], [0, 0.1]]

[fire]
enabled = true

[calibration]
points = [{ image = [0.1, 0.6], ground_m = [0, 0] }, { image = [0.9, 0.6], ground_m = [12, 0] },
          { image = [1.0, 1.0], ground_m = [12, 20] }, { image = [0.0, 1.0], ground_m = [0, 20] }]
"""


def refusal(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        decode_scene(text, name="c01.toml")
    return caught.value


def test_the_whole_grammar_is_accepted() -> None:
    scene = decode_scene(WHOLE, name="c01.toml")
    carriageway, yard = scene.zones
    assert carriageway.rules.stopped_vehicle == StoppedVehicle(after_s=8.0)
    assert yard.rules.intrusion == Intrusion() and yard.rules.loitering == Loitering(after_s=10.0)
    assert carriageway.rules.wrong_way is not None and carriageway.rules.wrong_way.heading_deg == 90
    assert yard.rules.stopped_vehicle is None
    assert scene.approaches[0].name_th.startswith("ถนน") and scene.lines[0].points == ((0.25, 0.75), (1.0, 0.55))
    assert scene.fire.enabled and scene.calibration is not None and len(scene.masks) == 1


def test_an_empty_file_is_a_scene_without_zones() -> None:
    assert decode_scene("", name="c01.toml") == Scene()


@pytest.mark.parametrize(
    ("right", "wrong", "key", "remedy"),
    [
        ("after_s = 8", "after = 8", "zone[0].rules.stopped_vehicle.after", "did you mean `after_s`"),
        ("[[mask]]", "[[maks]]", "maks", "did you mean `mask`"),
        ("[fire]", "[flood]", "flood", "no such key"),
        ("[0.05, 0.45], [0.95", "[0.05, 1.45], [0.95", "zone[0].polygon[0][1]", "<= 1.0"),
        ("[0.05, 0.45], [0.95", "[-0.05, 0.45], [0.95", "zone[0].polygon[0][0]", ">= 0.0"),
        ("[0.2, 0.2], [0.8, 0.2], ", "", "zone[1].polygon", "length >= 3"),
        ("[0.8, 0.2], [0.8, 0.9], [0.2, 0.9]", "[0.4, 0.4], [0.8, 0.8]", "zone[1].polygon", "no area"),
        ("[0.8, 0.9], [0.2, 0.9]", "[0.2, 0.9], [0.7, 0.9]", "zone[1].polygon", "crosses itself"),
        ("[[0.25, 0.75], [1.0, 0.55]]", "[[0.25, 0.75], [0.25, 0.75]]", "line[0].points", "needs a length"),
        ("[[0.25, 0.75], [1.0, 0.55]]", "[[0.25, 0.75]]", "line[0].points", "length 2"),
        ('id = "yard"', 'id = "Yard"', "zone[1].id", "matching"),
        ('id = "yard"', 'id = "carriageway"', "zone[1].id", "rename one"),
        ('line = "north"', 'line = "nroth"', "approach[0].line", "the file has north"),
        ('zone = "carriageway"', 'zone = "road"', "approach[0].zone", "the file has carriageway, yard"),
        ('direction = "forward"', 'direction = "in"', "approach[0].direction", "in"),
        ("jammed_ratio = 0.25", "jammed_ratio = 0.7", "approach[0].jammed_ratio", "below busy_ratio"),
        ("heading_deg = 90", "heading_deg = 360", "zone[0].rules.wrong_way.heading_deg", "< 360"),
        ("after_s = 8", 'after_s = "8"', "zone[0].rules.stopped_vehicle.after_s", "float"),
        ("after_s = 8", "after_s = -1", "zone[0].rules.stopped_vehicle.after_s", ">= 0"),
        ("at_least = 12", "at_least = 1", "zone[1].rules.crowd.at_least", ">= 2"),
        (", { image = [0.9, 0.6], ground_m = [12, 0] }", "", "calibration.points", "length >= 4"),
        ("image = [1.0, 1.0]", "image = [0.5, 0.6]", "calibration.points", "on one line"),
        ("ground_m = [12, 20]", "ground_m = [6, 0]", "calibration.points", "on one line"),
        ('camera = "c01"', "camera = 1", "camera", "str"),
    ],
)
def test_a_wrong_key_is_named_with_its_path_and_what_to_do(right: str, wrong: str, key: str, remedy: str) -> None:
    assert right in WHOLE
    error = refusal(WHOLE.replace(right, wrong, 1))
    assert error.facts["key"] == key
    assert remedy in error.remedy
    assert error.facts["file"] == "c01.toml"


def test_text_that_is_not_toml_is_refused_with_the_place() -> None:
    assert "line 1" in refusal("camera = c01").remedy


def test_numbers_that_are_not_finite_are_refused() -> None:
    assert "polygon" in str(refusal(WHOLE.replace("[0.05, 0.45]", "[nan, 0.45]")))
    assert "calibration" in str(refusal(WHOLE.replace("ground_m = [12, 20]", "ground_m = [inf, 20]")))
