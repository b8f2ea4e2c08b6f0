"""The labelled clips: what the manifest of the shared footage says of each."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from agent.vision.geometry import Box
from tests.eval.mot import Frame

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that the manifest says is to be seen from one second to another, and roughly where."""

    kind: str
    start_s: float
    end_s: float
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class Clip:
    """One video. `counts` as the manifest has them; `truth_file`: boxes of every frame in the form of MOT15."""

    name: str
    path: Path
    kinds: frozenset[str]
    happenings: tuple[Happening, ...]
    seconds: float
    fps: float
    frames: int
    size_px: tuple[int, int]
    counts: Mapping[str, object]
    truth_file: Path | None


def shared_dir() -> Path:
    """The folder beside the checkout, or $WAYSIDE_SHARED."""
    return Path(os.environ.get("WAYSIDE_SHARED") or ROOT.parent / "shared")


class _Event(msgspec.Struct):
    kind: str
    start_s: float
    end_s: float
    box: tuple[float, float, float, float] | None = msgspec.field(name="bbox_xywh_norm", default=None)


class _Truth(msgspec.Struct):
    format: str
    file: str = ""


class _Video(msgspec.Struct):
    """An item of the manifest, as far as it is read here; it may lack all but its file when it is no video."""

    file: str
    type: str = "video"
    kinds: frozenset[str] = frozenset()
    events: tuple[_Event, ...] = ()
    duration_s: float = 0.0
    fps: float = 0.0
    frames: int = 0
    width: int = 0
    height: int = 0
    counts: dict[str, object] = msgspec.field(default_factory=dict)
    ground_truth: _Truth | str | None = None


class _Manifest(msgspec.Struct):
    items: tuple[_Video, ...]


def read_manifest(shared: Path) -> list[Clip]:
    """Every video of the manifest, in its order; sequences of pictures are left to who scores masks."""
    folder = shared / "footage"
    manifest = msgspec.json.decode((folder / "manifest.json").read_bytes(), type=_Manifest)
    return [_clip(folder, item) for item in manifest.items if item.type == "video"]


def _clip(folder: Path, item: _Video) -> Clip:
    truth = item.ground_truth if isinstance(item.ground_truth, _Truth) else None
    return Clip(
        name=Path(item.file).stem,
        path=folder / item.file,
        kinds=item.kinds,
        happenings=tuple(_happening(event) for event in item.events),
        seconds=item.duration_s,
        fps=item.fps,
        frames=item.frames,
        size_px=(item.width, item.height),
        counts=item.counts,
        truth_file=folder / truth.file if truth and truth.format.startswith("MOT15") else None,
    )


def _happening(event: _Event) -> Happening:
    return Happening(event.kind, event.start_s, event.end_s, Box(*event.box) if event.box else None)


def read_truth(clip: Clip) -> list[Frame]:
    """The true boxes of every frame by the person's id."""
    assert clip.truth_file is not None
    width, height = clip.size_px
    frames: list[dict[int, Box]] = [{} for _ in range(clip.frames)]
    for line in clip.truth_file.read_text(encoding="utf-8").splitlines():
        number, person, left, top, wide, high = (float(part) for part in line.split(",")[:6])
        frames[round(number) - 1][round(person)] = Box(left / width, top / height, wide / width, high / height)
    return list(frames)
