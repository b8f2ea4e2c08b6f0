"""Models on disk."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from agent.errors import ModelError
from agent.vision import model as model_room
from agent.vision.detector import Detector
from agent.vision.model import ModelStore, Session, find_models_dir
from tests.conftest import ROOT

MODELS = ROOT / "models"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    for name in ("manifest.json", "motion_320x240.onnx"):
        shutil.copy(MODELS / name, folder / name)
    return folder


def test_every_model_of_the_manifest_is_there_unchanged_and_has_a_card(store: ModelStore) -> None:
    manifest = json.loads((MODELS / "manifest.json").read_bytes())
    for model in manifest["models"]:
        assert store.verify(store.entry(model["id"], model["kind"]))
        assert (MODELS / model["card"]).is_file()
        assert model["licence"]
        assert model["input"]


def test_the_motion_model_is_what_its_script_makes_byte_for_byte(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    made = tmp_path / "motion.onnx"
    subprocess.run([sys.executable, MODELS / "export" / "motion.py", made], check=True)
    assert made.read_bytes() == (MODELS / "motion_320x240.onnx").read_bytes()


def test_a_swapped_file_is_refused_with_both_hashes_before_it_is_opened(copy: Path) -> None:
    path = copy / "motion_320x240.onnx"
    path.write_bytes(path.read_bytes() + b"\0")
    store = ModelStore(copy, threads=1)
    with pytest.raises(ModelError) as caught:
        store.open(store.entry("motion-320x240", "motion"))
    facts = caught.value.facts
    assert facts["file"] == str(path)
    assert facts["expected"] == store.entry("motion-320x240", "motion").sha256
    assert facts["found"] != facts["expected"]
    assert "install" in caught.value.remedy


def test_a_missing_file_is_named(copy: Path) -> None:
    store = ModelStore(copy, threads=1)
    with pytest.raises(ModelError, match="nanodet_g_coco_416_fp16w"):
        store.open(store.entry("nanodet-g-416", "nanodet"))


def test_an_unknown_model_is_answered_with_those_there_are(store: ModelStore) -> None:
    with pytest.raises(ModelError, match="nanodet-g-416"):
        store.entry("yolo", "nanodet")


def test_a_file_that_is_no_model_is_refused(copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_bytes())
    (copy / "noise.onnx").write_bytes(b"noise")
    digest = hashlib.sha256(b"noise").hexdigest()
    manifest["models"][0] |= {"file": "noise.onnx", "sha256": digest}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    store = ModelStore(copy, threads=1)
    with pytest.raises(ModelError, match="ONNX Runtime refuses"):
        store.open(store.entry("motion-320x240", "motion"))


@pytest.mark.parametrize("text", ["", "{}", '{"v": 2, "models": []}', '{"v": 1, "models": [{"id": "x"}]}'])
def test_a_manifest_of_another_kind_is_refused(copy: Path, text: str) -> None:
    (copy / "manifest.json").write_text(text)
    with pytest.raises(ModelError, match="no manifest of ours"):
        ModelStore(copy, threads=1)


def test_a_file_name_that_leaves_the_folder_is_refused(copy: Path) -> None:
    text = (copy / "manifest.json").read_text()
    (copy / "manifest.json").write_text(text.replace('"motion_320x240.onnx"', '"../motion_320x240.onnx"'))
    with pytest.raises(ModelError, match="no manifest of ours"):
        ModelStore(copy, threads=1)


def test_the_configured_folder_wins_over_the_environment(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYSIDE_MODELS", str(MODELS))
    assert find_models_dir(str(copy)) == copy
    assert find_models_dir() == MODELS


def test_a_configured_folder_without_models_is_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="models_dir"):
        find_models_dir(str(tmp_path))


def test_a_checkouts_code_takes_the_models_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tmp_path / "share" / "wayside" / "models"
    installed.mkdir(parents=True)
    shutil.copy(MODELS / "manifest.json", installed)
    monkeypatch.delenv("WAYSIDE_MODELS", raising=False)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert find_models_dir() == MODELS


def test_installed_code_takes_the_installed_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tmp_path / "share" / "wayside" / "models"
    installed.mkdir(parents=True)
    shutil.copy(MODELS / "manifest.json", installed)
    monkeypatch.delenv("WAYSIDE_MODELS", raising=False)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(
        model_room, "__file__", str(tmp_path / "lib" / "site-packages" / "agent" / "vision" / "model.py")
    )
    assert find_models_dir() == installed


def test_a_model_with_other_outputs_is_no_detector(motion_session: Session) -> None:
    with pytest.raises(ModelError, match="NanoDet"):
        Detector(motion_session)


def test_a_session_says_which_model_and_provider_it_is(motion_session: Session) -> None:
    assert motion_session.facts.name.startswith("motion-320x240@c2095d390ca1")
    assert motion_session.facts.provider in {"CPU", "CUDA", "Tensorrt"}


BLACK = 8
Planes = dict[str, npt.NDArray[np.generic]]


def _planes(luma: npt.NDArray[np.uint8], *, levels_per_unit: float = 100, mean_level: float = BLACK) -> Planes:
    """What the motion graph is fed: a picture (240, 320), and a background of one level that has never varied."""
    shape = (1, 1, 240, 320)
    scalars = {"rate": 0.5, "hold": -0.5, "per_light": 1 / levels_per_unit}
    return {
        "luma": luma[None, None],
        "mean": np.full(shape, mean_level / 100, np.float32),
        "deviation": np.zeros(shape, np.float32),
        **{name: np.array(value, np.float32) for name, value in scalars.items()},
    }


def _dark() -> npt.NDArray[np.uint8]:
    return np.full((240, 320), BLACK, np.uint8)


def test_the_motion_graph_learns_by_rate_and_holds_where_something_moved(motion_session: Session) -> None:
    luma = _dark()
    luma[100:140, 100:140] += 200
    luma[:20] += 10
    mask, mean, deviation, cells = motion_session.run(_planes(luma))
    assert mask[0, 0, 120, 120] == 1
    assert mask[0, 0, 10, 10] == 0
    assert np.array_equal(cells[0, 0], mask[0, 0].reshape(120, 2, 160, 2).sum(axis=(1, 3)))
    assert mean[0, 0, 120, 120] == pytest.approx(0.08 + 2 * 0.5 * 0.5)
    assert mean[0, 0, 10, 10] == pytest.approx(0.08 + 0.1 * 0.5)
    # No more than 20 levels count, and 20 are its unit.
    assert deviation[0, 0, 120, 120] == pytest.approx(0.5 * 0.5)
    assert deviation[0, 0, 10, 10] == pytest.approx(10 / 20 * 0.5)


@pytest.mark.parametrize(("level", "levels_per_unit"), [(100, 100), (50, 50), (200, 200), (243, 300)])
def test_the_same_scene_in_another_light_is_still_and_keeps_its_background(
    motion_session: Session, level: int, levels_per_unit: float
) -> None:
    luma = np.full((240, 320), level, np.uint8)
    mask, mean, *_ = motion_session.run(_planes(luma, levels_per_unit=levels_per_unit, mean_level=100))
    assert not mask.any()
    # 300 levels would be white: a camera shows 243, and the background is not drawn towards that.
    assert mean == pytest.approx(1.0, abs=1e-5)


def test_specks_do_not_move_and_a_small_hole_in_what_moves_is_filled(motion_session: Session) -> None:
    luma = _dark()
    luma[20:220:7, 20:300:7] = 200
    luma[101:141, 101:141] = 200
    luma[118:122, 118:122] = BLACK
    mask = motion_session.run(_planes(luma))[0][0, 0]
    assert mask[101:141, 101:141].all()
    assert mask[:90].sum() == mask[:, :90].sum() == 0


def test_inputs_that_do_not_fit_are_a_model_error(motion_session: Session) -> None:
    with pytest.raises(ModelError, match="ONNX Runtime failed"):
        motion_session.run({"luma": np.zeros((1, 1, 2, 2), np.uint8)})
