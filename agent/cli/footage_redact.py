"""`wayside footage redact`: a copy to hand out, in which nobody is to be known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent.cli.faults import EXIT_PARTIAL, explained
from agent.cli.settings import JsonOption, json_line
from agent.errors import ConfigError, UsageError


@explained
def redact(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="a clip of `footage export`", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="the copy to write (.mp4)", show_default=False)],
    scene: Annotated[Path | None, typer.Option("--scene", help="the camera's scene: its masks are burnt in")] = None,
    *,
    faces_only: Annotated[bool, typer.Option("--faces-only", help="leave heads seen from behind and plates")] = False,
    models: Annotated[str, typer.Option("--models", help="the folder of the models")] = "",
    as_json: JsonOption = False,
) -> None:
    """Cover faces, heads and the bands where plates are, in a copy that says what it was made of.

    No model finds every face: look at the copy before it leaves the house. Exit code 3 when parts of the clip cannot
    be read.
    """
    from agent.drawing.redact import Finders
    from agent.drawing.redact import redact as make_copy
    from agent.scene.file import decode_scene
    from agent.vision.detector import Detector
    from agent.vision.faces import FaceDetector
    from agent.vision.model import ModelStore, find_models_dir

    if out.resolve() == clip.resolve() or out.suffix.lower() != ".mp4" or not out.parent.is_dir():
        raise UsageError(out=str(out), remedy="name another .mp4 file, in a folder that exists")
    masks = []
    if scene is not None:
        try:
            masks = decode_scene(scene.read_text(encoding="utf-8"), name=str(scene)).masks
        except (OSError, UnicodeDecodeError) as exc:
            raise ConfigError(file=str(scene), remedy=f"the scene cannot be read ({exc}); give the right one") from exc
    store = ModelStore(find_models_dir(models), threads=2)
    detector = None if faces_only else Detector(store.open(store.entry("nanodet-g-416", "nanodet")))
    finders = Finders(FaceDetector(store.open(store.entry("centerface", "faces"))), detector)
    made = make_copy(clip, out, finders, masks)
    said = made.redaction
    if as_json:
        print(json_line({"path": str(out), "frames": made.frames, "redaction": said, "problem": made.problem}))
    else:
        print(f"{out}  {made.size_bytes / 1e6:.1f} MB, {made.frames} pictures, a derivative of {said.of_sha256[:12]}…")
        print(f"covered: {said.faces} faces, {said.heads} heads, {said.plates} bands of plates, {said.masks} masks")
        print("No model finds every face: look at it before it leaves the house.")
    if made.problem:
        print(f"wayside: {clip}: {made.problem}")
        raise typer.Exit(EXIT_PARTIAL)
