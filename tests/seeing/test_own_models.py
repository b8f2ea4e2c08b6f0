"""Users put a detector into their folder while the node watches."""

from __future__ import annotations

import hashlib
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from agent.config import VisionConfig
from agent.errors import ModelError
from agent.notices import VisionStatus
from agent.processes.own_models import OwnModels
from agent.processes.sight import Sight
from agent.stage import Stage
from agent.units import NS_PER_S
from agent.vision.geometry import Label
from agent.vision.model import Manifest
from tests.broker import wait_until
from tests.conftest import ROOT
from tests.seeing.node_side import NodeSide, vision_process
from tests.vision.own_models import graph, install, yolov8_output
from tests.vision.pictures import ArrayPicture, road

CONFIG = """
data_dir = "{data}"
runtime_dir = "{run}"
[node]
org = "test"
site = "test"
id = "test"
[vision]
own_models_dir = "{own}"
[[camera]]
id = "c01"
main = "file:unused.mp4"
"""
CAR = (20, 12, 16, 8, 2, 0.72)
PERSON = (50, 16, 4, 12, 0, 0.9)


def _config(folder: Path, *, detector: str = "nanodet-g-416", shadow: str = "") -> VisionConfig:
    return VisionConfig(
        models_dir=str(ROOT / "models"), own_models_dir=str(folder), threads=1, detector=detector, shadow=shadow
    )


@pytest.fixture
def own(tmp_path: Path) -> Iterator[tuple[Path, Sight]]:
    """A folder with a detector that bears the shipped one's name, watched."""
    folder = tmp_path / "own"
    install(folder, {"nanodet-g-416": ("yolov8", graph(yolov8_output(CAR)))})
    stop = threading.Event()
    sight = Sight(_config(folder))
    watcher = OwnModels(folder, sight, stop)
    stage = Stage("own-models", watcher.run_once, stop=stop)
    stage.start()
    yield folder, sight
    stop.set()
    stage.join()
    watcher.close()


def test_a_model_of_the_users_goes_before_the_shipped_one_of_its_name(own: tuple[Path, Sight]) -> None:
    _, sight = own
    assert sight.serving.id == "nanodet-g-416" and not sight.serving.sha256.startswith("4e2238d6634d")


def test_a_new_model_serves_soon_after_it_was_copied_and_pipelines_keep_their_tracks(
    own: tuple[Path, Sight],
) -> None:
    folder, sight = own
    before, pipeline = sight.serving.name, sight.pipeline()
    install(folder, {"nanodet-g-416": ("yolov8", graph(yolov8_output(CAR, PERSON)))})
    wait_until(lambda: sight.serving.name != before, "the new model was not taken")
    assert pipeline.model == sight.serving.name and sight.problem == ""


def test_a_model_that_does_not_match_its_hash_is_refused_with_the_reason_and_the_old_one_goes_on(
    own: tuple[Path, Sight],
) -> None:
    folder, sight = own
    before = sight.serving.name
    install(folder, {"nanodet-g-416": ("yolov8", graph(yolov8_output(PERSON)))})
    (folder / "nanodet-g-416.onnx").write_bytes(b"cut off")
    wait_until(lambda: "damaged" in sight.problem, "the damaged model was not refused")
    assert sight.serving.name == before
    install(folder, {"nanodet-g-416": ("yolov8", graph(yolov8_output(PERSON)))})
    wait_until(lambda: sight.serving.name != before and not sight.problem, "the mended model was not taken")


def test_a_manifest_that_cannot_be_read_is_refused(own: tuple[Path, Sight]) -> None:
    folder, sight = own
    before = sight.serving.name
    (folder / "manifest.json").write_text("{", encoding="utf-8")
    wait_until(lambda: "manifest" in sight.problem, "the broken manifest was not refused")
    assert sight.serving.name == before


def test_the_shipped_detector_serves_while_another_is_on_trial(tmp_path: Path) -> None:
    install(tmp_path, {"mine": ("yolov8", graph(yolov8_output(CAR)))})
    sight = Sight(_config(tmp_path, shadow="mine"))
    assert sight.serving.sha256.startswith("4e2238d6634d")
    assert sight.trial is not None and sight.trial.model.id == "mine"
    assert not sight.reload()


def test_where_the_users_own_is_broken_at_the_start_ours_serves_until_it_is_mended(tmp_path: Path) -> None:
    install(tmp_path, {"mine": ("yolov8", graph(yolov8_output(CAR)))})
    (tmp_path / "mine.onnx").write_bytes(b"cut off by the power")
    sight = Sight(_config(tmp_path, detector="mine"))
    assert sight.serving.sha256.startswith("4e2238d6634d") and "damaged" in sight.problem
    install(tmp_path, {"mine": ("yolov8", graph(yolov8_output(CAR)))})
    assert sight.reload()
    assert sight.serving.id == "mine" and sight.problem == ""


