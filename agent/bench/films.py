"""Films for the measurements, made once by ffmpeg and kept in the user's cache."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from agent.errors import BenchError

FRAMES_PER_S: Final = 25
# Played again and again; each stream has a film of its own, so that no page is shared between them.
_FILM_S: Final = 20
# Part of the name: a changed recipe makes new films.
_RECIPE: Final = 1

Say = Callable[[str], None]


def cache_folder() -> Path:
    """$XDG_CACHE_HOME/wayside/bench (XDG base directory specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wayside" / "bench"


def make_films(folder: Path, count: int, say: Say) -> list[Path]:
    """1080p25 H.264 of 4 Mbit/s with an IDR each 2 s, as a common camera sends it. Raises BenchError."""
    folder.mkdir(parents=True, exist_ok=True)
    films = [folder / f"1080p25-{_RECIPE}-{number}.mp4" for number in range(count)]
    for number, film in enumerate(films):
        if not film.is_file():
            say(f"making {film.name}, once")
            _make(film, number)
    return films


def find_ffmpeg() -> str:
    """Raises BenchError without it."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise BenchError(remedy="install ffmpeg: it makes the films and is the peer")
    return ffmpeg


def make_film(film: Path, scene: str, options: Sequence[str], *, seconds: int) -> None:
    """An H.264 film without B-frames of an lavfi `scene`. Raises BenchError."""
    codec = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-sc_threshold", "0", *options)
    part = film.with_suffix(".part")
    argv = [find_ffmpeg(), "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", scene, "-t", str(seconds), *codec]
    made = subprocess.run([*argv, "-f", "mp4", str(part)], capture_output=True, text=True, check=False)
    if made.returncode:
        raise BenchError(problem=made.stderr.strip()[-300:], remedy="install an ffmpeg with libx264")
    part.replace(film)


def _make(film: Path, number: int) -> None:
    # Noise keeps the encoder at its rate all the time, as a camera at night is.
    scene = f"testsrc2=size=1920x1080:rate={FRAMES_PER_S},noise=alls=12:allf=t:all_seed={number + 1}"
    rate = ("-b:v", "4M", "-maxrate", "4M", "-bufsize", "4M", "-g", str(2 * FRAMES_PER_S))
    make_film(film, scene, rate, seconds=_FILM_S)
