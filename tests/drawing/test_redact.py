"""Redacted copies of the campus clip: who was to be known is not, and the copy says what it is."""

from __future__ import annotations

import hashlib
import json
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from agent.cli.app import app
from agent.drawing.encoder import Mp4Encoder
from agent.drawing.redact import blot, head_of, plate_band_of
from agent.errors import ClipDamaged
from agent.processes.video import VideoFile
from agent.recording.clipfile import verify_clip
from agent.vision.detector import BgrImage, Detector
from agent.vision.geometry import Box, Label
from agent.vision.model import ModelStore, find_models_dir

STREET = Path(__file__).resolve().parents[2] / "agent" / "demo" / "street.mp4"
FRAMES = 12
SCENE = "[[mask]]\npolygon = [[0.0, 0.8], [0.2, 0.8], [0.2, 1.0], [0.0, 1.0]]\n"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first second of the campus clip: five people and two vans."""
    path = tmp_path_factory.mktemp("redact") / "clip.mp4"
    with VideoFile(STREET) as source, Mp4Encoder(path, fps=10) as encoder:
        for picture in islice(source.pictures(), FRAMES):
            encoder.write(picture.bgr(), picture.media_ns)
    return path


def redact(clip: Path, out: Path, *more: str | Path) -> Result:
    return CliRunner().invoke(app, ["footage", "redact", str(clip), "--out", str(out), *map(str, more)])


def pictures(path: Path) -> list[BgrImage]:
    with VideoFile(path) as source:
        return [picture.bgr() for picture in source.pictures()]


def part(bgr: BgrImage, box: Box) -> BgrImage:
    height, width = bgr.shape[:2]
    top, left = round(max(box.y, 0) * height), round(max(box.x, 0) * width)
    return bgr[top : round(box.bottom * height), left : round(box.right * width)]


def is_flat(bgr: BgrImage) -> bool:
    """Nearly every pixel is its neighbour's colour: two blots that meet have one edge, and encoding adds a level or
    two."""
    return float((np.abs(np.diff(bgr.astype(float), axis=1)).max(axis=2) <= 4).mean()) > 0.85


@pytest.fixture(scope="module")
def copy(clip: Path) -> Path:
    scene = clip.with_name("scene.toml")
    scene.write_text(SCENE)
    out = clip.with_name("copy.mp4")
    done = redact(clip, out, "--scene", scene)
    assert done.exit_code == 0, done.output
    assert "look at it before" in done.output
    return out


def test_every_head_and_plate_that_the_detector_knows_is_one_colour(clip: Path, copy: Path) -> None:
    store = ModelStore(find_models_dir(), threads=2)
    detector = Detector(store.open(store.entry("nanodet-g-416", "nanodet")))
    heads = bands = 0
    for before, after in zip(pictures(clip)[::3], pictures(copy)[::3], strict=True):
        for one in detector.detect(before):
            if one.score < 0.5:
                continue
            is_person = one.label is Label.PERSON
            covered = part(after, head_of(one.box) if is_person else plate_band_of(one.box))
            heads, bands = heads + is_person, bands + (not is_person)
            assert is_flat(covered) and not is_flat(part(before, head_of(one.box)))
    assert heads >= 8 and bands >= 2


def test_the_rest_of_the_picture_is_as_it_was(clip: Path, copy: Path) -> None:
    for before, after in zip(pictures(clip), pictures(copy), strict=True):
        lawn = Box(0.3, 0.6, 0.2, 0.3)
        assert np.abs(part(before, lawn).astype(float) - part(after, lawn)).mean() < 6


def test_masks_of_the_scene_are_black(copy: Path) -> None:
    assert all(part(picture, Box(0.02, 0.85, 0.15, 0.13)).max() < 30 for picture in pictures(copy))


def test_the_copy_says_what_it_was_made_of_and_is_no_evidence(clip: Path, copy: Path) -> None:
    with av.open(str(copy)) as container:
        said = json.loads(container.metadata["comment"])
    assert said["derivative"] == "redacted"
    assert said["of_sha256"] == hashlib.sha256(clip.read_bytes()).hexdigest()
    assert said["heads"] > 5 and said["masks"] == 1 and len(said["models"]) == 2
    with pytest.raises(ClipDamaged):
        verify_clip(copy)


def test_faces_only_leaves_plates(clip: Path, tmp_path: Path) -> None:
    done = redact(clip, tmp_path / "faces.mp4", "--faces-only", "--json")
    said = json.loads(done.stdout)["redaction"]
    assert (said["heads"], said["plates"]) == (0, 0) and said["faces"] > 0


@pytest.mark.parametrize("name", ["clip.mp4", "none/copy.mp4", "copy.avi"])
def test_a_name_that_cannot_be_written_is_refused_before_anything_is_looked_at(clip: Path, name: str) -> None:
    assert redact(clip, clip.parent / name).exit_code == 2


def test_what_is_no_video_leaves_no_copy(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    assert redact(tmp_path / "clip.mp4", tmp_path / "copy.mp4").exit_code == 1
    assert list(tmp_path.glob("copy*")) == []


def test_a_blot_leaves_nothing_to_read_back_and_may_reach_beyond_the_picture() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (40, 40, 3), np.uint8)
    blot(noise, Box(-0.5, -0.5, 1.0, 1.0))
    assert (noise[:20, :20] == noise[0, 0]).all()
    assert noise[21:, 21:].std() > 50