def test_a_broken_one_on_trial_keeps_nobody_from_seeing(tmp_path: Path) -> None:
    sight = Sight(_config(tmp_path, shadow="mine"))
    assert sight.trial is None and "mine" in sight.problem
    install(tmp_path, {"mine": ("yolov8", graph(yolov8_output(CAR)))})
    assert sight.reload()
    assert sight.trial is not None and sight.problem == ""


def test_a_serving_one_that_is_refused_keeps_none_from_its_trial(own: tuple[Path, Sight]) -> None:
    folder, _ = own
    sight = Sight(_config(folder, shadow="mine"))
    install(
        folder,
        {
            "nanodet-g-416": ("yolox", graph(yolov8_output(PERSON))),
            "mine": ("yolov8", graph(yolov8_output(CAR))),
        },
    )
    assert sight.reload()
    assert sight.trial is not None and "places" in sight.problem


def test_without_a_folder_of_their_own_a_detector_that_is_nowhere_is_a_mistake() -> None:
    with pytest.raises(ModelError, match="nosuch"):
        Sight(VisionConfig(models_dir=str(ROOT / "models"), detector="nosuch"))


def test_tracks_live_on_and_no_picture_is_lost_when_another_detector_serves(tmp_path: Path) -> None:
    install(tmp_path, {"nanodet-g-416": ("yolov8", graph(yolov8_output(CAR)))})
    sight = Sight(_config(tmp_path))
    pipeline = sight.pipeline(is_gated=False)
    before = [pipeline.process(_drive(index)) for index in range(10)]
    install(tmp_path, {"nanodet-g-416": ("yolov8", graph(yolov8_output((21, 12, 16, 8, 7, 0.9))))})
    assert sight.reload()
    after = [pipeline.process(_drive(index)) for index in range(10, 20)]
    assert all(seen is not None for seen in (*before, *after))
    followed = {track.track_id for seen in (*before[5:], *after) if seen is not None for track in seen.tracks}
    assert len(followed) == 1
    assert not any(seen.ended for seen in after if seen is not None)


def test_the_example_of_the_manual_is_a_manifest() -> None:
    manual = (ROOT / "docs" / "own-detectors.md").read_text(encoding="utf-8")
    shown = textwrap.dedent(manual.split("```json\n")[1].split("```")[0])
    (entry,) = msgspec.json.decode(shown, type=Manifest).models
    assert entry.kind == "yolox" and entry.form is not None
    assert entry.form.classes[Label.MOTORCYCLE] == [1, 2]


def test_a_running_vision_process_takes_a_new_model_and_tells_of_a_broken_one(tmp_path: Path) -> None:
    own, config = tmp_path / "own", tmp_path / "wayside.toml"
    own.mkdir()
    config.write_text(CONFIG.format(data=tmp_path, run=tmp_path / "run", own=own), encoding="utf-8")
    node = NodeSide(tmp_path / "run")
    try:
        with vision_process(config) as process:
            node.wait_for(VisionStatus, lambda status: status.detector_sha256.startswith("4e2238d6634d"))
            content = graph(yolov8_output(CAR))
            install(own, {"nanodet-g-416": ("yolov8", content)})
            taken = hashlib.sha256(content).hexdigest()
            node.wait_for(VisionStatus, lambda status: status.detector_sha256 == taken)
            (own / "manifest.json").write_text("{", encoding="utf-8")
            status, _ = node.wait_for(VisionStatus, lambda status: bool(status.model_problem))
            assert "manifest" in status.model_problem and status.detector_sha256 == taken
            assert process.poll() is None
    finally:
        node.close()


def _drive(index: int) -> ArrayPicture:
    """A bright block that stirs about the place where the detector says a car is."""
    picture = road()
    picture[80:200, 80 + 2 * (index % 5) : 160 + 2 * (index % 5)] = 230
    return ArrayPicture(picture, index * NS_PER_S // 5)


def test_a_folder_that_is_not_there_is_made_and_watched(tmp_path: Path) -> None:
    sight = Sight(_config(tmp_path / "later"))
    watcher = OwnModels(tmp_path / "later", sight, threading.Event())
    install(tmp_path / "later", {"nanodet-g-416": ("yolov8", graph(yolov8_output(CAR)))})

    def is_taken() -> bool:
        watcher.run_once()
        return not sight.serving.sha256.startswith("4e2238d6634d")

    wait_until(is_taken, "it was not noticed")
    watcher.close()
